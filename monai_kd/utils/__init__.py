# SPDX-License-Identifier: Apache-2.0
"""What every room may use: whole files, locks, messages, tables, figures. Nothing here knows of training."""

from monai_kd.utils.atomic_files import claim_outputs

__all__ = ["claim_outputs"]
