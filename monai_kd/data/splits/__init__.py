# SPDX-License-Identifier: Apache-2.0
"""Which images train, validate and test; no patient and no duplicate in two parts."""
