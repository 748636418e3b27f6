# SPDX-License-Identifier: Apache-2.0
import csv
import json
import os

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.handlers import HausdorffDistance, MeanDice, MeanIoUHandler, from_engine
from monai.transforms import AsDiscreted
from PIL import Image
from torch import nn

from monai_kd.handlers import ScoresHandler
from monai_kd.utils.figures import GREEN, RED
from tests.helpers import small_files_only

pytestmark = pytest.mark.filterwarnings("ignore:the (prediction|ground truth) of class 1 is all 0")
METRICS = {"dice": "dice", "iou": "iou", "hd95": "hd95 (pixels)"}


class Threshold(nn.Module):
    """A network that predicts a lesion where the image is positive."""

    def forward(self, x):
        return torch.cat([-x, x], 1)


def square(start, width=12, height=20):
    """Four by four pixels, in MONAI's order (1, W, H)."""
    mask = torch.zeros(1, width, height)
    if start is not None:
        mask[:, start : start + 4, 10:14] = 1
    return mask


def sample(name, predicted, true=2):
    image = square(predicted) - 0.5
    return {"id": name, "image": image, "label": square(true), "original": torch.linspace(0, 9, 240).reshape(1, 12, 20)}


def samples():
    return [sample("same", 2), sample("moved", 4), sample("nothing", None)]


def evaluator(handler, data=None, batch_size=2, metric_arguments=None, **arguments):
    settings = {"include_background": False, "output_transform": from_engine(["pred", "label"])}
    settings |= metric_arguments or {}
    arguments = {"postprocessing": AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2), **arguments}
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(samples() if data is None else data), batch_size=batch_size),
        network=Threshold(),
        key_val_metric={"dice": MeanDice(**settings)},
        additional_metrics={
            "iou": MeanIoUHandler(**settings),
            "hd95": HausdorffDistance(percentile=95, **settings),
        },
        val_handlers=[handler],
        **arguments,
    )


def table(folder):
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def summary(folder):
    def refuse(constant):
        pytest.fail(f"{constant} is no JSON")

    return json.loads((folder / "summary.json").read_text(), parse_constant=refuse)


def picture(folder, name):
    return np.asarray(Image.open(folder / "overlays" / f"{name}.png"))


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_every_image_has_its_scores(tmp_path, batch_size):
    evaluator(ScoresHandler(tmp_path / "new" / "folder", METRICS), batch_size=batch_size).run()
    assert table(tmp_path / "new" / "folder") == [
        {"id": "same", "dice": "1.000000", "iou": "1.000000", "hd95 (pixels)": "0.000000"},
        {"id": "moved", "dice": "0.500000", "iou": "0.333333", "hd95 (pixels)": "2.000000"},
        {"id": "nothing", "dice": "0.000000", "iou": "0.000000", "hd95 (pixels)": ""},
    ]


def test_undefined_is_left_out_of_the_mean_and_counted(tmp_path):
    evaluator(ScoresHandler(tmp_path, METRICS)).run()
    result = summary(tmp_path)
    assert result["dice"] == pytest.approx({"mean": 0.5, "std": 0.5, "images": 3, "undefined": 0})
    assert result["iou"]["mean"] == pytest.approx(4 / 9)
    assert result["hd95 (pixels)"] == pytest.approx({"mean": 1.0, "std": 2**0.5, "images": 2, "undefined": 1})


def test_too_few_images_for_a_mean_are_null(tmp_path):
    evaluator(ScoresHandler(tmp_path, METRICS), [sample("nothing", None)]).run()
    result = summary(tmp_path)
    assert result["dice"] == {"mean": 0.0, "std": None, "images": 1, "undefined": 0}
    assert result["hd95 (pixels)"] == {"mean": None, "std": None, "images": 0, "undefined": 1}


