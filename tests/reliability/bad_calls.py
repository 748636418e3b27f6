# SPDX-License-Identifier: Apache-2.0
"""Calls from Python: losses with features that do not fit, layers that are not there, networks and checkpoints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.reliability.attempt import Attempt

LOSSES, PARTS, WEIGHTS = "losses", "pathways, trainer and networks", "checkpoints"
CHANNELS = 4
ARGUMENTS = {"num_classes": 2, "spatial_dims": 2, "channels": CHANNELS}
SHAPES = {
    "other batches": ((2, CHANNELS, 8, 8), (3, CHANNELS, 8, 8)),
    "a batch of one and one of three": ((1, CHANNELS, 8, 8), (3, CHANNELS, 8, 8)),
    "volumes and pictures": ((2, CHANNELS, 8, 8, 8), (2, CHANNELS, 8, 8)),
    "numbers without a shape": ((), ()),
}


# They compare samples with each other, each flattened.
OF_ANY_SHAPE = ("RelationalLoss", "SimilarityPreservingLoss")


def _loss(name: str) -> Any:
    import monai_kd.losses

    kind = getattr(monai_kd.losses, name)
    values = {**ARGUMENTS, "student_channels": [CHANNELS], "teacher_channels": [CHANNELS]}
    required = [p.name for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    return kind(**{key: values[key] for key in required if key in values})


def _compare(name: str, ours: tuple[int, ...], theirs: tuple[int, ...]) -> Callable[[Path], Callable[[], object]]:
    def prepare(folder: Path) -> Callable[[], object]:
        import torch

        loss = _loss(name)
        student, teacher = torch.rand(ours, requires_grad=True), torch.rand(theirs)
        batch = {"label": torch.ones((*ours[:1], 1, *ours[2:])), "has_label": torch.ones(ours[:1])}
        uses = {key: batch[key] for key in getattr(loss, "uses", ())}
        if getattr(loss, "joint", False):
            layers = 2 if name == "FlowOfSolutionLoss" else 1
            return lambda: loss([student] * layers, [teacher] * layers, **uses)
        return lambda: loss(student, teacher, **uses)

    return prepare


def _tiny() -> tuple[Any, Any, dict[str, Any]]:
    """A student, a teacher, and the further arguments of a trainer of one step."""
    import torch
    from monai.losses import DiceCELoss
    from monai.networks.nets import UNet

    student = UNet(2, 1, 2, channels=(4, 8), strides=(2,))
    teacher = UNet(2, 1, 2, channels=(8, 16), strides=(2,))
    data = [{"image": torch.rand(1, 16, 16), "label": torch.ones(1, 16, 16)} for _ in range(2)]
    return (
        student,
        teacher,
        {
            "loss_function": DiceCELoss(softmax=True, to_onehot_y=True),
            "optimizer": torch.optim.SGD(student.parameters(), 0.1),
            "device": torch.device("cpu"),
            "max_epochs": 1,
            "train_data_loader": torch.utils.data.DataLoader(data, batch_size=2),
        },
    )


def _train(change: Callable[[Any, Any, dict[str, Any]], object]) -> Callable[[Path], Callable[[], object]]:
    """A training whose student, teacher or arguments are changed before it."""

    def prepare(folder: Path) -> Callable[[], object]:
        import logging

        logging.disable(logging.CRITICAL)

        def run() -> None:
            from monai_kd import DistillationTrainer, Pathway, Pathways
            from monai_kd.losses import LogitsKLLoss

            student, teacher, arguments = _tiny()
            arguments.setdefault("pathways", None)
            change(student, teacher, arguments)
            arguments["pathways"] = arguments["pathways"] or Pathways(logits=Pathway(LogitsKLLoss()))
            DistillationTrainer(**{"network": student, "teacher": teacher, **arguments}).run()

        return run

    return prepare


def _pathway(*layers: str, **further: Any) -> Callable[[Any, Any, dict[str, Any]], object]:
    def change(student: Any, teacher: Any, arguments: dict[str, Any]) -> None:
        import torch

        from monai_kd import Pathway, Pathways

        arguments["pathways"] = Pathways(hidden=Pathway(torch.nn.MSELoss(), *layers, **further))

    return change


def _set(**further: Any) -> Callable[[Any, Any, dict[str, Any]], object]:
    return lambda student, teacher, arguments: arguments.update(further)


def _of_channels(channels: int) -> Callable[[Any, Any, dict[str, Any]], object]:
    def change(student: Any, teacher: Any, arguments: dict[str, Any]) -> None:
        from monai.networks.nets import UNet

        arguments["teacher"] = UNet(2, channels, 2, channels=(8, 16), strides=(2,))

    return change


def _of_classes(student: Any, teacher: Any, arguments: dict[str, Any]) -> None:
    from monai.networks.nets import UNet

    arguments["teacher"] = UNet(2, 1, 5, channels=(8, 16), strides=(2,))


def _unlabelled(student: Any, teacher: Any, arguments: dict[str, Any]) -> None:
    import torch

    data = [{"image": torch.rand(1, 16, 16)} for _ in range(2)]
    arguments["train_data_loader"] = torch.utils.data.DataLoader(data, batch_size=2)


def _same(student: Any, teacher: Any, arguments: dict[str, Any]) -> None:
    arguments["teacher"] = student


def _not_finite(student: Any, teacher: Any, arguments: dict[str, Any]) -> None:
    for weight in teacher.parameters():
        weight.data.fill_(float("nan"))


TRAININGS = {
    "a layer that the student lacks": (_pathway("model.7", "model.0"), "model.7"),
    "a layer that the teacher lacks": (_pathway("model.0", "model.7"), "model.7"),
    "a layer misspelt": (_pathway("modle.0"), "modle.0"),
    "features of other channels without an adapter": (_pathway("model.0"), "ChannelAdapter"),
    "a weight that is a text": (_pathway("", weight="0.5"), "weight"),
    "a teacher of another input": (_of_channels(3), "teacher"),
    "a teacher of other classes": (_of_classes, "teacher"),
    "a teacher that is the student": (_same, "teacher"),
    "a teacher that is None": (_set(teacher=None), "teacher"),
    "a teacher of NaN": (_not_finite, "logits"),
    "a batch without labels": (_unlabelled, "label"),
    "a key of the teacher's image that no batch has": (_set(teacher_image="other"), "other"),
    "a step of one's own": (_set(iteration_update=lambda engine, batch: {}), "iteration_update"),
    "pathways that are a list": (_set(pathways=[1]), "pathways"),
    "an argument that no trainer has": (_set(max_epoch=3), "max_epoch"),
}


def _network(**arguments: Any) -> Callable[[Path], Callable[[], object]]:
    def prepare(folder: Path) -> Callable[[], object]:
        def run() -> None:
            import torch

            from monai_kd.networks import StudentUNet

            size = arguments.pop("size", (64, 64))
            given = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, **arguments}
            StudentUNet(**given)(torch.rand(1, 1, *size))

        return run

    return prepare


NETWORKS = {
    "a network of one level": ({"channels": [4]}, "channels"),
    "channels of zero": ({"channels": [0, 4, 8]}, "channels"),
    "channels that are a text": ({"channels": "big"}, "channels"),
    "four spatial axes": ({"spatial_dims": 4}, "spatial_dims"),
    "no output": ({"out_channels": 0}, "out_channels"),
    "an image smaller than its strides": ({"size": (8, 8)}, "8"),
}


def _weights(write: Callable[[Path], object]) -> Callable[[Path], Callable[[], object]]:
    def prepare(folder: Path) -> Callable[[], object]:
        import torch

        from monai_kd import load_weights

        write(folder / "model.pt")
        return lambda: load_weights(torch.nn.Linear(3, 2), folder / "model.pt")

    return prepare


def _saved(**state: Any) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        import torch

        make = {"zeros": torch.zeros, "nan": lambda *shape: torch.full(shape, float("nan"))}
        torch.save({k: make[v[0]](*v[1:]) if isinstance(v, tuple) else v for k, v in state.items()}, path)

    return write


def _pickled(path: Path) -> None:
    import pickle

    path.write_bytes(pickle.dumps(Path("/")))


def _whole_network(path: Path) -> None:
    import torch

    torch.save(torch.nn.Linear(3, 2), path)


def _shortened(path: Path) -> None:
    _saved(weight=("zeros", 2, 3), bias=("zeros", 2))(path)
    path.write_bytes(path.read_bytes()[:-200])


CHECKPOINTS: dict[str, Callable[[Path], object]] = {
    "no file": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "an empty file": lambda path: path.write_bytes(b""),
    "a web page": lambda path: path.write_text("<html>"),
    "cut off": _shortened,
    "a pickled object": _pickled,
    "a whole network": _whole_network,
    "no state dict": _saved(epoch=3),
    "an empty state dict": _saved(),
    "a weight too few": _saved(weight=("zeros", 2, 3)),
    "a weight too many": _saved(weight=("zeros", 2, 3), bias=("zeros", 2), scale=("zeros", 2)),
    "another shape": _saved(weight=("zeros", 3, 2), bias=("zeros", 2)),
    "NaN": _saved(weight=("nan", 2, 3), bias=("zeros", 2)),
}


def attempts() -> Iterator[Attempt]:
    """Every loss with every pair of shapes; trainings, networks and checkpoints."""
    import monai_kd.losses

    for name in monai_kd.losses.__all__:
        if name == "FeatureReconstructionLoss":  # takes the auto-encoder's two outputs
            continue
        for what, (ours, theirs) in SHAPES.items():
            if name in OF_ANY_SHAPE and what == "volumes and pictures":
                continue
            yield Attempt(LOSSES, f"{name}: {what}", _compare(name, ours, theirs), (str(ours), str(theirs)))
    for what, (change, word) in TRAININGS.items():
        yield Attempt(PARTS, f"trainer: {what}", _train(change), (word,))
    for what, (arguments, word) in NETWORKS.items():
        yield Attempt(PARTS, f"StudentUNet: {what}", _network(**arguments), (word,))
    for what, write in CHECKPOINTS.items():
        yield Attempt(WEIGHTS, what, _weights(write), ("model.pt",))
