# SPDX-License-Identifier: Apache-2.0
"""Labelled images and an unlabelled pool in one training."""

import re
from pathlib import Path

import pytest
import torch

from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import run_bundle


@pytest.fixture
def pool(tmp_path):
    """Six phantoms whose masks cannot be read."""
    folder = tmp_path / "pool"
    write_phantoms(folder, count=6, seed=1)
    for mask in (folder / "GT").iterdir():
        mask.write_bytes(b"no mask at all")
    return folder


def train(phantoms, teacher, output, unlabelled, **arguments):
    return run_bundle(
        ["train", "methods/unlabelled"],
        dataset_dir=phantoms,
        teacher_checkpoint=teacher,
        unlabelled_dir=str(unlabelled),
        output_dir=str(output),
        checkpoint=str(output / "model.pt"),
        **arguments,
    )


def weights(workflow):
    return list(workflow.network_def.state_dict().values())


@pytest.mark.parametrize("supervised_weight", [0.0, 0.5])
def test_trains_on_both_and_validates_on_labelled_images_alone(supervised_weight, phantoms, teacher, pool, tmp_path):
    workflow = train(phantoms, teacher, tmp_path / "run", pool, supervised_weight=supervised_weight)
    split = workflow.parser.get_parsed_content("split")
    records = workflow.parser.get_parsed_content("train#dataset").data
    assert [record["id"] for record in records if record["has_label"]] == split["training"]
    assert {Path(record["image"]).parent.parent for record in records if not record["has_label"]} == {pool}
    assert len(records) == len(split["training"]) + 6
    assert [r["id"] for r in workflow.parser.get_parsed_content("validate#dataset").data] == split["validation"]
    assert all(value.isfinite().all() for value in weights(workflow))
    assert 0 < workflow.evaluator.state.best_metric <= 1


def test_the_pool_teaches(phantoms, teacher, pool, tmp_path):
    """Other images without labels, another student."""
    other = tmp_path / "other"
    write_phantoms(other, count=6, seed=2)
    first, second = (weights(train(phantoms, teacher, tmp_path / f.name / "run", f)) for f in (pool, other))
    assert not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_run_with_another_pool_is_not_continued(phantoms, teacher, pool, tmp_path):
    train(phantoms, teacher, tmp_path / "run", pool)
    moved = pool.rename(tmp_path / "moved")
    with pytest.raises(RuntimeError) as caught:
        train(phantoms, teacher, tmp_path / "run", moved)
    assert re.search(r"another unlabelled images: .*pool.*moved", str(caught.value.__cause__))


def test_the_training_images_as_the_pool_are_refused(phantoms, teacher, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        train(phantoms, teacher, tmp_path / "run", phantoms)
    causes, error = [], caught.value
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    assert re.search(r"All images in .* are copies of those in .*Give a folder of other images", " ".join(causes))
