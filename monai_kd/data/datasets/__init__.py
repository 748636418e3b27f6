# SPDX-License-Identifier: Apache-2.0
"""From records to tensors: data sets, their transforms, and checks before a run."""
