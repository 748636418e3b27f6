# SPDX-License-Identifier: Apache-2.0
"""What of an nnU-Net result is read, and what each unusable folder is told."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd.student_bundle.nnunet.folds import read_folds
from monai_kd.student_bundle.nnunet.results import is_results, read_results
from monai_kd.student_bundle.nnunet.splits import find_splits
from monai_kd.student_bundle.nnunet.teacher_bundle import opened_teacher, write_teacher
from tests.student_bundle.nnunet.fake_results import TinyNet, make_results, plans, save_fold


def distill(root, folder, *options):
    """The whole command up to the written bundle."""
    words = ["distill", "--teacher", root, "--dataset-dir", folder / "nnUNet_raw" / "Dataset007_Balls", "--no-run"]
    words += ["--student", "BasicUNet", "--output-dir", folder / "student", *options]
    result = CliRunner().invoke(command_line.app, list(map(str, words)))
    if result.exit_code:
        raise result.exception
    return result.output


def change(file, **values):
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, **values}))


def test_a_folder_that_is_neither_is_told(tmp_path):
    (tmp_path / "nnUNet_raw" / "Dataset007_Balls").mkdir(parents=True)
    with pytest.raises(
        FileNotFoundError, match=r"nor nnU-Net's plans.json and dataset.json. Name the folder of a bundle"
    ):
        distill(tmp_path, tmp_path)


def test_a_bundle_stays_what_it_is(zoo):
    with opened_teacher(zoo / "ct", "") as (root, told):
        assert root == zoo / "ct" and told == []


def test_the_folder_above_or_below_is_named(tmp_path):
    root = make_results(tmp_path)
    for folder in (root / "fold_0", root.parent, root.parents[1]):
        assert is_results(folder)
        with pytest.raises(ValueError, match=rf"is not one result of nnU-Net, .*Name one: {root}\."):
            distill(folder, tmp_path)


def test_folds_that_are_there_are_used_and_the_others_named(tmp_path):
    root = make_results(tmp_path, folds=("0", "3", "all"))
    (root / "fold_2").mkdir()
    results = read_results(root)
    assert list(results.folds) == ["0", "3"]
    told = write_teacher(root, tmp_path / "nnUNet_raw" / "Dataset007_Balls", tmp_path / "bundle")
    assert told[0] == "The teacher is nnU-Net's 2d, folds 0, 3, the mean of their logits."
    assert told[2:] == [
        "Fold 2 is left out: it has no checkpoint_final.pth.",
        "Fold all is left out: it saw every case, and there are single folds.",
    ]
    train = json.loads((tmp_path / "bundle" / "configs" / "train.json").read_text())
    assert train["fold"] == 0 and len(train["network_def"]["members"]) == 2


def test_a_fold_of_all_cases_alone_is_used(tmp_path):
    assert list(read_results(make_results(tmp_path, folds=("all",))).folds) == ["all"]


def test_no_fold_is_told(tmp_path):
    root = make_results(tmp_path, folds=())
    (root / "fold_1").mkdir()
    with pytest.raises(
        ValueError, match=r"has no trained fold: none of fold_1 holds a checkpoint_final.pth. Train one"
    ):
        distill(root, tmp_path)


def test_a_stopped_training_is_told(tmp_path):
    root = make_results(tmp_path, folds=("0", "1"))
    for fold in ("1", "0"):
        (root / f"fold_{fold}" / "checkpoint_final.pth").rename(root / f"fold_{fold}" / "checkpoint_best.pth")
        if fold == "1":
            assert "The training of fold_1 was stopped: finish it by nnUNetv2_train" in read_results(root).notes[1]
    with pytest.raises(
        ValueError, match=r"The training of fold_0, fold_1 was stopped: finish it by nnUNetv2_train … --c"
    ):
        distill(root, tmp_path)


def test_plans_of_another_version_are_told(tmp_path):
    root = make_results(tmp_path)
    planned = plans("2d", True)
    (root / "plans.json").write_text('{"plans_per_stage": {}}')
    with pytest.raises(ValueError, match="has no 'configurations': it was not written by nnU-Net v2"):
        distill(root, tmp_path)
    del planned["configurations"]["base"]["architecture"]
    (root / "plans.json").write_text(json.dumps({**planned, "UNet_class_name": "PlainConvUNet"}))
    with pytest.raises(ValueError, match=r"is of an nnU-Net before 2.4: it has no 'architecture'"):
        distill(root, tmp_path)
    (root / "plans.json").write_text("{")
    with pytest.raises(ValueError, match=r"plans.json' is not JSON.*Copy it again"):
        distill(root, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resampling_fn_data": "resample_torch_fornnunet"}, "resamples by resample_torch_fornnunet. Known are"),
        ({"preprocessor_name": "MyPreprocessor"}, "preprocesses by MyPreprocessor"),
        ({"previous_stage": "3d_lowres"}, r"refines the answer of '3d_lowres' \(a cascade\)"),
        ({"normalization_schemes": ["MyNormalization"]}, "normalizes by MyNormalization, and ZScoreNormalization"),
        ({"reader": "Tiff3DIO"}, "reads images by Tiff3DIO, and SimpleITKIO, NibabelIO, NaturalImage2DIO are known"),
    ],
)
def test_plans_that_are_not_followed_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        distill(make_results(tmp_path, **changes), tmp_path)


def test_a_folder_with_another_name_is_told(tmp_path):
    root = make_results(tmp_path)
    other = root.rename(root.with_name("my_training"))
    with pytest.raises(
        ValueError, match=r"ends in 'my_training', and its plans have base, 2d. Give the folder its name"
    ):
        distill(other, tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "whole": [1, 2], "core": 2}, r"has regions, which overlap \(whole\)"),
        ({"background": 0, "ball": 1, "ignore": 2}, r"has the label 'ignore' \(2\), for pixels that nobody annotated"),
        ({"background": 0, "ball": 2}, r"has the label numbers \[0, 2\]"),
        ({"ball": 1}, "has no 'labels' with a 'background'"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        distill(make_results(tmp_path, labels=labels), tmp_path)


def test_classes_that_do_not_exist_are_told(tmp_path):
    """The teacher's dataset.json knows one class, the masks have another."""
    root = make_results(tmp_path)
    for file in (tmp_path / "nnUNet_raw" / "Dataset007_Balls" / "labelsTr").iterdir():
        Image.open(file).point(lambda value: 7 * value).save(file)
    with pytest.raises(ValueError, match=r"has values \[0.0, 7.0\], but the teacher has 2 classes \(0 background, 1"):
        distill(root, tmp_path)


