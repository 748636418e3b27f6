# SPDX-License-Identifier: Apache-2.0
"""Phantoms as volumes."""
