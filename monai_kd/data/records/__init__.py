# SPDX-License-Identifier: Apache-2.0
"""Image files as records: which image belongs to which mask and patient."""
