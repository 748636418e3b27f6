# SPDX-License-Identifier: Apache-2.0
"""
Small generated data sets in each layout as distributed, with their pitfalls.

Arrays are in MONAI's index order (W, H), as the loader gives them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from openpyxl import Workbook
from PIL import Image

SIZE = (40, 28)


def speckle(seed: int, size: Sequence[int] = SIZE) -> np.ndarray:
    """Gray values (W, H[, D]), uint8, of all levels."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def lesion(seed: int, size: Sequence[int] = SIZE) -> np.ndarray:
    """A boolean ellipse (W, H[, D]) that is nowhere symmetric."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, length) for length in size], indexing="ij")
    center, radius = random.uniform(0.1, 0.3, len(size)), random.uniform(0.3, 0.6, len(size))
    return sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, center, radius, strict=True)) < 1


def write_image(path: Path, values: np.ndarray) -> Path:
    """Write (W, H[, D]) or, for .png, (W, H, channels) values in the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        nibabel.save(nibabel.Nifti1Image(values, np.diag([0.1, 0.2, 1, 1])), path)
    elif name.endswith((".nrrd", ".mha", ".dcm", ".dicom")):
        import itk

        image = itk.image_view_from_array(np.ascontiguousarray(values.T))
        itk.imwrite(image, str(path))
    else:
        Image.fromarray(np.ascontiguousarray(np.moveaxis(values, 0, 1))).save(path)
    return path


