# SPDX-License-Identifier: Apache-2.0
import csv
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from ignite.engine import Engine
from monai.data import DataLoader, Dataset, DistributedSampler, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import MeanDice, from_engine
from torch import nn

from monai_kd.handlers import ClassificationScoresHandler, EachImageOnceHandler, ScoresHandler

COUNT = 5
PLACES = {"missing": [0, 1, 2, 4], "twice": [0, 1, 2, 3, 4, 1], "instead": [0, 1, 2, 1, 4]}


class Given(torch.utils.data.Sampler):
    def __init__(self, places):
        self.places = places

    def __iter__(self):
        return iter(self.places)

    def __len__(self):
        return len(self.places)


def records(count=COUNT):
    """Images that their Dice identifies."""
    return [
        {"id": f"case{i}", "image": torch.ones(1, 2, 4), "label": (torch.arange(8) <= i).reshape(1, 2, 4).float()}
        for i in range(count)
    ]


def segmentation(folder, data, **loader):
    metric = MeanDice(output_transform=from_engine(["pred", "label"]))
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(data), batch_size=1, **loader),
        network=nn.Identity(),
        key_val_metric={"dice": metric},
        val_handlers=[ScoresHandler(folder, {"dice": "dice"}, overlays=False)],
    )


def classification(folder, data, **loader):
    data = [{"id": r["id"], "image": torch.tensor([1 - i / 10, i / 10]), "label": i % 2} for i, r in enumerate(data)]
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(data), batch_size=1, **loader),
        network=nn.Identity(),
        val_handlers=[ClassificationScoresHandler(folder, ["benign", "malignant"])],
    )


def validation(folder, data, **loader):
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(data), batch_size=1, **loader),
        network=nn.Identity(),
        val_handlers=[EachImageOnceHandler()],
    )


KINDS = [segmentation, classification, validation]


def scored(folder):
    with Path(folder, "scores.csv").open(newline="") as file:
        return [tuple(row.values())[:2] for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES.keys())
def test_other_images_than_the_part_give_no_score(kind, places, tmp_path):
    with pytest.raises(ValueError, match=r"without case3|more than once case1") as error:
        kind(tmp_path, records(), sampler=Given(places)).run()
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_records_of_one_id_are_refused_before_anything_is_scored(kind, tmp_path):
    double = [*records(), {**records()[2]}]
    evaluator, seen = kind(tmp_path, double), []
    evaluator.network.register_forward_hook(lambda *passed: seen.append(1))
    with pytest.raises(ValueError, match=r"1 ids are of more than one of the 6 images: case2\."):
        evaluator.run()
    assert not seen
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_all_images_once_are_right_in_any_order_and_again(kind, tmp_path):
    evaluator = kind(tmp_path, records(), sampler=Given([4, 1, 0, 3, 2]))
    for _ in range(2):
        evaluator.run()
    if kind is not validation:
        assert [name for name, _ in scored(tmp_path)] == [f"case{i}" for i in range(COUNT)]


def test_data_without_ids_cannot_be_told_apart():
    engine = Engine(lambda engine, batch: None)
    EachImageOnceHandler().attach(engine)
    state = engine.run([{"image": torch.zeros(1)}, {"image": torch.zeros(1)}])
    assert state.iteration == 2


@pytest.mark.parametrize("decollate", [True, False])
def test_images_without_ids_are_known_by_their_files(decollate):
    def run(names, places):
        data = [
            {"image": name, "pixels": MetaTensor(torch.ones(1, 2, 4), meta={"filename_or_obj": name})} for name in names
        ]
        dataset = Dataset(data, transform=lambda record: [{"image": record["pixels"]}] * 2)  # two patches of an image
        loader = DataLoader(dataset, batch_size=1, sampler=Given(places))
        network, device = nn.Identity(), torch.device("cpu")
        handlers = [EachImageOnceHandler()]
        SupervisedEvaluator(device, loader, network, val_handlers=handlers, decollate=decollate).run()

    run(["a.png", "b.png", "c.png"], [0, 2, 1])
    run(["a.png", "b.png", "b.png"], [0, 2, 1])  # two records of one file cannot be told apart
    with pytest.raises(ValueError, match=r"2 of the 3 images came once: more than once a\.png\."):
        run(["a.png", "b.png", "c.png"], [0, 2, 1, 0])


def test_masks_that_are_all_empty_give_an_undefined_score(tmp_path):
    data = [{**record, "label": torch.zeros(1, 2, 4)} for record in records()]
    evaluator = segmentation(tmp_path, data)
    evaluator.run()
    summary = (tmp_path / "summary.json").read_text()
    assert re.search(r'"mean": null.*"images": 0,\s*"undefined": 5', summary, re.S)
    assert [value for _, value in scored(tmp_path)] == [""] * COUNT
    assert evaluator.state.metrics["dice"] != 0


def score_in_two(rank, folder, even):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/processes{even}", rank=rank, world_size=2, timeout=timedelta(minutes=2)
    )
    for kind in (segmentation, classification, validation):
        data = records()
        sampler = DistributedSampler(Dataset(data), even_divisible=even, shuffle=False)
        out = Path(folder, kind.__name__)
        if not even:
            kind(out, data, sampler=sampler).run()
            continue
        with pytest.raises(ValueError, match=r"more than once case0\..* even_divisible=False"):
            kind(out, data, sampler=sampler).run()
        assert not out.exists()
    dist.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
@pytest.mark.parametrize("even", [True, False])
def test_two_processes_score_each_image_once(even, tmp_path):
    mp.start_processes(score_in_two, (str(tmp_path), even), nprocs=2, start_method="fork")
    if not even:
        for kind in (segmentation, classification):
            alone = tmp_path / "alone" / kind.__name__
            kind(alone, records()).run()
            assert scored(tmp_path / kind.__name__) == scored(alone)
