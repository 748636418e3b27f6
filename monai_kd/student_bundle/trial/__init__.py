# SPDX-License-Identifier: Apache-2.0
"""One step of everything that a new bundle does, before it is written."""
