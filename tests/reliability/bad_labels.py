# SPDX-License-Identifier: Apache-2.0
"""Few labels, pools of unlabelled images, several data sets, and the commands that read trainings and images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from monai_kd.data import choose_split
from monai_kd.phantom import write_phantoms
from tests.data.layout_fixtures import make_dataset_a, make_plain
from tests.reliability.attempt import Attempt, command

GROUP = "few labels, pools, several data sets"
BUNDLES = Path(__file__).parents[2] / "bundles"
ALONE = "run train_student --bundle breast_ultrasound_segmentation --recipe patient --output_dir out"
POOLED = (
    "run train --bundle breast_ultrasound_segmentation --recipe few_labels --teacher student --output_dir out "
    "--teacher_checkpoint teacher.pt"
)
BOXES = {
    "boxes": "nothing_like_it,1,1,5,5\n",
    "outside": "new,1,1,50000,5\n",
    "hollow": "new,5,1,5,9\n",
    "words": "new,left,1,5,9\n",
    "bare": "",
}
LINES = {
    f"{ALONE} --dataset_dir data --labels 0": "labels",
    f"{ALONE} --dataset_dir data --labels -3": "labels",
    f"{ALONE} --dataset_dir data --labels 1.5": "labels",
    f"{ALONE} --dataset_dir data --labels 0.0": "labels",
    f"{ALONE} --dataset_dir data --labels many": "labels",
    f"{ALONE} --dataset_dir data --labels 1000": "training images",
    f"{ALONE} --dataset_dir data --labels [3]": "labels",
    f"{ALONE} --dataset_dir ['data','data']": "same name",
    f"{ALONE} --dataset_dir ['data','nowhere']": "nowhere",
    f"{ALONE} --dataset_dir ['data','data.txt']": "data.txt",
    f"{ALONE} --dataset_dir []": "dataset_dir",
    f"{ALONE} --dataset_dir data --steps_per_epoch 0": "steps_per_epoch",
    f"{POOLED} --dataset_dir data": "unlabelled",
    f"{POOLED} --dataset_dir data --labels 1000": "training images",
    f"{POOLED} --dataset_dir data --unlabelled_dir nowhere": "nowhere",
    f"{POOLED} --dataset_dir data --unlabelled_dir empty": "empty",
    f"{POOLED} --dataset_dir data --unlabelled_dir data.txt": "data.txt",
    f"{POOLED} --dataset_dir data --unlabelled_dir 7": "unlabelled_dir",
    f"{POOLED} --dataset_dir scans --unlabelled_dir copies": "same picture",
    f"{POOLED} --dataset_dir scans --unlabelled_dir ['other/images','resized']": "same picture",
    "run train_teacher --bundle breast_ultrasound_segmentation --dataset_dir data "
    "--output_dir out --spatial_size [100,100]": "multiples of 32",
    "run train_teacher --bundle breast_ultrasound_segmentation --teacher papr --dataset_dir data": "paper",
    "data split data data --output-file both.json": "same name",
    "data split data nowhere --output-file both.json": "nowhere",
    "data split data other --output-file both.json --protocol official": "official",
    "data split data scans --output-file both.json --labels-of nowhere": "nowhere",
    "data split data --output-file one.json --labels-of data": "data",
    "data boxes nowhere.csv copies --output-dir out": "nowhere.csv",
    "data boxes data.txt copies --output-dir out": "column",
    "data boxes boxes.csv copies --output-dir out": "nothing_like_it",
    "data boxes outside.csv copies --output-dir out": "is not in the image",
    "data boxes hollow.csv copies --output-dir out": "line 2",
    "data boxes words.csv copies --output-dir out": "line 2",
    "data boxes bare.csv copies --output-dir out": "no box",
    "run train --bundle breast_ultrasound_segmentation --recipe boxes --dataset_dir data --box_jitter -1": "box_jitter",
    "segment --output-dir out": "images",
    "segment nowhere.png --output-dir out": "nowhere.png",
    "segment data.txt --output-dir out": "data.txt",
    "segment empty --output-dir out": "empty",
    "segment copies copies --output-dir out": "several images",
    "segment copies --output-dir out --network smal": "small",
    "segment copies --output-dir out --bundle nowhere": "nowhere",
    "segment copies --output-dir out --checkpoint nowhere.pt": "nowhere.pt",
    "segment copies --output-dir out --checkpoint data.txt": "data.txt",
    "segment copies --output-dir out --checkpoint other.pt": "other.pt",
    "segment copies --output-dir copies": "copies",
    "diagnose": "run",
    "diagnose nowhere": "nowhere",
    "diagnose empty": "train_config.json",
    "diagnose damaged": "train_config.json",
    "diagnose empty --student-run data": "train_config.json",
    "study report empty --against Student": "empty",
    "demo --max-epochs 0": "epochs",
    "demo --seed -1": "seed",
}


def _fill(folder: Path) -> None:
    import torch

    from monai_kd.networks import StudentUNet

    make_dataset_a(folder / "data", count=12)
    make_plain(folder / "other")
    (folder / "bundles").symlink_to(BUNDLES)
    (folder / "data.txt").write_text("some text")
    for name in ("empty", "copies", "resized", "damaged"):
        (folder / name).mkdir()
    (folder / "damaged" / "train_config.json").write_text('{"seed": ')
    write_phantoms(folder / "scans", count=8)
    held_out = choose_split(folder / "scans", check=False)["test"][0]
    picture = folder / "scans" / "original" / f"{held_out}.png"
    with Image.open(picture) as image:
        image.resize((image.width * 2, image.height * 2)).save(folder / "copies" / "new.png")
        image.resize((image.width * 3 // 2, image.height * 3 // 2)).save(folder / "resized" / "further.png")
    for name, row in BOXES.items():
        (folder / f"{name}.csv").write_text(f"id,x0,y0,x1,y1\n{row}")
    student = StudentUNet(spatial_dims=2, in_channels=1, out_channels=2, channels=[16, 32, 48, 80, 128])
    torch.save(student.state_dict(), folder / "teacher.pt")
    torch.save(torch.nn.Linear(2, 1).state_dict(), folder / "other.pt")


def attempts() -> Iterator[Attempt]:
    """Every line with what its message must name."""
    for line, word in LINES.items():
        yield Attempt(GROUP, line, command(line, _fill), (word,))
