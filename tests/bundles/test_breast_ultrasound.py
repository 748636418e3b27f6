# SPDX-License-Identifier: Apache-2.0
import csv
import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from monai_kd.networks import PretrainedUNet
from tests.bundles.conftest import ROOT, run_bundle, run_two_processes

CONFIGS = ROOT / "configs"
OVERLAYS = sorted(path.stem for path in (CONFIGS / "methods").glob("*.json"))


def config(name):
    return json.loads((CONFIGS / f"{name}.json").read_text())


# Overlays that replace more than the pathways (networks, data, handlers) have their own tests.
METHODS = [name for name in OVERLAYS if set(config(f"methods/{name}")) <= {"levels", "pathways"}]


def test_the_papers_sizes_are_an_overlay_of_every_config_with_a_teacher():
    sizes = {}
    for name in ("train", "train_teacher", "train_autoencoder", "teacher"):
        parser = ConfigParser({**config(name), **config("teachers/paper"), "imports": ["$import monai_kd"]})
        sizes[name] = sum(p.numel() for p in parser.get_parsed_content("teacher_def").parameters())
    assert set(sizes.values()) == {82_676_680}
    parser = ConfigParser({**config("train"), "imports": ["$import monai_kd"]})
    student, teacher = (parser.get_parsed_content(name) for name in ("network_def", "teacher_def"))
    assert 100 * sum(p.numel() for p in student.parameters()) <= 82_676_680
    assert isinstance(teacher, PretrainedUNet)
    assert config("train")["supervised_weight"] == config("train")["pathways"]["logits"]["weight"] == 0.5


def test_default_pathways_are_an_overlay():
    assert config("methods/logits_kl")["pathways"]["logits"]["loss"]["_target_"] == "monai_kd.losses.LogitsKLLoss"
    assert len(METHODS) > 20


def test_overlays_of_more_than_pathways_have_tests_of_their_own():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in OVERLAYS if name not in METHODS and f"methods/{name}" not in tests] == []


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains(method, phantoms, teacher, tmp_path):
    workflow = run_bundle(
        ["train", f"methods/{method}"],
        dataset_dir=phantoms,
        teacher_checkpoint=teacher,
        output_dir=str(tmp_path),
        checkpoint=str(tmp_path / "model.pt"),
    )
    assert workflow.trainer.state.epoch == 1
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert best.keys() == workflow.network_def.state_dict().keys()  # the student alone: no teacher, no adapter


def test_student_alone_starts_from_the_weights_of_the_distilled_one(phantoms, teacher, tmp_path):
    states = []
    for name in ("train", "train_student"):
        workflow = run_bundle(
            name,
            dataset_dir=phantoms,
            teacher_checkpoint=teacher,
            learning_rate="$0.0",  # as a program: 0 is no rate to train with
            output_dir=str(tmp_path / name),
            checkpoint=str(tmp_path / name / "model.pt"),
        )
        states.append(workflow.network_def.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))


def test_evaluation_scores_every_test_image_on_its_own_grid(phantoms, student, tmp_path):
    workflow = run_bundle("evaluate", dataset_dir=phantoms, checkpoint=student, output_dir=str(tmp_path))
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    tested = workflow.dataset.data
    assert [row["id"] for row in rows] == workflow.parser.get_parsed_content("split")["test"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["dice"]["mean"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]), abs=1e-5)
    for row, record in zip(rows, tested, strict=True):
        assert Image.open(tmp_path / "overlays" / f"{row['id']}.png").size == Image.open(record["image"]).size


def test_a_misspelled_section_is_told_the_right_ones(phantoms, student, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        run_bundle("evaluate", dataset_dir=phantoms, checkpoint=student, output_dir=str(tmp_path), section="tset")
    assert re.search(r"'test'", str(caught.value.__cause__))


def test_teacher_is_evaluated_by_the_same_config(phantoms, teacher, tmp_path):
    run_bundle(["evaluate", "teacher"], dataset_dir=phantoms, checkpoint=teacher, output_dir=str(tmp_path))
    assert (tmp_path / "scores.csv").is_file()


def test_inference_writes_masks_in_the_images_own_geometry(phantoms, student, tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    picture = Image.open(Path(phantoms, "original", "000001.png"))
    picture.save(images / "gray.png")
    picture.convert("RGB").resize((201, 97)).save(images / "color.jpg")
    affine = np.array([[-0.1, 0, 0, 5], [0, -0.2, 0, 7], [0, 0, 1, 9], [0, 0, 0, 1.0]])
    values = np.asarray(picture).T[..., None]
    nibabel.save(nibabel.Nifti1Image(values, affine), images / "volume.nii.gz")
    run_bundle("inference", dataset_dir=str(images), checkpoint=student, output_dir=str(masks))
    gray = Image.open(masks / "gray.png")
    assert gray.size == picture.size and set(np.unique(np.asarray(gray))) <= {0, 255}
    assert Image.open(masks / "color.png").size == (201, 97)
    volume = nibabel.load(masks / "volume.nii.gz")
    np.testing.assert_allclose(volume.affine, affine)
    # The same picture in another format is the same mask, in the same orientation.
    assert np.array_equal(np.squeeze(volume.get_fdata()).T > 0, np.asarray(gray) > 0)


@pytest.mark.parametrize("method", ["hidden_mse", "logits_and_hidden"])
def test_killed_and_started_again_it_ends_like_a_whole_run(method, phantoms, teacher, tmp_path):
    def train(folder, **kwargs):
        arguments = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "max_epochs": 2}
        paths = {"output_dir": str(tmp_path / folder), "checkpoint": str(tmp_path / folder / "model.pt")}
        return run_bundle(["train", f"methods/{method}"], **arguments, **paths, **kwargs)

    whole = train("whole")
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}})
    parts = train("parts")
    for name in ("network_def", "pathways"):
        states = [w.parser.get_parsed_content(name).state_dict().values() for w in (whole, parts)]
        assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
    bests = [torch.load(tmp_path / name / "model.pt", weights_only=True).values() for name in ("whole", "parts")]
    assert all(torch.equal(a, b) for a, b in zip(*bests, strict=True))


