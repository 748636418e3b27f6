# SPDX-License-Identifier: Apache-2.0
"""A study folder of MONAI Label: images at its root, the annotator's masks in labels/final."""

from __future__ import annotations

from pathlib import Path

from monai_kd.data.image_files.formats import name_of
from monai_kd.data.layouts.plain import labelled_records, pairs_of
from monai_kd.data.records.record import Record, by_id, image_files, require_pairs
from monai_kd.data.records.subfolders import known_files


class MonaiLabel:
    """
    A study of MONAI Label: ``<id>.*`` and ``labels/final/<id>.*``, matched by id; their formats may differ.

    Only labelled images are read; ``list_images`` gives all of them. Other files of the server (``datastore_v2.json``,
    masks with other tags) are ignored. Cine loops and ``patients.csv`` work as in :class:`PlainFolders`; the table may
    lack the unlabelled images.

    Diaz-Pinto et al., Medical Image Analysis 95, 2024, doi 10.1016/j.media.2024.103207.
    """

    name = "monailabel"

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folder ``labels/final`` and images of its own."""
        lacking = [] if _masks(root).is_dir() else ["folder labels/final"]
        return ", ".join(lacking + ([] if image_files(root) else ["images beside the folder labels"]))

    def images(self, root: Path) -> dict[str, Path]:
        """All images by their ids, labelled or not; two images with the same id raise a ValueError."""
        return by_id(image_files(root), name_of, "image")

    def read(self, root: Path) -> list[Record]:
        """One record per labelled image or frame; a ValueError tells if nothing is labelled yet."""
        images = self.images(root)
        labels = by_id(known_files(_masks(root)), name_of, "mask")
        if not labels:
            raise ValueError(
                f"None of the {len(images)} images in {root} has a label yet. Label some of them in MONAI Label and "
                f"submit the labels, or copy masks to {_masks(root)}/<id>.png."
            )
        pairs = [(key, record) for key, record in pairs_of(images, labels) if key in labels]
        require_pairs({key: Path(record["image"]) for key, record in pairs}, labels, root)
        return labelled_records(pairs, labels, root / "patients.csv")


def _masks(root: Path) -> Path:
    return root / "labels" / "final"
