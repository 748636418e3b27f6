# SPDX-License-Identifier: Apache-2.0
"""Helpers for every room: atomic files, locks, messages, tables, figures. Nothing here knows about training."""

from monai_kd.utils.atomic_files import claim_outputs

__all__ = ["claim_outputs"]
