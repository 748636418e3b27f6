# SPDX-License-Identifier: Apache-2.0
"""The app of MONAI Label: the student at the annotator's desk, distilled anew from the annotator's work."""