def test_empty_truth_is_undefined(tmp_path):
    evaluator(ScoresHandler(tmp_path, METRICS), [sample("healthy", None, None), *samples()]).run()
    assert table(tmp_path)[0] == {"id": "healthy", "dice": "", "iou": "", "hd95 (pixels)": ""}
    assert summary(tmp_path)["dice"]["undefined"] == 1


def test_overlays_show_both_contours_the_right_way_up(tmp_path):
    evaluator(ScoresHandler(tmp_path, METRICS)).run()
    moved = picture(tmp_path, "moved")
    assert moved.shape == (20, 12, 3)  # rows are the height
    red = (moved == RED).all(-1)
    green = (moved == GREEN).all(-1)
    assert red[10:14, 4:8].sum() == red.sum() == 12
    assert green[10:14, 2:6].sum() == green.sum() == 8  # where the prediction does not cover it
    gray = moved[0].astype(int)
    assert (np.diff(gray[:, 0]) > 0).all() and (gray == gray[:, :1]).all()
    assert not (picture(tmp_path, "nothing") == RED).all(-1).any()


def test_without_overlays_only_tables(tmp_path):
    data = [{k: v for k, v in item.items() if k != "original"} for item in samples()]
    evaluator(ScoresHandler(tmp_path, METRICS, overlays=False), data).run()
    assert list(files(tmp_path)) == ["scores.csv", "summary.json"]


def test_two_runs_do_not_mix(tmp_path):
    engine = evaluator(ScoresHandler(tmp_path, METRICS))
    engine.run()
    first = files(tmp_path)
    engine.run()
    assert len(table(tmp_path)) == 3
    assert files(tmp_path) == first


def test_run_after_a_broken_one_does_not_mix(tmp_path):
    handler = ScoresHandler(tmp_path, METRICS)
    broken = evaluator(handler)
    broken.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.run()
    assert "scores.csv" not in files(tmp_path)
    evaluator(handler).run()
    assert [row["id"] for row in table(tmp_path)] == ["same", "moved", "nothing"]


@pytest.mark.parametrize("name", ["scores.csv", "summary.json"])
def test_failed_write_leaves_the_former_tables(tmp_path, monkeypatch, name):
    handler = ScoresHandler(tmp_path, METRICS, overlays=False)
    evaluator(handler, samples()[:1]).run()
    former = files(tmp_path)
    replace = os.replace

    def fail(source, target, **arguments):
        if os.fspath(target).endswith(name):
            raise OSError(28, "No space left on device")
        replace(source, target, **arguments)

    with monkeypatch.context() as patch, pytest.raises(ValueError, match=rf"Writing '.*{name}' failed: No space left"):
        patch.setattr(os, "replace", fail)
        evaluator(handler).run()
    assert list(files(tmp_path)) == list(former)
    assert files(tmp_path)[name] == former[name]


def test_full_disk_is_told(tmp_path):
    engine = evaluator(ScoresHandler(tmp_path, METRICS, overlays=False))
    with small_files_only(10), pytest.raises(ValueError, match=r"Writing '.*/scores\.csv' failed: File too large"):
        engine.run()
    assert files(tmp_path) == {}


def test_batches_must_be_split(tmp_path):
    with pytest.raises(ValueError, match="decollate=True"):
        evaluator(ScoresHandler(tmp_path, METRICS), decollate=False, postprocessing=None).run()


@pytest.mark.parametrize("key", ["id", "original"])
def test_missing_entry_of_the_data_is_named(tmp_path, key):
    data = [{k: v for k, v in item.items() if k != key} for item in samples()]
    with pytest.raises(ValueError, match=rf"needs '{key}' in the data, which hold \[.*'image', "):
        evaluator(ScoresHandler(tmp_path, METRICS), data).run()


def test_missing_metric_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no values for \['asd'\], only for \['dice', 'hd95', 'iou'\]"):
        evaluator(ScoresHandler(tmp_path, {"dice": "dice", "asd": "asd"})).run()
    with pytest.raises(ValueError, match=r"no values for \['dice', 'hd95', 'iou'\].*save_details=True"):
        evaluator(ScoresHandler(tmp_path, METRICS), metric_arguments={"save_details": False}).run()


