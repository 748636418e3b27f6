# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import hashlib
import json

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.data import LoadUltrasoundd, k_folds, read_dataset, read_splits, write_splits
from monai_kd.data.conversion import TARGETS, convert_dataset
from monai_kd.phantom import write_phantoms
from tests.data.layout_fixtures import (
    lesion,
    make_breast,
    make_bus_bra,
    make_bus_uclm,
    make_busi,
    make_plain,
    speckle,
    write_image,
)

RUNNER = CliRunner()
MAKERS = {
    "plain": make_plain,
    "bus_bra": make_bus_bra,
    "breast": make_breast,
    "busi": make_busi,
    "bus_uclm": make_bus_uclm,
}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantoms") / "BUS"
    write_phantoms(out, count=3)
    return out


def target_folder(tmp_path, layout):
    return tmp_path / ("Dataset007_Test" if layout == "nnunet" else "out")


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def pixels(image, label):
    loaded = LoadUltrasoundd()({"image": str(image), "label": label if isinstance(label, list) else str(label)})
    return loaded["image"], loaded["label"]


def assert_same(records, out):
    """``out`` holds every image and mask of the source, with the same records."""
    images = {entry["source_id"]: entry for entry in manifest(out)["images"]}
    assert images.keys() == {record["id"] for record in records}
    for record in records:
        entry = images[record["id"]]
        assert (entry["patient"], entry["pathology"]) == (record["patient"], record["pathology"])
        old, new = LoadUltrasoundd()(record), pixels(out / entry["image"], out / entry["label"])
        for key, written in zip(("image", "label"), new, strict=True):
            np.testing.assert_array_equal(written.numpy(), old[key].numpy())
        assert record["image"].endswith(entry["source_image"])


@pytest.mark.parametrize("layout", TARGETS)
def test_phantoms_come_out_as_they_went_in(phantoms, tmp_path, layout):
    out, done = target_folder(tmp_path, layout), []
    convert_dataset(phantoms, out, layout, progress=lambda *count: done.append(count))
    assert_same(read_dataset(phantoms), out)
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.filterwarnings("ignore:No table")
@pytest.mark.parametrize("layout", TARGETS)
@pytest.mark.parametrize("source", MAKERS)
def test_every_layout_becomes_every_other(tmp_path, source, layout):
    root = MAKERS[source](tmp_path / "in")
    out = target_folder(tmp_path, layout)
    convert_dataset(root, out, layout)
    assert_same(read_dataset(root), out)
    assert manifest(out)["source_layout"] == source and manifest(out)["layout"] == layout


@pytest.mark.parametrize("layout", TARGETS)
def test_frames_of_a_loop_become_images_of_one_patient(tmp_path, layout):
    pages = [Image.fromarray(speckle(number).T) for number in range(3)]
    masks = [Image.fromarray(lesion(number).T.astype(np.uint8)) for number in range(3)]
    for folder, (first, *more) in (("images", pages), ("labels", masks)):
        (tmp_path / "in" / folder).mkdir(parents=True)
        first.save(tmp_path / "in" / folder / "loop.tif", save_all=True, append_images=more)
    out = target_folder(tmp_path, layout)
    entries = convert_dataset(tmp_path / "in", out, layout)
    assert_same(read_dataset(tmp_path / "in"), out)
    assert [entry["frame"] for entry in entries] == [0, 1, 2] and {entry["patient"] for entry in entries} == {"loop"}


@pytest.mark.parametrize("layout", ["plain", "dataset_a"])
def test_what_this_package_reads_is_read_back(tmp_path, layout):
    convert_dataset(make_bus_bra(tmp_path / "in"), tmp_path / "out", layout)
    old = {record["id"]: record for record in read_dataset(tmp_path / "in")}
    new = {record["id"]: record for record in read_dataset(tmp_path / "out")}
    images = manifest(tmp_path / "out")["images"]
    assert {entry["id"]: entry["source_id"] for entry in images}.keys() == new.keys() and len(new) == len(old)
    for entry in images:
        assert new[entry["id"]]["image"].endswith(entry["image"])


