# SPDX-License-Identifier: Apache-2.0
"""From image files to records: which image belongs to which mask and patient."""