class Classes(nn.Module):
    """One logit map for each of the values 0, 1 and 2."""

    def forward(self, x):
        return torch.cat([-((x - value) ** 2) for value in range(3)], 1)


def of_two_classes(name, *areas):
    """An image with two stripes of the first class above two of the second; the second of each pair is predicted."""
    masks = [torch.zeros(1, 12, 20) for _ in range(2)]
    for i, (true, predicted) in enumerate(areas):
        for mask, width in zip(masks, (true, predicted), strict=True):
            mask[:, :width, 10 * i : 10 * i + 8] = i + 1
    return {"id": name, "label": masks[0], "image": masks[1], "original": masks[0]}


def test_every_class_has_a_column_and_the_metric_is_their_mean(tmp_path):
    data = [of_two_classes("both", (4, 4), (4, 12)), of_two_classes("first", (4, 2), (0, 0))]
    handler = ScoresHandler(tmp_path, {"dice": "dice"}, classes=["cyst", "tumor"])
    engine = evaluator(handler, data, postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=3))
    engine.network = Classes()
    engine.run()
    both, first = table(tmp_path)
    assert [float(both[key]) for key in ("dice cyst", "dice tumor", "dice")] == [1, 0.5, 0.75]
    # A class that is neither in the label nor in the prediction has no score.
    assert first["dice tumor"] == "" and float(first["dice cyst"]) == float(first["dice"]) == pytest.approx(
        2 / 3, abs=1e-6
    )
    assert summary(tmp_path)["dice tumor"] == {"mean": 0.5, "std": None, "images": 1, "undefined": 1}
    drawn = picture(tmp_path, "both").astype(int)
    # The true contour of both classes, the first of which is hidden below the predicted one.
    assert (drawn == RED).all(-1)[:10].any() and (drawn == RED).all(-1)[10:].any()


def test_classes_that_are_not_the_metrics_channels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'dice' has 1 values for an image, but classes names 2: cyst, tumor"):
        evaluator(ScoresHandler(tmp_path, {"dice": "dice"}, classes=["cyst", "tumor"])).run()


def test_pictures_of_an_earlier_evaluation_are_removed_and_no_others(tmp_path):
    evaluator(ScoresHandler(tmp_path, METRICS), [sample("folder/old", 2), sample("same", 2), sample("ärger", 2)]).run()
    overlays = tmp_path / "overlays"
    Image.new("L", (4, 3)).save(overlays / "mine.png")
    (overlays / "copy.png").write_bytes(
        (overlays / "same.png").read_bytes()
    )  # a foreign picture with the name of one of our images
    (overlays / "notes.txt").write_text("mine")
    (overlays / "broken.png").write_text("mine")
    evaluator(ScoresHandler(tmp_path, METRICS), [sample("same", 2), sample("new", 4)]).run()
    assert sorted(path.name for path in overlays.rglob("*.*")) == [
        "broken.png", "copy.png", "mine.png", "new.png", "notes.txt", "same.png",
    ]  # fmt: skip
    evaluator(ScoresHandler(tmp_path, METRICS, overlays=False), [sample("new", 4)]).run()
    assert sorted(path.name for path in overlays.rglob("*.*")) == ["broken.png", "copy.png", "mine.png", "notes.txt"]


def test_a_failed_evaluation_removes_nothing(tmp_path):
    evaluator(ScoresHandler(tmp_path, METRICS), [sample("old", 2)]).run()
    run = evaluator(ScoresHandler(tmp_path, METRICS), [sample("new", 2)])
    run.add_event_handler(Events.ITERATION_COMPLETED, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.run()
    assert (tmp_path / "overlays" / "old.png").is_file() and "old" in (tmp_path / "scores.csv").read_text()
