# SPDX-License-Identifier: Apache-2.0
"""configs/adaptation: a student trained on one data set adapts to the images of another."""

import json
import re

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd.data import choose_split
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import ROOT, TINY, run_bundle

OVERLAY = "adaptation/trajectory"


@pytest.fixture(scope="module")
def other_scanner(tmp_path_factory):
    """The target domain, whose masks must not be read."""
    folder = tmp_path_factory.mktemp("data") / "other"
    write_phantoms(folder, count=10, seed=1)
    for mask in (folder / "GT").iterdir():
        mask.write_bytes(b"no mask")
    return str(folder)


def adapt(folder, phantoms, other_scanner, config="train_student", **arguments):
    ids = [f"{i:06d}" for i in range(1, 9)]
    common = {"dataset_dir": phantoms, "target_dir": other_scanner, "target_ids": ids, "max_epochs": 2}
    paths = {"output_dir": str(folder), "checkpoint": str(folder / "model.pt")}
    return run_bundle([config, OVERLAY], **{**common, **paths, **arguments})


def test_it_trains_and_the_checkpoint_is_the_student_alone(phantoms, other_scanner, tmp_path):
    workflow = adapt(tmp_path, phantoms, other_scanner)
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert best.keys() == workflow.network_def.state_dict().keys()
    handler = workflow.parser.get_parsed_content("trajectory")
    assert handler.cross.student_average.any() and int(handler.own[0].pushed) > 0
    assert [record["id"] for record in handler.target.dataset.data] == [f"{i:06d}" for i in range(1, 9)]
    run_bundle("evaluate", dataset_dir=phantoms, checkpoint=str(tmp_path / "model.pt"), output_dir=str(tmp_path / "e"))
    assert 0 <= json.loads((tmp_path / "e" / "summary.json").read_text())["dice"]["mean"] <= 1


def test_the_targets_own_labels_and_its_test_images(phantoms, teacher, tmp_path):
    write_phantoms(tmp_path / "other", count=10, seed=1)
    given = {"dataset_dir": phantoms, "target_dir": str(tmp_path / "other"), "checkpoint": str(tmp_path / "model.pt")}
    trained = run_bundle(["train_student", "adaptation/target_labels"], output_dir=str(tmp_path), **given)
    split = choose_split(tmp_path / "other")
    for part, section in (("train", "training"), ("validate", "validation")):
        records = trained.parser.get_parsed_content(f"{part}#dataset").data
        assert [record["id"] for record in records] == split[section]
        assert all(str(tmp_path / "other") in record["image"] for record in records)
    run_bundle(["evaluate", "adaptation/target"], output_dir=str(tmp_path / "e"), **given)
    rows = (tmp_path / "e" / "scores.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == split["test"]


def test_a_distilled_student_adapts_too(phantoms, teacher, other_scanner, tmp_path):
    workflow = adapt(tmp_path, phantoms, other_scanner, "train", teacher_checkpoint=teacher)
    logged = workflow.trainer.state.output[0]
    assert {"logits", "mixed_images", "trajectory"} <= set(logged)


def test_overlays_with_handlers_go_together(phantoms, teacher, other_scanner, tmp_path):
    paths = {"output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt"), "teacher_checkpoint": teacher}
    workflow = run_bundle(
        ["train", "methods/adversarial_logits", OVERLAY],
        dataset_dir=phantoms, target_dir=other_scanner, target_ids=[f"{i:06d}" for i in range(1, 9)], max_epochs=2,
        **{**paths, "discriminator_def#channels": 4},
    )  # fmt: skip
    assert {"adversarial", "adversarial_discriminator", "trajectory"} <= set(workflow.trainer.state.output[0])
    objects = torch.load(tmp_path / "last.pt", weights_only=True)["objects"]
    assert {"adversarial", "trajectory"} <= set(objects)


def test_killed_and_started_again_it_ends_like_a_whole_run(phantoms, other_scanner, tmp_path):
    def run(folder, **arguments):
        return adapt(tmp_path / folder, phantoms, other_scanner, max_epochs=3, **arguments)

    whole = run("whole")
    with pytest.raises(RuntimeError, match="trainer"):
        run("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 3}})
    parts = run("parts")
    last = [torch.load(tmp_path / name / "last.pt", weights_only=True)["objects"] for name in ("whole", "parts")]
    for name in ("network", "optimizer", "trajectory"):
        torch.testing.assert_close(last[0][name], last[1][name], rtol=0, atol=0)
    states = [w.network_def.state_dict() for w in (whole, parts)]
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


def test_it_goes_with_several_processes(phantoms):
    """The multi-GPU config comes last and replaces the imports."""
    parser = ConfigParser()
    parser.read_config(
        [str(ROOT / "configs" / f"{name}.json") for name in ("train_student", OVERLAY, "multi_gpu_train")]
    )
    parser.update({**TINY, "dataset_dir": phantoms, "target_dir": phantoms, "bundle_root": str(ROOT)})
    assert len(parser.get_parsed_content("trajectory").target.dataset) > 4
    assert parser["further_handlers"] == ["@trajectory"]


def test_a_folder_of_images_alone_is_a_target(phantoms, other_scanner, tmp_path):
    workflow = adapt(tmp_path, phantoms, f"{other_scanner}/original", target_ids=None)
    assert len(workflow.parser.get_parsed_content("trajectory").target.dataset) == 10


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"target_dir": "none"}, r"No file or folder 'none'"),
        ({"target_ids": ["000099"]}, r"1 ids of the split are not in .*: 000099"),
        ({"trajectory#head": "haed"}, r"No layer 'haed' in StudentUNet\. Closest: 'head'"),
        ({"resume": True, "trajectory#confidence": 0.9}, r"a run with another trajectory"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_clear_error(arguments, cause, phantoms, other_scanner, tmp_path):
    if "resume" in arguments:
        adapt(tmp_path, phantoms, other_scanner, max_epochs=1)
        arguments["max_epochs"] = 1
    with pytest.raises(RuntimeError) as caught:
        adapt(tmp_path, phantoms, other_scanner, **arguments)
    error, causes = caught.value, []
    while error is not None:
        causes.append(str(error))
        error = error.__cause__ or error.__context__
    assert any(re.search(cause, text) for text in causes), causes
