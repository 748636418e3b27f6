# SPDX-License-Identifier: Apache-2.0
"""Students and teachers that the benchmarks are made with."""

from __future__ import annotations

from collections.abc import Callable

from monai.networks.nets import UNet
from torch import nn

from monai_kd.networks import ChannelAdapter, StudentUNet

__all__ = ["PAIRS", "Pair"]


class Pair:
    """
    A student and a teacher of one channel and two classes, with their deepest layers.

    Args:
        widths: of the teacher, a MONAI ``UNet``.
        student: makes the student; by default the package's own.
        student_layer: its deepest layer, and the channels of that.
        teacher_layer: of the same resolution; by default the deepest, too.
        dims: 2 or 3.
        classes: of both.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        student: Callable[[int, int], nn.Module] = lambda dims, classes: StudentUNet(dims, 1, classes),
        student_layer: tuple[str, int] = ("encoder", 128),
        teacher_layer: tuple[str, int] | None = None,
        dims: int = 2,
        classes: int = 2,
    ) -> None:
        self.widths, self.make, self.dims, self.classes = widths, student, dims, classes
        self.student_layer, self.student_channels = student_layer
        deepest = ".".join(["model"] + ["1.submodule"] * (len(widths) - 1))
        self.teacher_layer, self.teacher_channels = teacher_layer or (deepest, widths[-1])

    def student(self) -> nn.Module:
        """With random weights."""
        return self.make(self.dims, self.classes)

    def teacher(self) -> nn.Module:
        """With random weights, in evaluation mode."""
        strides = (2,) * (len(self.widths) - 1)
        return UNet(self.dims, 1, self.classes, channels=self.widths, strides=strides, num_res_units=2).eval()

    def adapter(self) -> nn.Module:
        """From the student's deepest channels to the teacher's."""
        return ChannelAdapter(self.dims, self.student_channels, self.teacher_channels)

    def __str__(self) -> str:
        sizes = (sum(weight.numel() for weight in network.parameters()) for network in (self.student(), self.teacher()))
        return "Student of {:.3g} M parameters, teacher of {:.3g} M".format(*(size / 1e6 for size in sizes))


PAIRS = {
    "default": Pair((14, 28, 56, 112, 224, 448)),
    "paper": Pair((57, 114, 228, 456, 912, 1824)),
    # A tiny student, beside which anything that a toolkit adds is seen best.
    "tiny": Pair(
        (16, 32, 64, 128, 256),
        lambda dims, classes: UNet(dims, 1, classes, (4, 8, 16, 32), (2, 2, 2)),
        ("model.1.submodule.1.submodule.1.submodule", 32),
        ("model.1.submodule.1.submodule.1.submodule", 64),
    ),
}
