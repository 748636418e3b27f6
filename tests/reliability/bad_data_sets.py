# SPDX-License-Identifier: Apache-2.0
"""Data sets whose files are sound but do not make a data set, and split files that do not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.data.layout_fixtures import (
    lesion,
    make_breast,
    make_bus_bra,
    make_bus_uclm,
    make_busi,
    make_dataset_a,
    make_plain,
    speckle,
    write_csv,
    write_image,
    write_xlsx,
)
from tests.reliability.attempt import Attempt

Prepare = Callable[[Path], Callable[[], object]]
GROUP = "data sets and split files"
IDS = [f"{number:03}" for number in range(12)]


def _plain(root: Path) -> Path:
    for index, key in enumerate(IDS):
        write_image(root / "images" / f"{key}.png", speckle(index))
        write_image(root / "labels" / f"{key}.png", lesion(index).astype(np.uint8) * 255)
    rows = [(key, f"p{index // 2}", "benign") for index, key in enumerate(IDS)]
    write_csv(root / "patients.csv", [("id", "patient", "pathology"), *rows])
    return root


def _remove(name: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def _copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda root: shutil.copy(root / source, root / target) and None


def _table(*rows: Sequence[object]) -> Callable[[Path], None]:
    return lambda root: write_csv(root / "patients.csv", rows) and None


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(content) and None


def _outside(root: Path) -> None:
    shutil.copy(root / "images" / "000.png", root.parent / "other.png")
    (root / "images" / "000.png").unlink()
    (root / "images" / "000.png").symlink_to(root.parent / "other.png")


ROWS = [(key, f"p{index // 2}", "benign") for index, key in enumerate(IDS)]
HEADER = ("id", "patient", "pathology")
PLAIN = {
    "no folder of masks": (_remove("labels"), "labels"),
    "an image without a mask": (_remove("labels/003.png"), "003"),
    "a mask without an image": (_remove("images/003.png"), "003"),
    "two images of one name": (_copy("images/003.png", "images/003.bmp"), "003"),
    "a file of another kind among the images": (_write("images/notes.docx", b"x"), "notes.docx"),
    "no image at all": (lambda root: [path.unlink() for path in root.glob("*/*.png")] and None, "images"),
    "a link that leads out of the folder": (_outside, "000.png"),
    "a table without the column patient": (_table(("id", "case"), *[row[:2] for row in ROWS]), "patient"),
    "a table without the image 011": (_table(HEADER, *ROWS[:-1]), "011"),
    "a table with two patients of an image": (_table(HEADER, *ROWS, ("000", "p9", "benign")), "000"),
    "a table with a pathology of its own": (_table(HEADER, *ROWS[1:], ("000", "p0", "BI-RADS 4")), "patients.csv"),
    "an empty table": (_write("patients.csv", b""), "patients.csv"),
    "a table that is no text": (_write("patients.csv", bytes(range(128, 256)) * 9), "patients.csv"),
}

LAYOUTS = {
    "Dataset_A without its masks": (make_dataset_a, _remove("GT"), "GT"),
    "Dataset_A with a mask missing": (make_dataset_a, _remove("GT/000003.png"), "000003"),
    "Dataset_A with a damaged table": (make_dataset_a, _write("DatasetB.xlsx", b"PK"), "DatasetB.xlsx"),
    "Dataset_A with a table of other columns": (
        make_dataset_a,
        lambda root: write_xlsx(root / "DatasetB.xlsx", [("a", "b"), (1, 2)]) and None,
        "DatasetB.xlsx",
    ),
    "BrEaST with an image missing": (
        make_breast,
        _remove("BrEaST-Lesions_USG-images_and_masks/case002.png"),
        "case002",
    ),
    "BrEaST with a damaged table": (
        make_breast,
        _write("BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx", b"no table"),
        "clinical-data",
    ),
    "BUS-BRA with a mask missing": (make_bus_bra, _remove("Masks/mask_0003-l.png"), "0003-l"),
    "BUS-BRA without its table": (make_bus_bra, _remove("bus_data.csv"), "bus_data.csv"),
    "BUS-BRA with an empty table": (make_bus_bra, _write("bus_data.csv", b"ID,Case,Pathology\n"), "bus_data.csv"),
    "BUSI with a mask missing": (make_busi, _remove("benign/benign (3)_mask.png"), "benign (3)"),
    "BUS-UCLM with a mask missing": (make_bus_uclm, _remove("masks/ALWI_002.png"), "ALWI_002"),
}


def _parts(**changes: object) -> dict[str, object]:
    return {"training": IDS[:6], "validation": IDS[6:8], "test": IDS[8:], **changes}


SPLITS: dict[str, tuple[object, str]] = {
    "no list of splits": ({"training": IDS}, "split.json"),
    "an empty list of splits": ({"splits": []}, "split.json"),
    "a list": ([1, 2], "split.json"),
    "a split without a test part": ({"splits": [{"training": IDS[:6], "validation": IDS[6:]}]}, "test"),
    "a part that is empty": ({"splits": [_parts(validation=[])]}, "validation"),
    "an image of another data set": ({"splits": [_parts(test=[*IDS[8:], "other"])]}, "other"),
    "an image in two parts": ({"splits": [_parts(validation=[*IDS[6:8], "000"])]}, "000"),
    "an image in no part": ({"splits": [_parts(test=IDS[8:11])]}, "011"),
    "a patient in two parts": ({"splits": [_parts(training=IDS[:5], validation=IDS[5:8])]}, "004"),
    "numbers in place of names": ({"splits": [_parts(training=[0, 1, 2, 3, 4, 5])]}, "split.json"),
    "a part that is a text": ({"splits": [_parts(test="008")]}, "split.json"),
}


def _chosen(make: Callable[[Path], object], damage: Callable[[Path], None], **arguments: str) -> Prepare:
    """The call with which every training begins."""

    def prepare(folder: Path) -> Callable[[], object]:
        from monai_kd.data import choose_split

        make(folder / "data")
        damage(folder / "data")
        return lambda: choose_split("data", **arguments)

    return prepare


def _split(content: object) -> Prepare:
    text = content if isinstance(content, str) else json.dumps(content)
    return _chosen(_plain, _write("../split.json", text.encode()), split_file="split.json")


def attempts() -> Iterator[Attempt]:
    """Every layout with something missing or damaged, then split files."""
    for name, (damage, word) in PLAIN.items():
        yield Attempt(GROUP, f"plain folders: {name}", _chosen(_plain, damage), (word,))
    for name, (make, damage, word) in LAYOUTS.items():
        yield Attempt(GROUP, name, _chosen(make, damage), (word,))
    for name, (content, word) in SPLITS.items():
        yield Attempt(GROUP, f"split file: {name}", _split(content), (word,))
    yield Attempt(GROUP, "split file: no JSON", _split('{"splits": [{'), ("split.json", "json"))
    yield Attempt(
        GROUP, "a folder of nothing known", _chosen(lambda root: make_plain(root / "a/b/c/d"), _remove("a")), ("data",)
    )
