# SPDX-License-Identifier: Apache-2.0
"""As timm's, without a registry."""

from __future__ import annotations


def register_model(function):
    """The function as it is."""
    return function
