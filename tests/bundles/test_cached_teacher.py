# SPDX-License-Identifier: Apache-2.0
import re

import pytest
import torch

from tests.bundles.conftest import run_bundle

CONFIGS = ["train", "methods/logits_and_hidden", "views/plain_teacher", "cached_teacher"]


def files(folder):
    return {"output_dir": str(folder), "checkpoint": str(folder / "model.pt")}


def test_the_overlay_trains_as_with_the_live_teacher_and_keeps_its_features(phantoms, teacher, tmp_path):
    common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "max_epochs": 2}
    live = run_bundle(CONFIGS[:3], **common, **files(tmp_path / "live"))
    cache = tmp_path / "cache"
    cached = run_bundle(CONFIGS, teacher_cache=str(cache), **common, **files(tmp_path / "cached"))
    found, expected = cached.network_def.state_dict(), live.network_def.state_dict()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    count = len(cached.parser.get_parsed_content("split")["training"])
    assert len(list(cache.rglob("*.pt"))) == 2 * count  # logits and hidden features of every training image


@pytest.mark.parametrize(
    ("configs", "reason"),
    [
        (["train", "views/shared", "cached_teacher"], "shares the student's random view"),
        (["train", "views/weak_teacher", "cached_teacher"], "random geometry of its own"),
        (["train", "cached_teacher"], r"seen \d+ different images, but the data set holds"),
    ],
    ids=["shared view", "the teacher's own geometry", "random transforms in the data set"],
)
def test_what_cannot_be_looked_up_is_refused_with_the_reason(configs, reason, phantoms, teacher, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        run_bundle(configs, dataset_dir=phantoms, teacher_checkpoint=teacher, max_epochs=2, **files(tmp_path))
    causes, error = [], caught.value
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    assert any(re.search(rf"{reason}.*PrepareBatchViews", text) for text in causes), causes