def write_xlsx(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    """Write rows, the header first, as an Excel table."""
    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(path)
    return path


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    """Write rows, the header first, as a comma-separated table."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


def dataset_a_ids(count: int) -> list[str]:
    """The first of Dataset_A's 163 ids, which leave out 148 to 294."""
    return [f"{number:06}" for number in [*range(1, 148), *range(295, 311)][:count]]


def make_dataset_a(
    root: Path,
    count: int = 8,
    size: Sequence[int] = SIZE,
    suffix: str = ".png",
    duplicates: dict[str, str] | None = None,
    table: bool = True,
) -> Path:
    """Dataset_A: masks of modes 1 and L in turn; ``duplicates`` names, for some ids, the id they copy."""
    for index, key in enumerate(dataset_a_ids(count)):
        source = int((duplicates or {}).get(key, key))
        write_image(root / "original" / f"{key}{suffix}", speckle(source, size))
        mask = lesion(source, size)
        write_image(root / "GT" / f"{key}{suffix}", mask if index % 2 else mask.astype(np.uint8) * 255)
    if table:
        types = [(int(key), "Malignant" if int(key) % 3 == 0 else "Benign", "x") for key in dataset_a_ids(count)]
        write_xlsx(root / "DatasetB.xlsx", [("Image", "Type", "Details"), *types])
    return root


def make_breast(root: Path, cases: Sequence[int] = (1, 2, 3, 4, 5, 45), size: Sequence[int] = SIZE) -> Path:
    """BrEaST: RGBA files, transparent areas that hide other values, normal cases without mask, a further lesion."""
    folder = root / "BrEaST-Lesions_USG-images_and_masks"
    rows: list[tuple[object, ...]] = []
    for case in cases:
        normal, name = case in (45, 61, 209, 213), f"case{case:03}"
        alpha = np.full(size, 255, dtype=np.uint8)
        alpha[:5] = 0
        write_image(folder / f"{name}.png", np.dstack([*[speckle(case, size)] * 3, alpha]))
        if not normal:
            opaque = np.full(size, 255 if case % 2 else 75, dtype=np.uint8)
            write_image(folder / f"{name}_tumor.png", _rgba(lesion(case, size), opaque))
        kind = "normal" if normal else "malignant" if case % 3 == 0 else "benign"
        rows.append((case, f"{name}.png", None if normal else f"{name}_tumor.png", kind))
    other = np.zeros(size, dtype=bool)
    other[8:12, 1:3] = True
    write_image(folder / f"case{cases[0]:03}_other1.png", _rgba(other, np.full(size, 255, dtype=np.uint8)))
    header = ("CaseID", "Image_filename", "Mask_tumor_filename", "Classification")
    write_xlsx(root / "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx", [header, *rows])
    return root


def make_bus_bra(root: Path, patients: int = 12, size: Sequence[int] = SIZE) -> Path:
    """BUS-BRA: every second patient has two images; official folds by patient for k of 5 and 10."""
    keys = [(f"{p:04}-{side}", p) for p in range(1, patients + 1) for side in ("lr" if p % 2 else "s")]
    for seed, (key, _) in enumerate(keys):
        write_image(root / "Images" / f"bus_{key}.png", speckle(seed, size))
        write_image(root / "Masks" / f"mask_{key}.png", lesion(seed, size))
    kinds = [(f"bus_{key}", patient, "malignant" if patient % 3 == 0 else "benign") for key, patient in keys]
    write_csv(root / "bus_data.csv", [("ID", "Case", "Pathology"), *kinds])
    for k in (5, 10):
        folds = [(key, kind, 1 + patient % k) for key, patient, kind in kinds]
        write_csv(root / f"{k}-fold-cv.csv", [("ID", "Pathology", "kFold"), *folds])
    return root


def make_busi(root: Path, count: int = 5, size: Sequence[int] = SIZE, suffix: str = ".png") -> Path:
    """BUSI: parentheses in names, several masks of an image, masks of modes 1, L and RGBA, all-zero RGB of normals."""
    for number, kind in enumerate(("benign", "malignant", "normal")):
        for index in range(1, count + 1):
            stem, seed = root / kind / f"{kind} ({index})", 100 * number + index
            write_image(Path(f"{stem}{suffix}"), np.dstack([speckle(seed, size)] * 3))
            mask = lesion(seed, size)
            gray = mask.astype(np.uint8) * 255
            modes = (mask, gray, _rgba(mask, np.full(size, 255, dtype=np.uint8)))
            normal = np.zeros((*size, 3), dtype=np.uint8)
            write_image(Path(f"{stem}_mask{suffix}"), normal if kind == "normal" else modes[index % 3])
    write_image(root / "benign" / f"benign (2)_mask_1{suffix}", corner(size))
    write_image(root / "benign" / f"benign (2)_mask_2{suffix}", corner(size)[::-1])
    return root


def make_bus_uclm(root: Path, patients: Sequence[str] = ("ALWI", "CHCO", "CHVI", "HESN"), count: int = 4) -> Path:
    """
    BUS-UCLM: green and red masks, a normal image a patient, HESN's first mask of another size, duplicates.

    The images CHCO_000 to CHCO_002 are CHVI_001 to CHVI_003.
    """
    rows = []
    for number, patient in enumerate(patients):
        for index in range(count):
            key, kind = f"{patient}_{index:03}", ("Benign", "Malignant", "Benign", "Normal")[index % 4]
            seed = 10 * number + index if patient != "CHCO" else 10 * list(patients).index("CHVI") + index + 1
            size = (44, 28) if key == "HESN_000" else SIZE
            write_image(root / "images" / f"{key}.png", np.dstack([speckle(seed)] * 3))
            write_image(root / "masks" / f"{key}.png", colored(lesion(seed, size), kind))
            rows.append((f"{key}.png", "40x28", kind, "No", "Yes", "No"))
    with (root / "INFO.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        header = ("Image", "Resolution", "Label", "Doppler", "Marks", "Combined")
        csv.writer(stream, delimiter=";").writerows([header, *rows])
    return root


def colored(mask: np.ndarray, kind: str) -> np.ndarray:
    """An RGB mask: green for a benign lesion, red for a malignant one, black for none."""
    rgb = np.zeros((*mask.shape, 3), dtype=np.uint8)
    if kind != "Normal":
        rgb[mask, ("Malignant", "Benign").index(kind)] = 255
    return rgb


def corner(size: Sequence[int] = SIZE) -> np.ndarray:
    """A small boolean rectangle in the image's first corner."""
    mask = np.zeros(size, dtype=bool)
    mask[1:4, 1:3] = True
    return mask


def make_plain(
    root: Path, count: int = 8, suffix: str = ".png", mask_suffix: str | None = None, size: Sequence[int] = SIZE
) -> Path:
    """Plain folders: images/<id> and labels/<id>, masks of 0 and 255."""
    for number in range(1, count + 1):
        write_image(root / "images" / f"case.{number}{suffix}", speckle(number, size))
        mask = lesion(number, size).astype(np.uint8) * 255
        write_image(root / "labels" / f"case.{number}{mask_suffix or suffix}", mask)
    return root


def make_monai_label(root: Path, count: int = 8, suffix: str = ".png", mask_suffix: str = ".nii.gz") -> Path:
    """A study of MONAI Label: the masks (W, H, 1) of 3D Slicer, two more images without one, the server's own files."""
    for number in range(1, count + 3):
        write_image(root / f"case ({number}){suffix}", speckle(number))
        mask = lesion(number).astype(np.uint8)
        if number <= count:
            slices = mask if mask_suffix == ".png" else mask[..., None]
            write_image(root / "labels" / "final" / f"case ({number}){mask_suffix}", slices)
        write_image(root / "labels" / "original" / f"case ({number}).png", mask)
    (root / "datastore_v2.json").write_text('{"name": "new-dataset", "description": "", "objects": {}}')
    (root / ".lock").touch()
    return root


def make_nn_unet(root: Path, count: int = 8, suffix: str = ".png", tests: int = 2) -> Path:
    """nnU-Net's raw data: masks of 0 and 1, two images to test with."""
    for number in range(1, count + tests + 1):
        part = "Tr" if number <= count else "Ts"
        write_image(root / f"images{part}" / f"case_{number:02}_0000{suffix}", speckle(number))
        if part == "Tr":
            write_image(root / "labelsTr" / f"case_{number:02}{suffix}", lesion(number).astype(np.uint8))
    table = {"channel_names": {"0": "ultrasound"}, "labels": {"background": 0, "lesion": 1}, "numTraining": count}
    (root / "dataset.json").write_text(json.dumps({**table, "file_ending": suffix}))
    return root


def _rgba(mask: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    gray = mask.astype(np.uint8) * 255
    return np.dstack([gray, gray, gray, alpha])
