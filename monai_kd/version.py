# SPDX-License-Identifier: Apache-2.0
"""The version of the package, also written into what it produces."""

__version__ = "0.2.0"
