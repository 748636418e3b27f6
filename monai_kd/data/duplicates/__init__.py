# SPDX-License-Identifier: Apache-2.0
"""Duplicates and near duplicates among images."""

from __future__ import annotations

from monai_kd.data.duplicates.clusters import NearDuplicate, find_near_duplicates, join_near_duplicates
from monai_kd.data.duplicates.thumbnails import Thumbnail, thumbnail

__all__ = ["NearDuplicate", "Thumbnail", "find_near_duplicates", "join_near_duplicates", "thumbnail"]