def test_manifest_holds_the_checksum_of_every_file(tmp_path):
    out = tmp_path / "out"
    convert_dataset(make_plain(tmp_path / "in", count=2), out, "plain")
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    del files["manifest.json"]
    assert manifest(out)["sha256"] == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }
    assert manifest(out)["images"][0]["source_label"] == ["labels/case.1.png"]


def test_plain_keeps_patients_and_pathology(tmp_path):
    convert_dataset(make_bus_bra(tmp_path / "in", patients=2), tmp_path / "out", "plain")
    with (tmp_path / "out" / "patients.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {"id": "bus_0001-l", "patient": "1", "pathology": "benign"} and len(rows) == 3
    assert [row["patient"] for row in rows] == ["1", "1", "2"]


def test_dataset_a_is_as_the_publisher_gives_it(tmp_path):
    out = tmp_path / "BUS"
    convert_dataset(make_bus_bra(tmp_path / "in", patients=3), out, "dataset_a")
    names = [f"{number:06}.png" for number in range(1, 6)]
    for folder in ("original", "GT"):
        assert sorted(path.name for path in (out / folder).iterdir()) == names
    rows = list(load_workbook(out / "DatasetB.xlsx").worksheets[0].iter_rows(values_only=True))
    assert rows[0] == ("Image", "Type", "Patient") and rows[1] == ("000001", "Benign", "1")
    with Image.open(out / "GT" / "000001.png") as mask:
        assert mask.mode == "L" and set(np.unique(mask)) == {0, 255}
    assert [record["pathology"] for record in read_dataset(out)][-2:] == ["malignant", "malignant"]


def test_nnunet_is_what_nnunet_reads(tmp_path):
    out = tmp_path / "nnUNet_raw" / "Dataset501_BUSBRA"
    convert_dataset(make_bus_bra(tmp_path / "in", patients=3), out, "nnunet")
    description = json.loads((out / "dataset.json").read_text())
    assert description == {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 5,
        "file_ending": ".png",
    }
    cases = sorted(path.name.removesuffix(".png") for path in (out / "labelsTr").iterdir())
    assert cases[0] == "bus_0001-l"
    assert sorted(path.name for path in (out / "imagesTr").iterdir()) == [f"{case}_0000.png" for case in cases]
    with Image.open(out / "labelsTr" / f"{cases[0]}.png") as mask:
        assert mask.mode == "L" and set(np.unique(mask)) == {0, 1}
    assert not (out / "splits_final.json").exists()


def test_nnunet_has_one_format(tmp_path):
    make_plain(tmp_path / "in", count=1)
    write_image(tmp_path / "in" / "images" / "deep.nii.gz", speckle(1, (9, 8, 7)))
    write_image(tmp_path / "in" / "labels" / "deep.nii.gz", lesion(1, (9, 8, 7)).astype(np.uint8))
    out = tmp_path / "Dataset001_A"
    convert_dataset(tmp_path / "in", out, "nnunet")
    assert sorted(path.name for path in (out / "imagesTr").iterdir()) == ["case_1_0000.nii.gz", "deep_0000.nii.gz"]
    assert json.loads((out / "dataset.json").read_text())["file_ending"] == ".nii.gz"
    assert_same(read_dataset(tmp_path / "in"), out)


@pytest.mark.parametrize("name", ["out", "Dataset1_A", "Dataset0001_A", "Dataset001", "Dataset001_"])
def test_nnunet_wants_its_own_folder_name(tmp_path, name):
    with pytest.raises(ValueError, match=r"Dataset###_Name, got .*Dataset501_BreastUltrasound"):
        convert_dataset(make_plain(tmp_path / "in", count=1), tmp_path / name, "nnunet")


def test_monai_label_finds_images_and_labels_by_one_name(tmp_path):
    out = tmp_path / "studies"
    convert_dataset(make_plain(tmp_path / "in", count=2), out, "monailabel")
    assert sorted(path.name for path in out.iterdir()) == [
        "case_1.png",
        "case_2.png",
        "labels",
        "manifest.json",
        "patients.csv",
    ]
    assert sorted(path.name for path in (out / "labels" / "final").iterdir()) == ["case_1.png", "case_2.png"]
    with Image.open(out / "labels" / "final" / "case_1.png") as mask:
        assert set(np.unique(mask)) == {0, 1}


def test_several_masks_become_one(tmp_path):
    from monai_kd.data.layouts.breast import Breast

    root = make_breast(tmp_path / "in", cases=(1,))
    joined = Breast(other_masks=True).read(root / "BrEaST-Lesions_USG-images_and_masks")[0]
    convert_dataset(
        make_breast(tmp_path / "in", cases=(1,)), tmp_path / "out", "plain", source=Breast(other_masks=True)
    )
    new = pixels(tmp_path / "out" / "images" / "case001.png", tmp_path / "out" / "labels" / "case001.png")[1]
    np.testing.assert_array_equal(new.numpy(), pixels(joined["image"], joined["label"])[1].numpy())
    assert len(manifest(tmp_path / "out")["images"][0]["source_label"]) == 2


@pytest.mark.parametrize("layout", TARGETS)
def test_splits_are_written_in_the_new_ids(tmp_path, layout):
    root, out = make_bus_bra(tmp_path / "in"), target_folder(tmp_path, layout)
    records = read_dataset(root)
    splits = k_folds(records, k=3, seed=1)
    write_splits(tmp_path / "splits.json", splits, "3 folds", "bus_bra", seed=1)
    convert_dataset(root, out, layout, splits=tmp_path / "splits.json")
    entries = manifest(out)["images"]
    old = {entry["id"]: entry["source_id"] for entry in entries}
    renamed = read_splits(out / "splits.json", entries)
    assert [{part: [old[key] for key in ids] for part, ids in split.items()} for split in renamed] == splits
    assert json.loads((out / "splits.json").read_text())["seed"] == 1
    if layout == "nnunet":
        folds = json.loads((out / "splits_final.json").read_text())
        assert folds == [{"train": split["training"], "val": split["validation"]} for split in renamed]


def test_split_file_of_other_images_writes_nothing(tmp_path):
    split = {"training": ["a"], "validation": ["b"], "test": ["c"]}
    write_splits(tmp_path / "splits.json", [split], "random", "plain", seed=0)
    with pytest.raises(ValueError, match="is of other images"):
        convert_dataset(make_plain(tmp_path / "in"), tmp_path / "out", "plain", splits=tmp_path / "splits.json")
    assert not (tmp_path / "out").exists()


def test_folder_in_use_is_left_alone(tmp_path):
    root = make_plain(tmp_path / "in", count=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        convert_dataset(root, tmp_path / "out", "plain")
    with pytest.raises(ValueError, match=r"lies in the data set"):
        convert_dataset(root, root / "out", "plain")
    assert sorted(path.name for path in root.iterdir()) == ["images", "labels"]
    assert (tmp_path / "out" / "mine").read_text() == "mine"


def test_nothing_is_left_when_an_image_is_bad(tmp_path):
    root = make_plain(tmp_path / "in", count=3)
    (root / "images" / "case.2.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"case\.2\.png"):
        convert_dataset(root, tmp_path / "out", "plain")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_unknown_layout_is_told_the_known_ones(tmp_path):
    with pytest.raises(
        ValueError, match=r"No layout 'nnUnet'.*Closest: 'nnunet'.*plain, dataset_a, nnunet, monailabel"
    ):
        convert_dataset(tmp_path, tmp_path / "out", "nnUnet")


def test_command(tmp_path):
    root, out = make_bus_bra(tmp_path / "in", patients=3), tmp_path / "Dataset001_A"
    where = ["--output-dir", str(out), "--output-layout", "nnunet"]
    result = RUNNER.invoke(app, ["data", "convert", str(root), *where], catch_exceptions=False)
    assert result.exit_code == 0
    assert "5 images of 3 patients" in result.output and "give --split-file" in result.output
    assert (out / "dataset.json").exists()
