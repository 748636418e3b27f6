# SPDX-License-Identifier: Apache-2.0
"""The bootstrap over splits, seeds and images, by simulation and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from monai_kd.study.reporting.score_table import score_table
from monai_kd.study.results.hierarchical_bootstrap import over_trainings
from monai_kd.study.results.scores import Scores
from monai_kd.study.results.statistics import interval


def study(splits, seeds, images, between=0.0, within=0.0, noise=0.1, mean=0.05, seed=0):
    """Differences that vary from split to split, from seed to seed and from image to image; and zeros."""
    rng = np.random.default_rng(seed)
    model = {}
    for s in range(splits):
        of_split = rng.normal(0, between)
        of_images = rng.normal(0, noise, images)
        for k in range(seeds):
            of_seed = rng.normal(0, within)
            model[f"{s}-{k}"] = {f"{s}/{i}": mean + of_split + of_seed + e for i, e in enumerate(of_images)}
    return model, {group: dict.fromkeys(scores, 0.0) for group, scores in model.items()}


def test_of_one_split_whose_seeds_agree_it_is_the_interval_over_images():
    model, zero = study(splits=1, seeds=3, images=40)
    found = over_trainings(model, zero, list(model))
    assert (found.low, found.high) == pytest.approx(interval(np.array(list(model["0-0"].values()))), abs=0.004)


@pytest.mark.parametrize("spread", [{"between": 0.1}, {"within": 0.1}])
def test_what_differs_between_trainings_makes_it_wider(spread):
    calm, zero = study(6, 3, 40)
    wild, _ = study(6, 3, 40, **spread)
    widths = [found.high - found.low for found in (over_trainings(m, zero, list(m)) for m in (calm, wild))]
    assert widths[1] > 1.5 * widths[0]


def test_it_covers_the_truth_as_often_as_it_says():
    """Twelve splits: with very few the bootstrap is known to be too narrow."""
    covered = 0
    for seed in range(60):
        model, zero = study(12, 1, 15, between=0.05, mean=0.0, seed=seed)
        found = over_trainings(model, zero, list(model))
        covered += found.low <= 0 <= found.high
    assert covered >= 51  # of 60, 95 % expected, 85 % allowed


def test_p_is_small_where_all_agree_and_large_where_nothing_differs():
    model, zero = study(5, 2, 30, noise=0.01)
    assert over_trainings(model, zero, list(model)).p == pytest.approx(2 / 10000)
    assert over_trainings(zero, zero, list(zero)).p == 1.0


def test_images_without_a_score_somewhere_do_not_count():
    model, zero = study(2, 2, 10)
    worst = min(model["0-0"], key=model["0-0"].get)
    del zero["0-1"][worst]
    kept = {group: {k: v for k, v in images.items() if k != worst} for group, images in model.items()}
    assert over_trainings(model, zero, list(model)) == over_trainings(kept, zero, list(model))


def test_one_training_tells_nothing_of_others():
    model, zero = study(1, 1, 10)
    assert over_trainings(model, zero, ["0-0"]) is None


def test_the_table_has_it_where_there_are_several_trainings():
    model, zero = study(3, 2, 20, between=0.02)
    one = {"0-0": model["0-0"]}
    several = score_table({"Teacher": Scores("Dice", model), "Student": Scores("Dice", zero)}, "Teacher", "Student")
    cells = dict(zip(several.columns, several.rows[0], strict=True))
    found = over_trainings(model, zero, sorted(model))
    assert cells["difference if repeated, 95 %"] == f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
    assert cells["p if repeated"].startswith(f"{found.p:.4f} (")
    assert several.rows[1][-1] == "–"
    alone = score_table(
        {"Teacher": Scores("Dice", one), "Student": Scores("Dice", {"0-0": zero["0-0"]})}, "Teacher", "Student"
    )
    assert "p if repeated" not in alone.columns
