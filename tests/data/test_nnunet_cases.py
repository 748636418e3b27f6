# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_kd.data import nnunet_cases


@pytest.fixture
def raw(tmp_path):
    """Four cases of two channels, one further image, and two folds."""
    root = tmp_path / "Dataset001_Liver"
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (root / name).mkdir(parents=True)
    for case in ("c1", "c2", "c_0003", "c4.x"):
        for channel in range(2):
            (root / "imagesTr" / f"{case}_000{channel}.nii.gz").touch()
        (root / "labelsTr" / f"{case}.nii.gz").touch()
    (root / "imagesTs" / "t1_0000.nii.gz").touch()
    (root / "imagesTs" / "notes.txt").touch()
    folds = [{"train": ["c1", "c2", "c4.x"], "val": ["c_0003"]}, {"train": ["c_0003"], "val": ["c1"]}]
    (root / "splits_final.json").write_text(json.dumps(folds))
    return root


def test_a_folds_cases_have_all_channels_and_their_label(raw):
    cases = nnunet_cases(raw, ".nii.gz", "training", raw / "splits_final.json")
    assert [case["case"] for case in cases] == ["c1", "c2", "c4.x"]
    assert [Path(file).name for file in cases[2]["image"]] == ["c4.x_0000.nii.gz", "c4.x_0001.nii.gz"]
    assert cases[2]["label"] == str(raw / "labelsTr" / "c4.x.nii.gz")
    (case,) = nnunet_cases(raw, ".nii.gz", "validation", raw / "splits_final.json")
    assert case["case"] == "c_0003"
    (case,) = nnunet_cases(raw, ".nii.gz", "validation", raw / "splits_final.json", fold=1)
    assert case["case"] == "c1"


def test_inference_takes_test_images_or_any_folder(raw):
    assert nnunet_cases(raw, ".nii.gz", "inference") == [
        {"id": "t1", "case": "t1", "image": str(raw / "imagesTs" / "t1_0000.nii.gz")}
    ]
    assert len(nnunet_cases(raw / "imagesTr", ".nii.gz", "inference")) == 4
    (raw / "imagesTs" / "t1_0000.nii.gz").rename(raw / "imagesTs" / "t1.nii.gz")
    with pytest.raises(ValueError, match=r"is named <case>_0000.nii.gz, .*; there is notes.txt, t1.nii.gz. Add the c"):
        nnunet_cases(raw, ".nii.gz", "inference")
    for file in (raw / "imagesTs").iterdir():
        file.unlink()
    assert len(nnunet_cases(raw, ".nii.gz", "inference")) == 4
    with pytest.raises(ValueError, match="there is no file"):
        nnunet_cases(raw / "imagesTs", ".nii.gz", "inference")


def test_no_file_is_left_out_in_silence(raw):
    (raw / "imagesTs" / "t2.nii.gz").touch()
    with pytest.raises(ValueError, match=r"1 files of .* would be left out: t2.nii.gz"):
        nnunet_cases(raw, ".nii.gz", "inference")
    (raw / "imagesTr" / "c2_0001.nii.gz").unlink()
    for part in ("training", "inference"):
        with pytest.raises(ValueError, match=r"1 of the 4 cases in .*imagesTr' have fewer channels .* c2 \(1 of 2\)"):
            nnunet_cases(raw / "imagesTr" if part == "inference" else raw, ".nii.gz", part, raw / "splits_final.json")


def test_a_case_in_both_parts_is_refused(raw):
    splits = raw / "splits_final.json"
    splits.write_text(json.dumps([{"train": ["c1", "c2"], "val": ["c2"]}]))
    with pytest.raises(ValueError, match="has 1 cases in both 'train' and 'val': c2"):
        nnunet_cases(raw, ".nii.gz", "training", splits)


def test_what_is_missing_is_named(raw):
    splits = raw / "splits_final.json"
    with pytest.raises(ValueError, match="has 2 folds, and fold 2 is asked for"):
        nnunet_cases(raw, ".nii.gz", "training", splits, fold=2)
    with pytest.raises(ValueError, match=r"3 of the 3 cases for training have no image in imagesTr .* ending .mha"):
        nnunet_cases(raw, ".mha", "training", splits)
    (raw / "labelsTr" / "c2.nii.gz").unlink()
    with pytest.raises(
        ValueError, match=r"1 of the 3 cases for training have no label in labelsTr .*: c2. Name the folder"
    ):
        nnunet_cases(raw, ".nii.gz", "training", splits)
    with pytest.raises(ValueError, match=r"need nnU-Net's splits_final.json"):
        nnunet_cases(raw, ".nii.gz", "training")
    splits.write_text('{"training": []}')
    with pytest.raises(ValueError, match="is no list of folds with 'train' and 'val'"):
        nnunet_cases(raw, ".nii.gz", "training", splits)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        nnunet_cases(raw / "nowhere", ".nii.gz", "inference")
