# SPDX-License-Identifier: Apache-2.0
"""The study's folder as MONAI Label's datastore, closed against paths that lead out and files that cannot be used."""

from __future__ import annotations

import json
import shutil
import time
import unicodedata
import zipfile
from filecmp import cmp
from os import PathLike
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.datastore.local import DataModel, ImageLabelModel
from monailabel.interfaces.datastore import DefaultLabelTag

from monai_kd.data.image_files.formats import name_of, suffix_of
from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd
from monai_kd.data.records.record import image_files
from monai_kd.label.requests.names import require_info, require_name, require_tag, unknown_image
from monai_kd.label.requests.notes import believable, require_believable
from monai_kd.label.requests.request_files import new_file
from monai_kd.label.requests.uploads import placed_label, require_image, require_suffix
from monai_kd.label.studies.study_files import StudyFiles, one_thread_at_a_time
from monai_kd.utils.atomic_files import atomic_write

__all__ = ["StudyDatastore"]


class StudyDatastore(StudyFiles):
    """
    MONAI Label's folder of images and labels, with checks of all names and files from clients.

    Errors are answered with the cause and an HTTP status: 400 for an invalid name, tag or file, 404 for an image or a
    label that does not exist, 409 for an id that is in use, 507 for a full disk.

    Args:
        studies: as in ``StudyFiles``, like the further arguments.
        loading: of the network, which an uploaded image must pass; None for any image.
    """

    def __init__(
        self, studies: str | PathLike[str], *, loading: LoadUltrasoundd | None = None, **arguments: Any
    ) -> None:
        self.loading = loading
        super().__init__(studies, **arguments)

    @one_thread_at_a_time
    def get_image_uri(self, image_id: str) -> str:
        """An image's file."""
        image = self._image(image_id).image
        return self.inside(str(Path(self._datastore.image_path()) / (image_id + image.ext)))

    @one_thread_at_a_time
    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """The notes on an image, without invalid ones of the server's own."""
        self._image(image_id)
        return believable(super().get_image_info(image_id))

    @one_thread_at_a_time
    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Add notes to an image."""
        notes = require_believable(require_info(info))
        with self.changing():
            self._image(image_id).image.info.update(notes)
            self._update_datastore_file(lock=False)

    @one_thread_at_a_time
    def remove_image(self, image_id: str) -> None:
        """Remove an image and its labels."""
        path = Path(self.get_image_uri(image_id))
        for tag in [*self._image(image_id).labels]:
            self.remove_label(image_id, tag)
        path.unlink(missing_ok=True)
        self.refresh()

    @one_thread_at_a_time
    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        """An image's labels by their tags."""
        self._image(image_id)
        return super().get_labels_by_image_id(image_id)

    @one_thread_at_a_time
    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """A label's file."""
        label = self._label(label_id, label_tag)
        return self.inside(str(Path(self._datastore.label_path(label_tag)) / (label_id + label.ext)))

    @one_thread_at_a_time
    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """The notes on a label."""
        return believable(self._label(label_id, label_tag).info)

    @one_thread_at_a_time
    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Remove a label."""
        Path(self.get_label_uri(label_id, label_tag)).unlink(missing_ok=True)
        self.refresh()

    @one_thread_at_a_time
    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Add notes to a label."""
        notes = require_believable(require_info(info))
        with self.changing():
            self._label(label_id, label_tag).info.update(notes)
            self._update_datastore_file(lock=False)

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """
        Copy an image into the study, and return its id; the same file once more is no error.

        Args:
            image_id: empty for the file's own name.
            image_filename: path of the file.
            image_info: notes by name.
        """
        file = Path(image_filename)
        key = unicodedata.normalize("NFC", require_name(image_id or name_of(file), "An image's id"))
        what, info = f"Image {key!r}", require_info(image_info)
        suffix = require_suffix(file, what, self.suffixes())
        require_image(file, what, self.loading)  # outside of the lock, so that nobody waits while an image is decoded
        return self._add(key, file, suffix, require_believable(info))

    @one_thread_at_a_time
    def _add(self, key: str, file: Path, suffix: str, info: dict[str, Any]) -> str:
        folder = Path(self._datastore.image_path())
        for former in image_files(folder):
            if name_of(former) == key:
                if suffix_of(former) != suffix or not cmp(file, former, shallow=False):
                    raise HTTPException(
                        409, f"Image {key!r} is another file of this study. Choose another id, or remove it."
                    )
                self.refresh()
                return self._to_id(former.name)[0]
        with self.changing():
            self._datastore.objects[key] = ImageLabelModel(image=_noted(info, key, suffix))
            self._place(file, folder / (key + suffix))
        return key

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """
        Copy an image's label into the study, in place of an older one with the same tag, and return the image's id.

        Args:
            image_id: the image's id.
            label_filename: path of a mask on the image's grid.
            label_tag: "final" for the annotator's labels.
            label_info: notes by name.
        """
        file, image = Path(label_filename), Path(self.get_image_uri(image_id))
        what, info = f"The label of {image_id!r}", require_believable(require_info(label_info))
        self._label_folder(label_tag)
        require_suffix(file, what, self.suffixes())
        placed = placed_label(file, image, what)  # outside of the lock, so that nobody waits while a label is decoded
        return self._save(image_id, placed, label_tag, info)

    def _label_folder(self, tag: str) -> Path:
        return Path(self.inside(self._datastore.label_path(require_tag(tag))))

    @one_thread_at_a_time
    def _save(self, image_id: str, file: Path, label_tag: str, info: dict[str, Any]) -> str:
        folder, suffix = self._label_folder(label_tag), suffix_of(file)
        new = folder / (image_id + suffix)
        former = [path for path in image_files(folder) if name_of(path) == name_of(new) and path.name != new.name]
        with self.changing():
            self._image(image_id).labels[label_tag] = _noted(info, image_id, suffix)
            self._place(file, new)
            for path in former:
                if not path.samefile(new):  # "1.PNG" and "1.png" may be one
                    path.unlink()
        return image_id

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """A ZIP file of the images with final labels, at most ``limit_cases``; the caller removes it."""
        pairs, notes = self._labelled()
        if not pairs:
            raise HTTPException(404, "No image of the study has a final label yet. Save one first.")
        path = new_file(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            for pair in pairs[: limit_cases if limit_cases and limit_cases > 0 else None]:
                for kind, file in pair.items():
                    archive.write(file, f"{kind}/{Path(file).name}")
            archive.writestr("metadata.json", notes)
        return str(path)

    @one_thread_at_a_time
    def _labelled(self) -> tuple[list[dict[str, str]], str]:
        """The images with a final label, with that label, and all notes."""
        final = DefaultLabelTag.FINAL.value
        images = self.get_labeled_images()
        pairs = [{"image": self.get_image_uri(key), "label": self.get_label_uri(key, final)} for key in images]
        return pairs, json.dumps(self.json(), default=str)

    def _image(self, image_id: str) -> ImageLabelModel:
        found = self._datastore.objects.get(require_name(image_id, "An image's id"))
        if found is None:
            raise HTTPException(404, f"{unknown_image(image_id, self._datastore.objects)} Add it, or list them all.")
        return found

    def _label(self, label_id: str, label_tag: str) -> DataModel:
        labels = self._image(label_id).labels
        if require_tag(label_tag) not in labels:
            tags = ", ".join(map(str, labels)) or "none"
            raise HTTPException(404, f"No label {label_tag!r} of image {label_id!r}; it has {tags}. Save one first.")
        return labels[label_tag]

    def _place(self, file: Path, place: Path) -> None:
        """Copy a file and write the study's list, or do neither."""
        with atomic_write(place) as temporary:
            shutil.copyfile(file, temporary)
            self._update_datastore_file(lock=False)


def _noted(info: dict[str, Any], key: str, suffix: str) -> DataModel:
    return DataModel(info={**info, "ts": int(time.time()), "name": key + suffix}, ext=suffix)
