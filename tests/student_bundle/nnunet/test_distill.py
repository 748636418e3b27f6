# SPDX-License-Identifier: Apache-2.0
"""The whole way of the command with results that were made without nnU-Net: 2D, 3D, slices of volumes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from PIL import Image
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd import load_weights
from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.open_bundle import open_bundle
from monai_kd.export.agreement import samples
from monai_kd.export.graph import segmenter
from monai_kd.export.sample_images import phantoms
from monai_kd.student_bundle.nnunet.preprocessing import loading, preprocessing, saving
from monai_kd.student_bundle.nnunet.results import Results
from tests.student_bundle.nnunet.fake_results import TinyNet, make_raw, make_results

SMALL = {"_target_": "StudentUNet", "channels": [4, 6]}


def distilled(folder, root, *options):
    (folder / "student.json").write_text(json.dumps(SMALL))
    raw = folder / "nnUNet_raw" / "Dataset007_Balls"
    words = ["distill", "--teacher", root, "--dataset-dir", raw, "--student", folder / "student.json"]
    words += ["--output-dir", folder / "student", "--max-epochs", "1", "--no-run", *options]
    result = CliRunner().invoke(command_line.app, list(map(str, words)))
    if result.exit_code:
        raise result.exception
    return result.output


def run(folder, *words):
    raw = folder / "nnUNet_raw" / "Dataset007_Balls"
    words = ["run", *words, "--bundle", folder / "student", "--dataset_dir", raw]
    done = subprocess.run(
        [sys.executable, "-m", "monai_kd", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def same_grid(mask, image):
    mask, image = nibabel.load(mask), nibabel.load(image)
    assert mask.shape == image.shape and np.allclose(mask.affine, image.affine, atol=1e-5)
    assert set(np.unique(mask.dataobj)) <= {0, 1}


@pytest.mark.parametrize("flat", [True, False], ids=["2d", "3d"])
def test_an_ensemble_of_folds_distils(tmp_path, flat):
    root = make_results(tmp_path, flat)
    output = distilled(tmp_path, root)
    assert "folds 0, 1, the mean of their logits" in output and "The student trains on fold 0 of" in output
    assert "teacher: Ensemble" in output and f"Wrote {tmp_path / 'student'}" in output.replace("\n", "")

    logged = run(tmp_path, "train")
    assert "runs on 3 cases, once" in logged and " logits 0." in logged and "val_mean_dice" in logged
    assert not any(noise in logged for noise in ("nvImageCodec", "GradScaler", "autocast"))
    kept = sorted(file.name for file in (tmp_path / "student" / "soft_targets").iterdir())
    assert kept == [f"ball.{n}.{end}" for n in range(3) for end in ("json", "npy")] + ["provenance.json"]
    assert "runs on" not in run(tmp_path, "train", "--resume", "False")

    run(tmp_path, "train", "--overlay", "evaluate", "--output_dir", tmp_path / "scores")
    rows = (tmp_path / "scores" / "val_mean_dice_raw.csv").read_text().splitlines()
    assert len(rows) == 2 and "ball.3_0000" in rows[1]
    run(tmp_path, "inference", "--output_dir", tmp_path / "masks")
    _exports(tmp_path / "student")
    raw = tmp_path / "nnUNet_raw" / "Dataset007_Balls" / "imagesTs"
    for number in (4, 5):
        if flat:
            mask = np.asarray(Image.open(tmp_path / "masks" / f"ball.{number}.png"))
            assert mask.shape == Image.open(raw / f"ball.{number}_0000.png").size[::-1] and set(np.unique(mask)) <= {
                0,
                1,
            }
        else:
            same_grid(tmp_path / "masks" / f"ball.{number}.nii.gz", raw / f"ball.{number}_0000.nii.gz")


def test_an_image_that_does_not_fit_costs_itself_alone(tmp_path):
    root = make_results(tmp_path, folds=("0",))
    distilled(tmp_path, root, "--no-try")
    run(tmp_path, "train")
    images = tmp_path / "nnUNet_raw" / "Dataset007_Balls" / "imagesTs"
    Image.open(images / "ball.4_0000.png").convert("RGB").save(images / "ball.4_0000.png")
    with pytest.raises(AssertionError) as caught:
        run(tmp_path, "inference", "--output_dir", tmp_path / "masks")
    told = str(caught.value)
    assert "1 of 2 images has no result; all others are done" in told and "Traceback" not in told
    assert "ball.4_0000.png' has 3 channels, and nnU-Net's plans are for 1. Give the files" in told
    assert [file.name for file in (tmp_path / "masks").glob("*.png")] == ["ball.5.png"]

    shutil.rmtree(tmp_path / "student")
    with pytest.raises(ValueError, match=r"fails in its first step: 1 of 1 images.*ball\.4_0000\.png' has 3 channels"):
        distilled(tmp_path, root)
    assert not (tmp_path / "student").exists()


def _exports(student):
    """The network of a window; one of two axes sees a slice of the prepared volume."""
    bundle = open_bundle(student)
    module = segmenter(bundle, load_weights(bundle.network(), student / "models" / "model.pt"), raw=True)
    with phantoms(bundle) as records:
        (sample,) = samples(bundle, module, records[:1])
    assert sample.image.shape == bundle.input_shape
    with torch.no_grad():
        assert np.allclose(module(torch.from_numpy(sample.image)), sample.answer["logits"], atol=1e-4)
    with pytest.raises(ValueError, match=r"preprocessing does not take the image .*: --dataset-dir DIR"):
        samples(bundle, module, [{"image": "nowhere.png"}])


def test_the_fold_that_is_asked_for_is_told_or_refused(tmp_path):
    root = make_results(tmp_path)
    with pytest.raises(
        ValueError, match=rf"'{tmp_path}.*splits_final.json' has \d folds, and fold 9 is asked for. Give 0 to"
    ):
        distilled(tmp_path, root, "--set", "fold=9", "--no-try")
    assert not (tmp_path / "student").exists()
    assert "The student trains on fold 1 of" in distilled(tmp_path, root, "--set", "fold=1", "--no-try")
    assert json.loads((tmp_path / "student" / "configs" / "train.json").read_text())["fold"] == 1


def test_a_few_classes(tmp_path):
    """The folds run once, and the stored answers are already those of the student's classes."""
    root = make_results(tmp_path, labels={"background": 0, "ball": 1, "cube": 2, "cone": 3})
    assert "teacher: Ensemble" in distilled(tmp_path, root, "--classes", "cone,ball+cube")
    run(tmp_path, "train")
    answer = np.load(tmp_path / "student" / "soft_targets" / "ball.1.npy", mmap_mode="r")
    network = torch.load(tmp_path / "student" / "models" / "model.pt", weights_only=True)
    assert len(answer) == 3 and next(reversed(network.values())).shape[0] == 3
    with pytest.raises(ValueError, match="was made with another classes"):
        distilled(tmp_path, root, "--classes", "ball,cube+cone")


