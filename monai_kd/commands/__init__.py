# SPDX-License-Identifier: Apache-2.0
"""The commands of ``python -m monai_kd``, one a file; what they call is imported when they run."""
