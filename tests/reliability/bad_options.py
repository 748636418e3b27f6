# SPDX-License-Identifier: Apache-2.0
"""Commands with options that are unknown, missing, out of range, or of files that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.data.layout_fixtures import make_dataset_a
from tests.reliability.attempt import Attempt, command

GROUP = "options of commands"
BUNDLE = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation"
EXPORT = f"export {BUNDLE} --checkpoint model.pt --output-dir out"
TEACHER = f"distill --teacher {BUNDLE} --config {BUNDLE}/configs/train_teacher.json --dataset-dir data --output-dir out"
DISTILL = f"{TEACHER} --student StudentUNet"
LINES = {
    "traine": "traine",
    "data chek data": "check",
    "data check": "dataset_dir",
    "data check nowhere": "nowhere",
    "data split data.txt --output-file out.json": "data.txt",
    "data split empty --output-file out.json": "empty",
    "data split data --output-file out.json --layout dataset_b": "dataset_a",
    "data split data --output-file out.json --layout busi": "busi",
    "data check data --threads 0": "threads",
    "data check data --threads two": "threads",
    "data check data --sheet-file data.txt/sheet.png": "data.txt",
    "data check data --split_fiel x": "split-file",
    "data split data": "output-file",
    "data split nowhere --output-file out.json": "nowhere",
    "data split data --output-file data.txt": "data.txt",
    "data split data --output-file out.json --protocol randm": "random",
    "data split data --output-file out.json --splits 0": "splits",
    "data split data --output-file out.json --seed -1": "seed",
    "data split data --output-file out.json --protocol kfold --k 1": "2",
    "data split data --output-file out.json --protocol kfold --k 100": "100",
    "data split data --output-file out.json --protocol official": "official",
    "data split data --output-file out.json --train-fraction 1.5": "train",
    "data split data --output-file out.json --validation-fraction 0": "validation",
    "data convert data": "output-dir",
    "data convert nowhere --output-dir out": "nowhere",
    "data convert data --output-dir full": "full",
    "data convert data --output-dir data.txt": "data.txt",
    "data convert data --output-dir out --output-layout nnnet": "nnunet",
    "data convert data --output-dir out --split-file nowhere.json": "nowhere.json",
    "data phantom --output-dir full": "full",
    "data phantom --output-dir out --count 0": "count",
    "data phantom --output-dir out --count many": "count",
    "data phantom --output-dir out --seed -3": "seed",
    "data phantom --output-dir out --probe curve": "curved",
    "data phantom --output-dir out --depth 500": "depth",
    "data phantom --output-dir out --gain 90": "gain",
    "data phantom --output-dir out --noise -99": "noise",
    "data phantom --output-dir out --normal-fraction 2": "normal",
    "data phantom --output-dir out --scanner toshiba": "scanner",
    "data phantom --output-dir out --volumes --margins": "margins",
    "data download": "name",
    "data download breats": "breast",
    "data download busbra --output-dir full --accept-license": "full",
    "study run nowhere.yaml --dataset-dir data --output-dir out": "nowhere.yaml",
    "study run study.yaml --dataset-dir data": "output-dir",
    "study run study.yaml --dataset-dir data --output-dir out --jobs 0": "jobs",
    "study run study.yaml --dataset-dir data --output-dir out --splits 0": "splits",
    "study run study.yaml --dataset-dir nowhere --output-dir out": "nowhere",
    "study run study.yaml --dataset-dir data --output-dir out --images 2": "2 images",
    "study run study.yaml --dataset-dir data --output-dir out --split-file nowhere.json": "nowhere.json",
    "study run study.yaml --dataset-dir data --output-dir out --layout busi": "busi",
    "study report nowhere": "nowhere",
    "study report empty": "empty",
    "study groups nowhere": "nowhere",
    "study groups empty": "empty",
    "export nowhere --checkpoint model.pt --output-dir out": "nowhere",
    "export empty --checkpoint model.pt --output-dir out": "empty",
    f"export {BUNDLE} --checkpoint nowhere.pt --output-dir out": "nowhere.pt",
    f"export {BUNDLE} --checkpoint data.txt --output-dir out": "data.txt",
    f"export {BUNDLE} --checkpoint empty --output-dir out": "empty",
    f"export {BUNDLE} --checkpoint model.pt --output-dir full": "full",
    f"{EXPORT} --forms onx": "onnx",
    f"{EXPORT} --forms int8": "dataset",
    f"{EXPORT} --set spatial_siz=[64,64]": "spatial_size",
    f"{EXPORT} --set spatial_size": "spatial_size",
    f"{EXPORT} --set student_channels=[4,8]": "model.pt",
    f"{EXPORT} --set device=foo": "foo",
    "benchmark nowhere": "nowhere",
    "benchmark empty": "empty",
    "benchmark data.txt": "data.txt",
    "benchmark empty --rounds 0": "rounds",
    "benchmark empty --threads 0": "threads",
    TEACHER: "student",
    "distill --teacher nowhere --student StudentUNet --dataset-dir data --output-dir out": "nowhere",
    "distill --teacher empty --student StudentUNet --dataset-dir data --output-dir out": "empty",
    f"{DISTILL} --method logit_kl": "logits_kl",
    f"{DISTILL} --max-epochs 0": "epochs",
    f"{DISTILL} --teacher-checkpoint teacher.pt --pairs nowhere.json": "nowhere.json",
    f"{DISTILL} --config nowhere.json": "nowhere.json",
    f"{DISTILL} --teacher-checkpoint nowhere.pt": "nowhere.pt",
    f"{DISTILL} --teacher-checkpoint data.txt": "data.txt",
    f"{TEACHER} --student nowhere.json": "nowhere.json",
    f"{TEACHER} --student data.txt": "data.txt",
    "bundle pack nowhere --output-dir out": "nowhere",
    "bundle pack empty --output-dir out": "empty",
    f"bundle pack {BUNDLE} --output-dir data.txt --without-weights": "data.txt",
    f"bundle pack {BUNDLE} --output-dir out --set spatial_siz=[64,64] --without-weights": "spatial_size",
    f"label install --output-dir full --bundle {BUNDLE}": "full",
    "label install --output-dir out --bundle nowhere": "nowhere",
    f"label install --output-dir out --bundle {BUNDLE} --checkpoint nowhere.pt": "nowhere.pt",
    f"label install --output-dir out --bundle {BUNDLE} --checkpoint data.txt": "data.txt",
    "label start nowhere --studies data": "nowhere",
    f"demo --output-dir data.txt --bundle {BUNDLE}": "data.txt",
}


def _fill(folder: Path) -> None:
    import torch

    from monai_kd.networks import StudentUNet
    from tests.reliability.bad_studies import GOOD

    make_dataset_a(folder / "data", count=12)
    (folder / "study.yaml").write_text(GOOD)
    (folder / "data.txt").write_text("some text")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "kept.txt").write_text("somebody's work")
    torch.save(StudentUNet(spatial_dims=2, in_channels=1, out_channels=2).state_dict(), folder / "model.pt")


def attempts() -> Iterator[Attempt]:
    """Every line, in a folder with a data set, a study, a checkpoint, and folders that are empty and full."""
    for line, word in LINES.items():
        yield Attempt(GROUP, f"monai_kd {line}".strip(), command(line, _fill), (word,))
