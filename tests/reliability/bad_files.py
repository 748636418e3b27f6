# SPDX-License-Identifier: Apache-2.0
"""Image and mask files that are damaged, or other than a pipeline takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from tests.data.layout_fixtures import lesion, speckle, write_image
from tests.reliability.attempt import Attempt

FORMATS = ("png", "jpg", "bmp", "tif", "nii", "nii.gz", "nrrd", "mha", "dcm")
CUTS = (0.0, 0.02, 0.3, 0.9)


def _sound(path: Path) -> bytes:
    return write_image(path, speckle(1)).read_bytes()


def _cut(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes((whole := _sound(path))[: int(share * len(whole))]) and None


def _text(path: Path) -> None:
    path.write_text("<html>Please sign in to download this file.</html>")


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(4000))


def _folder(path: Path) -> None:
    path.mkdir()


def _missing(path: Path) -> None:
    pass


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")


DAMAGES = {
    **{f"cut off after {share:.0%}": _cut(share) for share in CUTS},
    "a web page": _text,
    "random bytes": _noise,
    "a folder": _folder,
    "missing": _missing,
    "a link to itself": _link_to_itself,
    "a pointer of Git LFS": _pointer,
}


def _read(suffix: str, damage: Callable[[Path], None], mask: bool) -> Callable[[Path], Callable[[], object]]:
    def prepare(folder: Path) -> Callable[[], object]:
        from monai_kd.data import LoadUltrasoundd

        path = folder / f"scan_1.{suffix}"
        damage(path)
        record = {"image": str(path)}
        if mask:
            record = {"image": str(write_image(folder / "image.png", speckle(2))), "label": str(path)}
        return lambda: LoadUltrasoundd(spatial_dims=2, eight_bit=True)(record)

    return prepare


def _nifti(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def _with(value: float) -> np.ndarray:
    values = speckle(1).astype(np.float32)
    values[3, 4] = value
    return values


def _pages(path: Path) -> None:
    page = Image.fromarray(speckle(1).T)
    page.save(path, save_all=True, append_images=[page])


def _gray(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: write_image(path, values) and None


UNSUITABLE = {
    "NaN in it": ("nii", _nifti(_with(np.nan)), False, "nan"),
    "an infinite value in it": ("nii.gz", _nifti(_with(np.inf)), False, "infinite"),
    "values below 0": ("nii", _nifti(_with(-5.0)), False, "0 to 255"),
    "values above 255": ("nii", _nifti(_with(4000.0)), False, "0 to 255"),
    "values from 0 to 1": ("nii", _nifti((speckle(1) / 255).astype(np.float32)), False, "0 to 255"),
    "16 bits": ("png", _gray(speckle(1).astype(np.uint16) * 257), False, "0 to 255"),
    "a volume": ("nii", _nifti(speckle(1, (40, 28, 6))), False, "axes"),
    "four axes": ("nii", _nifti(speckle(1, (8, 8, 4, 3))), False, "shape"),
    "one axis": ("nii", _nifti(speckle(1, (8,))), False, "shape"),
    "complex numbers": ("nii", _nifti(speckle(1).astype(np.complex64)), False, "complex"),
    "several pages": ("tif", _pages, False, "2 pages"),
    "three levels": ("png", _gray((np.arange(28 * 40).reshape(40, 28) % 3 * 100).astype(np.uint8)), True, "level"),
    "gray levels": ("png", _gray(speckle(1)), True, "level"),
    "another size": ("png", _gray(lesion(1, (20, 14)).astype(np.uint8) * 255), True, "20 × 14"),
    "turned by 90 degrees": ("png", _gray(lesion(1).T.astype(np.uint8) * 255), True, "28 × 40"),
    "NaN in a mask": ("nii", _nifti(_with(np.nan)), True, "nan"),
    "a volume for a picture": ("nii", _nifti(np.ones((40, 28, 6), np.uint8)), True, "40 × 28"),
}


def attempts() -> Iterator[Attempt]:
    """Every format with every damage, as an image and as a mask; then sound files that do not suit."""
    for suffix in FORMATS:
        for name, damage in DAMAGES.items():
            for mask in (False, True):
                kind = "mask" if mask else "image"
                yield Attempt(
                    "image and mask files", f".{suffix} {kind}: {name}", _read(suffix, damage, mask), ("scan_1",)
                )
    for name, (suffix, make, mask, word) in UNSUITABLE.items():
        kind = "mask" if mask else "image"
        yield Attempt("image and mask files", f".{suffix} {kind}: {name}", _read(suffix, make, mask), ("scan_1", word))
