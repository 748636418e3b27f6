# SPDX-License-Identifier: Apache-2.0
"""The version of the package, for setup.py and for what is written with it."""

__version__ = "0.2.0"
