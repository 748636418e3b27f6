# SPDX-License-Identifier: Apache-2.0
"""Networks whose weights come from the package index."""