def test_a_folder_without_the_cases_is_told(tmp_path):
    root = make_results(tmp_path)
    shutil.rmtree(tmp_path / "nnUNet_raw" / "Dataset007_Balls" / "imagesTr")
    with pytest.raises(ValueError, match=r"3 of the 3 cases .* Name the folder that .*: nnUNet_raw/DatasetXXX_NAME\.$"):
        distill(root, tmp_path)


def test_a_network_whose_package_is_missing_is_told(tmp_path):
    root = make_results(tmp_path)
    text = (root / "plans.json").read_text()
    (root / "plans.json").write_text(text.replace(f"{TinyNet.__module__}.TinyNet", "not_installed.nets.UNet"))
    with pytest.raises(ImportError, match=r"the package not_installed is not installed. Install nnU-Net: pip install"):
        distill(root, tmp_path)


def test_splits_are_found_where_nnunet_keeps_them(tmp_path, monkeypatch):
    monkeypatch.delenv("nnUNet_preprocessed", raising=False)
    root, raw = make_results(tmp_path), tmp_path / "nnUNet_raw" / "Dataset007_Balls"
    splits = tmp_path / "nnUNet_preprocessed" / "Dataset007_Balls" / "splits_final.json"
    assert find_splits(root, "Dataset007_Balls", raw).samefile(splits)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(splits.parents[1], elsewhere)
    with pytest.raises(
        FileNotFoundError, match=r"No splits_final.json .* set nnUNet_preprocessed, or copy the file into"
    ):
        distill(root, tmp_path)
    monkeypatch.setenv("nnUNet_preprocessed", str(elsewhere))
    assert find_splits(root, "Dataset007_Balls", raw).is_relative_to(elsewhere)


def test_unusable_checkpoints_are_told(tmp_path):
    root = make_results(tmp_path, folds=("0", "1"))
    file = root / "fold_1" / "checkpoint_final.pth"
    content = torch.load(file, weights_only=False)
    for changed, message in (
        (
            {**content, "init_args": {"configuration": "3d_lowres"}},
            "was trained as '3d_lowres', and its folder says '2d'",
        ),
        ({**content, "trainer_name": "MyTrainer"}, "different trainers: MyTrainer, nnUNetTrainer"),
        ({"state_dict": {}}, "is not a checkpoint of nnU-Net v2: it lacks network_weights"),
        ({**content, "logging": print}, "cannot be read as nnU-Net's checkpoint .*more than weights and numbers"),
    ):
        torch.save(changed, file)
        with pytest.raises(ValueError, match=message):
            distill(root, tmp_path)
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(ValueError, match="cannot be read as nnU-Net's checkpoint"):
        read_folds({"1": file}, "2d")


def test_weights_of_another_network_are_told(tmp_path):
    """A trainer may build another network than the plans say."""
    root = make_results(tmp_path, folds=("0",))
    text = (root / "plans.json").read_text()
    (root / "plans.json").write_text(text.replace('"features": 4', '"features": 6'))
    with pytest.raises(
        ValueError, match=r"The folds of .* another network than its plans.json .*: 'inside.0.weight' is \(4, 1"
    ):
        distill(root, tmp_path)


def test_numbers_of_numpy_are_read_without_running_code(tmp_path):
    root = make_results(tmp_path, folds=())
    save_fold(root, "4", "2d", True)
    folds = read_folds(read_results(root).folds, "2d")
    assert set(folds.state) == set(TinyNet(1, 2, 4, torch.nn.Conv2d, False).state_dict())
    assert folds.mirror_axes == (0, 1) and folds.trainer == "nnUNetTrainer"