def test_a_2d_teacher_of_volumes_sees_slices(tmp_path):
    root = make_results(tmp_path, reader="SimpleITKIO")
    description = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps({**description, "file_ending": ".nii.gz"}))
    raw = tmp_path / "nnUNet_raw" / "Dataset007_Balls"
    make_raw(raw.rename(raw.with_name("pictures")).with_name("Dataset007_Balls"), False)
    distilled(tmp_path, root)
    run(tmp_path, "train")
    answer = np.load(tmp_path / "student" / "soft_targets" / "ball.1.npy", mmap_mode="r")
    image = nibabel.load(raw / "imagesTr" / "ball.1_0000.nii.gz")
    assert answer.shape[:2] == (2, image.shape[2])  # classes, and as many slices as the file has
    run(tmp_path, "inference", "--output_dir", tmp_path / "masks")
    same_grid(tmp_path / "masks" / "ball.4.nii.gz", raw / "imagesTs" / "ball.4_0000.nii.gz")


def test_layers_are_compared_with_a_live_teacher(tmp_path):
    distilled(tmp_path, make_results(tmp_path, folds=("1",)), "--method", "hidden", "--pairs", pairs(tmp_path))
    logged = run(tmp_path, "train", "--method", "hidden")
    assert ", hidden " in logged and not (tmp_path / "student" / "soft_targets").exists()
    assert BundleFolder(tmp_path / "student").config("train")["fold"] == 1


def pairs(folder):
    file = folder / "pairs.json"
    file.write_text(json.dumps([{"student": "encoder.levels.0", "teacher": "inside"}]))
    return file


