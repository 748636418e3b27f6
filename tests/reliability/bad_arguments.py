# SPDX-License-Identifier: Apache-2.0
"""Runs of the bundles' configs with ids and values that are unknown, or of the wrong kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.data.layout_fixtures import make_dataset_a
from tests.reliability.attempt import Attempt, command

GROUP = "arguments of runs"
BUNDLES = Path(__file__).parents[2] / "bundles"
CONFIGS = {
    "breast_ultrasound_segmentation": ("train", "train_student", "train_teacher", "evaluate", "inference"),
    "breast_ultrasound_classification": ("train", "train_student", "train_teacher", "evaluate", "inference"),
}
EVERY = {
    "--checkpiont model.pt": "checkpoint",
    "--datasetdir data": "dataset_dir",
    "--network_def#out_chanels 2": "network_def#out_chanels",
    "--device foo": "foo",
    "--device cuda:77": "cuda:77",
    "--amp maybe": "amp",
    "--spatial_size 64": "spatial_size",
    "--spatial_size [64]": "spatial_size",
    "--spatial_size [64,-64]": "spatial_size",
    "--output_dir data.txt": "data.txt",
    "--overlay nowhere": "nowhere",
    "--overlay twice.json": "seed",
    "--overlay broken.json": "broken.json",
}
READING = {  # of those that need no weights, whose absence would be told first
    "--dataset_dir nowhere": "nowhere",
    "--split_file nowhere.json": "nowhere.json",
    "--layout busi": "busi",
}
TRAINING = {
    "--max_epoch 3": "max_epochs",
    "--max_epochs abc": "max_epochs",
    "--max_epochs 0": "max_epochs",
    "--max_epochs 1.5": "max_epochs",
    "--train#trainer#max_epoch 3": "max_epochs",
    "--lr 0.1": "learning_rate",
    "--learning_rate 0": "learning_rate",
    "--learning_rate nan": "learning_rate",
    "--learning_rate fast": "learning_rate",
    "--batchsize 4": "batch_size",
    "--batch_size 0": "batch_size",
    "--resume no": "resume",
    "--seed -1": "seed",
    "--seed one": "seed",
    "--patience 0": "patience",
    "--val_interval 0": "val_interval",
    "--fold -1": "fold",
    "--fold first": "fold",
    "--student_channels big": "student_channels",
    "--student_channels [0,4,8]": "student_channels",
    "--views shard": "shared",
}
DISTILLING = {
    "--supervised_weight -1": "supervised_weight",
    "--supervised_weight half": "supervised_weight",
    "--method logits_lk": "logits_kl",
    "--method cached_teacher": "cached_teacher",
    "--teacher_checkpoint nowhere.pt": "nowhere.pt",
    "--teacher_checkpoint data.txt": "data.txt",
    "--checkpoint model.pt --teacher_checkpoint model.pt": "teacher_checkpoint",
    "--checkpoint model.pt --teacher_checkpoint link.pt": "teacher_checkpoint",
    "--pathways#logits#wieght 1": "weight",
}
SCORING = {
    "--checkpoint nowhere.pt": "nowhere.pt",
    "--checkpoint data.txt": "data.txt",
    "--checkpoint other.pt": "other.pt",
}
COMMANDS = {
    "run tain --bundle breast_ultrasound_segmentation": "train",
    "run train --bundle breast_ultrasound_segmentatoin": "breast_ultrasound_segmentation",
    "run train --bundle data": "data",
    "run cached_teacher --bundle breast_ultrasound_segmentation": "overlay",
    "run train --bundle breast_ultrasound_segmentation --run_id runn": "runn",
    "run --max_epochs 3": "config",
    "run evaluate --bundle breast_ultrasound_segmentation --section tset": "section",
    "run evaluate --bundle breast_ultrasound_classification --classes benign": "classes",
}


def _fill(folder: Path) -> None:
    import torch

    make_dataset_a(folder / "data", count=12)
    (folder / "bundles").symlink_to(BUNDLES)
    (folder / "data.txt").write_text("some text")
    (folder / "twice.json").write_text('{"seed": 0, "seed": 1}')
    (folder / "broken.json").write_text('{"seed": ')
    torch.save(torch.nn.Linear(2, 1).state_dict(), folder / "other.pt")
    torch.save(torch.nn.Linear(2, 1).state_dict(), folder / "model.pt")
    (folder / "link.pt").symlink_to("model.pt")


def attempts() -> Iterator[Attempt]:
    """Every config with what concerns it."""
    for bundle, configs in CONFIGS.items():
        for config in configs:
            trains = config.startswith("train")
            given = EVERY | (TRAINING if trains else SCORING) | (DISTILLING if config == "train" else {})
            given |= READING if trains and config != "train" else {}
            for arguments, word in given.items():
                if bundle.endswith("classification") and arguments in ("--views shard", "--method cached_teacher"):
                    continue
                needed = {"--output_dir": "out", "--dataset_dir": "data"}
                rest = " ".join(f"{key} {value}" for key, value in needed.items() if key not in arguments)
                line = f"run {config} --bundle {bundle} {rest} {arguments}"
                yield Attempt(GROUP, line, command(line, _fill), (word,))
    for line, word in COMMANDS.items():
        yield Attempt(GROUP, line, command(line, _fill), (word,))
