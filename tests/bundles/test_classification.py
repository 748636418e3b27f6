# SPDX-License-Identifier: Apache-2.0
"""The bundle breast_ultrasound_classification, from teacher to inference."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import CLASSIFICATION, run_classification, run_two_processes

CONFIGS = CLASSIFICATION / "configs"
# With a pool of images: below. Noisy labels and adversarial training have files of their own.
OTHERS = {"unlabelled", "noisy_labels", "adversarial_logits"}
METHODS = sorted({path.stem for path in (CONFIGS / "methods").glob("*.json")} - OTHERS)
VIEWS = sorted(path.stem for path in (CONFIGS / "views").glob("*.json"))
TRAININGS = ("train", "train_student", "train_teacher")


def config(name):
    return json.loads((CONFIGS / f"{name}.json").read_text())


def files(folder):
    return {"output_dir": str(folder), "checkpoint": str(folder / "model.pt")}


def causes_of(caught):
    causes, error = [], caught.value
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    return causes


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def bright_is_malignant(root, count=24):
    """Plain folders whose malignant images are the bright ones."""
    rows = ["id,patient,pathology"]
    noise = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        name, malignant = f"{number:03}", number % 2
        values = noise.normal(170 if malignant else 60, 20, (40, 50)).clip(0, 255).astype(np.uint8)
        Image.fromarray(values).save(root / "images" / f"{name}.png")
        Image.fromarray(np.zeros((40, 50), dtype=np.uint8)).save(root / "labels" / f"{name}.png")
        rows.append(f"{name},{name},{'malignant' if malignant else 'benign'}")
    (root / "patients.csv").write_text("\n".join(rows) + "\n")
    return root


def test_whoever_knows_the_segmentation_bundle_knows_this_one():
    for name in (*TRAININGS, "evaluate", "inference", "teacher", "multi_gpu_train"):
        other = CLASSIFICATION.with_name("breast_ultrasound_segmentation") / "configs" / f"{name}.json"
        gone = json.loads(other.read_text()).keys() - config(name).keys()
        assert gone <= {"overlays", "additional_metrics", "student_layers", "teacher_layers"}, name  # of masks


def test_the_student_has_a_hundredth_of_the_teachers_parameters():
    parser = ConfigParser({**config("train"), "imports": ["$import monai_kd"]})
    student, teacher = (
        sum(p.numel() for p in parser.get_parsed_content(name).parameters()) for name in ("network_def", "teacher_def")
    )
    assert (student, teacher) == (102_002, 11_172_162)  # as the README says


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains(method, phantoms, class_teacher, tmp_path):
    assert list(config(f"methods/{method}")) == ["pathways"]
    workflow = run_classification(
        ["train", f"methods/{method}"], dataset_dir=phantoms, teacher_checkpoint=class_teacher, **files(tmp_path)
    )
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert best.keys() == workflow.network_def.state_dict().keys()
    assert workflow.evaluator.state.key_metric_name == "val_roc_auc"


@pytest.mark.parametrize("views", VIEWS)
def test_every_view_trains(views, phantoms, class_teacher, tmp_path):
    workflow = run_classification(
        ["train", "methods/logits_and_hidden", f"views/{views}"],
        dataset_dir=phantoms,
        teacher_checkpoint=class_teacher,
        **files(tmp_path),
    )
    assert ("teacher_geometry" in workflow.trainer.state.batch[0]) == (views != "shared")
    assert all(parameter.isfinite().all() for parameter in workflow.network_def.parameters())


def test_a_cached_teacher_trains_as_the_live_one(phantoms, class_teacher, tmp_path):
    common = {"dataset_dir": phantoms, "teacher_checkpoint": class_teacher, "max_epochs": 2}
    configs = ["train", "views/plain_teacher", "cached_teacher"]
    live, cached = (
        run_classification(names, **common, **files(tmp_path / str(len(names)))) for names in (configs[:2], configs)
    )
    # In training mode: the biases in front of a batch norm have no gradient but rounding errors, which Adam enlarges.
    image = torch.rand(8, 1, 32, 32)
    found, expected = (workflow.network_def.train()(image) for workflow in (cached, live))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_the_average_of_the_student_teaches_it(phantoms, tmp_path):
    configs = ["train", "teachers/self_ema"]
    workflow = run_classification(configs, dataset_dir=phantoms, teacher_checkpoint="none.pt", **files(tmp_path))
    average = workflow.parser.get_parsed_content("teacher_def")
    assert workflow.trainer.teacher.network is average
    assert not torch.equal(average.conv1.weight, workflow.network_def.conv1.weight)


def test_it_learns_what_is_there_and_names_it_rightly(tmp_path):
    root = bright_is_malignant(tmp_path / "data")
    common = {"dataset_dir": str(root), "checkpoint": str(tmp_path / "model.pt")}
    given = {"max_epochs": 8, "learning_rate": 0.02, "balanced": True}
    run_classification("train_student", **common, **given, output_dir=str(tmp_path / "run"))
    run_classification("evaluate", **common, output_dir=str(tmp_path / "scores"))
    summary = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert summary["roc_auc"] == summary["balanced_accuracy"] == 1.0
    run_classification("inference", **common, output_dir=str(tmp_path / "predictions"))
    for row in table(tmp_path / "predictions" / "predictions.csv"):
        assert float(row["benign"]) + float(row["malignant"]) == pytest.approx(1, abs=1e-5)
        assert (float(row["malignant"]) > 0.5) == bool(int(row["id"]) % 2)


def test_evaluation_scores_every_test_image(phantoms, class_student, tmp_path):
    workflow = run_classification("evaluate", dataset_dir=phantoms, checkpoint=class_student, output_dir=str(tmp_path))
    rows = table(tmp_path / "scores.csv")
    assert [row["id"] for row in rows] == workflow.parser.get_parsed_content("split")["test"]
    pathology = {record["id"]: record["pathology"] for record in workflow.dataset.data}
    assert all(row["label"] == pathology[row["id"]] for row in rows)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["roc_auc"] == pytest.approx(workflow.evaluator.state.metrics["roc_auc"])
    assert sum(summary["images"].values()) == len(rows)
    assert Image.open(tmp_path / "reliability.png").size[0] > 300


def test_teacher_is_evaluated_by_the_same_config(phantoms, class_teacher, tmp_path):
    run_classification(
        ["evaluate", "teacher"], dataset_dir=phantoms, checkpoint=class_teacher, output_dir=str(tmp_path)
    )
    assert table(tmp_path / "scores.csv")


def test_inference_gives_the_evaluations_probabilities_whatever_the_format(phantoms, class_student, tmp_path):
    common = {"dataset_dir": phantoms, "checkpoint": class_student}
    workflow = run_classification("evaluate", **common, output_dir=str(tmp_path / "scores"))
    images = tmp_path / "images"
    images.mkdir()
    for record in workflow.dataset.data:
        Image.open(record["image"]).convert("RGB").save(images / f"{record['id']}.tiff")
    common["dataset_dir"] = str(images)
    run_classification("inference", **common, output_dir=str(tmp_path / "predictions"))
    found = {row["id"]: row["malignant"] for row in table(tmp_path / "predictions" / "predictions.csv")}
    assert found == {row["id"]: row["probability"] for row in table(tmp_path / "scores" / "scores.csv")}


NOISY = ["train", "methods/noisy_labels", "label_noise"]


@pytest.mark.parametrize(
    "configs",
    [["train", "methods/logits_and_hidden"], ["train", "teachers/self_ema"], NOISY, [*NOISY, "teachers/self_ema"]],
    ids="-".join,
)
def test_killed_and_started_again_it_ends_like_a_whole_run(configs, phantoms, class_teacher, tmp_path):
    def train(folder, **kwargs):
        arguments = {"dataset_dir": phantoms, "teacher_checkpoint": class_teacher, "max_epochs": 2}
        return run_classification(configs, **arguments, **files(tmp_path / folder), **kwargs)

    whole = train("whole")
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}})
    parts = train("parts")
    for name in ("network_def", "pathways", "teacher_def"):
        states = [w.parser.get_parsed_content(name).state_dict().values() for w in (whole, parts)]
        assert all(torch.equal(a, b) for a, b in zip(*states, strict=True)), name


def test_two_processes_train_together(phantoms, class_teacher, tmp_path):
    arguments = {"student_channels": [2, 4, 4, 6], "dataset_dir": phantoms, "teacher_checkpoint": class_teacher}
    run_two_processes(["train", "methods/logits_and_hidden"], CLASSIFICATION, **arguments, **files(tmp_path))
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["epoch"] == 1
    assert not any(key.startswith("module.") for name in ("network", "pathways") for key in state["objects"][name])
    assert (tmp_path / "model.pt").is_file()


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"classes": ["benign", "malign"]}, r"no image is malign \(there are: 8 benign, 3 malignant\)"),
        ({"classes": ["benign"]}, r"'teacher_def#num_classes' is '\$len\(@classes\)', but .* was trained with 2"),
        (
            {"classes": ["benign"], "teacher_checkpoint": "bare.pt"},
            r"two or more different pathologies, got \['benign'\]",
        ),
        ({"network_def#num_classes": 3}, r"ResNet gives \(1, 3\).*logits of shape \(1, 2\).*to 2"),
        (
            {"teacher_channels": [4, 4, 8, 8]},
            r"'teacher_channels' is \[4, 4, 8, 8\], but .* trained with \[4, 4, 6, 6\]",
        ),
        ({"teacher_checkpoint": "none.pt"}, r"No checkpoint at 'none\.pt'"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_clear_error(arguments, cause, phantoms, class_teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(torch.load(class_teacher, weights_only=True), "bare.pt")  # without the record of its training
    common = {"dataset_dir": phantoms, "teacher_checkpoint": class_teacher, **files(tmp_path / "o")}
    with pytest.raises(RuntimeError) as caught:
        run_classification("train", **{**common, **arguments})
    assert any(re.search(cause, text) for text in causes_of(caught)), causes_of(caught)
    assert not (tmp_path / "o" / "model.pt").exists()


@pytest.mark.parametrize(
    ("pathologies", "cause"),
    [
        ([""], r"training images of .*: no image is benign or malignant \(there are: 16 unknown\).*patients\.csv"),
        (["benign"], r"training images of .*: no image is malignant \(there are: 16 benign\)"),
    ],
    ids=["not known", "one class"],
)
def test_data_without_both_classes_are_refused(pathologies, cause, tmp_path):
    root = bright_is_malignant(tmp_path / "data", count=24)
    rows = [f"{number:03},{number:03},{pathologies[0]}" for number in range(24)]
    (root / "patients.csv").write_text("\n".join(["id,patient,pathology", *rows]) + "\n")
    with pytest.raises(RuntimeError) as caught:
        run_classification("train_student", dataset_dir=str(root), **files(tmp_path / "o"))
    assert any(re.search(cause, text) for text in causes_of(caught)), causes_of(caught)


@pytest.mark.parametrize("other", [{"balanced": True}, {"classes": ["malignant", "benign"]}], ids=["weights", "order"])
def test_another_run_never_takes_this_ones_result_for_its_own(other, phantoms, tmp_path):
    run_classification("train_student", dataset_dir=phantoms, **files(tmp_path))
    with pytest.raises(RuntimeError) as caught:
        run_classification("train_student", dataset_dir=phantoms, **files(tmp_path), **other)
    assert re.search(r"was written by a run with another .*resume=False", str(caught.value.__cause__))


def test_a_last_batch_of_one_image_is_left_out(phantoms, tmp_path):
    workflow = run_classification("train_student", dataset_dir=phantoms, batch_size=5, **files(tmp_path))  # 11 images
    assert workflow.trainer.state.epoch_length == 2


def test_images_without_a_label_teach(phantoms, class_teacher, tmp_path):
    """Killed and started again, too."""
    pool = tmp_path / "pool"
    write_phantoms(pool, count=6, seed=1)

    def train(folder, **kwargs):
        arguments = {"dataset_dir": phantoms, "teacher_checkpoint": class_teacher, "unlabelled_dir": str(pool)}
        return run_classification(
            ["train", "methods/unlabelled"], **arguments, **files(tmp_path / folder), max_epochs=2, **kwargs
        )

    whole = train("whole")
    records = whole.parser.get_parsed_content("train#dataset").data
    assert {(record["has_label"], record["label"]) for record in records} == {(1, 0), (1, 1), (0, -100)}
    assert len(records) == 11 + 6
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}})
    states = [workflow.network_def.state_dict().values() for workflow in (whole, train("parts"))]
    assert all(torch.equal(a, b) and a.isfinite().all() for a, b in zip(*states, strict=True))


def test_few_labels_and_a_pool(phantoms, tmp_path):
    """The recipe: a teacher with a pretrained encoder, the other training images without their classes."""
    short = {"dataset_dir": phantoms, "labels": 6, "steps_per_epoch": 2, "max_epochs": 2, "spatial_size": [64, 64]}
    teacher = ["train_teacher", "networks/pretrained", "recipes/patient"]
    run_classification(teacher, **short, imagenet=False, **files(tmp_path / "teacher"))
    workflow = run_classification(
        ["train", "recipes/few_labels", "teachers/pretrained"],
        **short,
        teacher_checkpoint=str(tmp_path / "teacher" / "model.pt"),
        **files(tmp_path / "student"),
    )
    records = workflow.parser.get_parsed_content("train#dataset").data
    labels = [record["label"] for record in records if record["has_label"]]
    assert len(labels) == 6 and set(labels) == {0, 1}
    assert {record["label"] for record in records if not record["has_label"]} == {-100}
    assert workflow.trainer.state.iteration == 4
    run_classification(
        ["evaluate", "networks/pretrained"],
        dataset_dir=phantoms,
        spatial_size=[64, 64],
        imagenet=False,
        checkpoint=str(tmp_path / "teacher" / "model.pt"),
        output_dir=str(tmp_path / "evaluation"),
    )
    assert table(tmp_path / "evaluation" / "scores.csv")
