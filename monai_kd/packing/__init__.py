# SPDX-License-Identifier: Apache-2.0
"""Pack a bundle as an archive that MONAI loads and runs."""

from monai_kd.packing.archive import pack_bundle

__all__ = ["pack_bundle"]