class Kill:
    """Ends a run in the middle of an epoch, as a kill does: no other handler runs."""

    def __init__(self, epoch):
        self.epoch = epoch

    def attach(self, engine):
        from ignite.engine import Events

        def kill(engine):
            if engine.state.epoch == self.epoch:
                raise RuntimeError("killed")

        engine.add_event_handler(Events.ITERATION_COMPLETED, kill)


def test_two_processes_train_together(phantoms, teacher, tmp_path):
    files = {"output_dir": tmp_path, "checkpoint": tmp_path / "model.pt"}
    arguments = {"dataset_dir": phantoms, "teacher_checkpoint": teacher}
    run_two_processes(["train", "methods/logits_and_hidden"], **arguments, **files)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["epoch"] == 1
    assert not any(key.startswith("module.") for name in ("network", "pathways") for key in state["objects"][name])
    assert any("student_adapters" in key for key in state["objects"]["pathways"])


@pytest.mark.parametrize("name", ["train", "train_student", "train_teacher", "evaluate", "inference"])
def test_an_unwritable_output_folder_is_found_before_anything_else(name, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError) as caught:
        run_bundle(name, dataset_dir=str(tmp_path / "none"), output_dir=str(tmp_path / "file" / "runs"))
    assert "Cannot write to the folder" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"dataset_dir": "none"}, r"none"),
        ({"teacher_checkpoint": "none.pt"}, r"No checkpoint at 'none\.pt'"),
        ({"teacher_def#channels": [4, 4, 8, 8]}, r"'teacher_def#channels' is \[4, 4, 8, 8\], but .* was trained with"),
        (
            {"teacher_def#channels": [4, 4, 8, 8], "teacher_checkpoint": "bare.pt"},
            r"another network than this UNet: 'model\.1\.submodule\.1\.submodule\.",
        ),
        (
            {"pathways#logits#student_layer": "encoder.level.0", "pathways#logits#teacher_layer": ""},
            r"No layer 'encoder\.level\.0' in StudentUNet\. Closest: 'encoder\.levels\.0'",
        ),
        (
            {"teacher_def#out_channels": 3, "teacher_checkpoint": "bare.pt"},
            r"UNet gives \(1, 3, 32, 32\).*Set its out_channels to 2",
        ),
        ({"network_def#out_channels": 1}, r"StudentUNet gives \(1, 1, 32, 32\).*one channel for each of 2 classes"),
        ({"spatial_size": [36, 36]}, r"UNet cannot take an image of shape \(1, 1, 36, 36\)"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_clear_error(arguments, cause, phantoms, teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(torch.load(teacher, weights_only=True), "bare.pt")  # without the record of its training
    paths = {"output_dir": str(tmp_path / "o"), "checkpoint": str(tmp_path / "o" / "model.pt")}
    with pytest.raises(RuntimeError) as caught:
        run_bundle("train", **{"dataset_dir": phantoms, "teacher_checkpoint": teacher, **paths, **arguments})
    causes, error = [], caught.value
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    assert any(re.search(cause, text) for text in causes), causes
    assert not (tmp_path / "o" / "model.pt").exists()


@pytest.mark.parametrize(
    "other",
    [{"learning_rate": 0.5}, {"seed": 5}, {"fold": 1}, {"pathways#logits#loss#temperature": 2.0}],
    ids=lambda other: next(iter(other)),
)
def test_another_run_never_takes_this_ones_result_for_its_own(other, phantoms, teacher, tmp_path):
    paths = {"output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}
    common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "seen_images": "warn", **paths}
    run_bundle("train", **common)
    with pytest.raises(RuntimeError) as caught:
        run_bundle("train", **{**common, **other})
    assert re.search(r"last\.pt' was written by a run with another .*resume=False", str(caught.value.__cause__))


def test_a_finished_run_without_its_checkpoint_is_refused(phantoms, teacher, tmp_path):
    paths = {"output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}
    run_bundle("train", dataset_dir=phantoms, teacher_checkpoint=teacher, **paths)
    (tmp_path / "model.pt").unlink()
    with pytest.raises(RuntimeError) as caught:
        run_bundle("train", dataset_dir=phantoms, teacher_checkpoint=teacher, **paths)
    assert re.search(r"best checkpoint so far, '.*model\.pt', is missing", str(caught.value.__cause__))