def test_what_was_written_is_told_and_other_folds_are_refused(tmp_path):
    root = make_results(tmp_path)
    distilled(tmp_path, root, "--set", "fold=1")
    assert "was written before" in distilled(tmp_path, root, "--set", "fold=1")
    metadata = BundleFolder(tmp_path / "student").metadata
    assert metadata["required_packages_version"]["monai-kd"]
    assert "Dataset007_Balls nnU-Net 2d" in metadata["distillation"]["teacher"]["name"]
    train = BundleFolder(tmp_path / "student").config("train")
    assert train["fold"] == 1 and str(tmp_path) not in json.dumps(train)
    content = torch.load(root / "fold_1" / "checkpoint_final.pth", weights_only=False)
    content["network_weights"]["head.bias"] += 1
    torch.save(content, root / "fold_1" / "checkpoint_final.pth")
    with pytest.raises(ValueError, match="was made with another teacher"):
        distilled(tmp_path, root, "--set", "fold=1")


def test_stored_answers_are_the_mean_of_the_folds_and_their_mirror_images(tmp_path):
    """Recomputed from the checkpoints in a plain loop."""
    root = make_results(tmp_path)
    distilled(tmp_path, root)
    run(tmp_path, "train")
    image = np.asarray(Image.open(tmp_path / "nnUNet_raw/Dataset007_Balls/imagesTr/ball.0_0000.png")).astype(np.float32)
    image = torch.from_numpy((image - image.mean()) / image.std())[None, None, :32, :32]
    total = 0
    for fold in (0, 1):
        network = TinyNet(1, 2, 4, torch.nn.Conv2d, False)
        file = root / f"fold_{fold}" / "checkpoint_final.pth"
        network.load_state_dict(torch.load(file, weights_only=False)["network_weights"])
        for dims in ([], [2], [3], [2, 3]):
            total = total + network(image.flip(dims)).flip(dims).detach()
    answer = np.load(tmp_path / "student" / "soft_targets" / "ball.0.npy")[:, 0]
    # Away from the window's border, where its zeros and the next window's pixels differ.
    assert np.allclose(answer[:, 1:3, 1:3], (total / 8)[0, :, 1:3, 1:3], atol=0.01)


@pytest.mark.parametrize("ending", [".mha", ".nrrd", ".nii.gz"])
def test_masks_lie_on_the_grid_of_every_format(tmp_path, ending):
    """An oblique volume whose last axis is turned round, written and compared by SimpleITK, as nnU-Net reads it."""
    sitk = pytest.importorskip("SimpleITK")
    array = np.random.default_rng(0).integers(1, 99, (10, 12, 14)).astype(np.int16)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((5, -6, 7))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, -1))
    sitk.WriteImage(image, str(tmp_path / f"a.b_0000{ending}"))
    plans = {"image_reader_writer": "SimpleITKIO", "transpose_forward": [1, 0, 2]}
    configuration = {"normalization_schemes": ["NoNormalization"], "use_mask_for_norm": [False]}
    configuration["spacing"] = [0.8, 2.5, 0.7]  # as the file's, turned: nothing is resampled
    results = Results(tmp_path, "3d", plans, configuration, {"file_ending": ending}, {}, ())
    steps = {"load": loading(results, ["image"]), "turn": preprocessing(results, ["image"]), "save": saving(results)}
    parser = ConfigParser({"imports": ["$import numpy as np"], "output_dir": str(tmp_path / "out"), **steps})
    load, turn, save = map(parser.get_parsed_content, steps)
    seen = turn(load({"image": str(tmp_path / f"a.b_0000{ending}")}))
    assert np.array_equal(seen["image"][0].numpy(), array.transpose(1, 0, 2))
    back = turn.inverse(seen)["image"]
    save({"pred": MetaTensor((back > 50).float(), meta=back.meta)})
    mask = sitk.ReadImage(str(tmp_path / "out" / f"a.b{ending}"))
    assert np.array_equal(sitk.GetArrayFromImage(mask), array > 50)
    for place in ("Spacing", "Origin", "Direction"):
        assert np.allclose(getattr(mask, f"Get{place}")(), getattr(image, f"Get{place}")(), atol=1e-4)
