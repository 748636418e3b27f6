# SPDX-License-Identifier: Apache-2.0
"""
A volume through MONAI's sliding window: by a student of stock layers, and by the same student as it is.

    python tests/benchmarks/volumes.py [--side 192] [--roi 96] [--overlap 0.5] [--rounds 3] [--threads 2]

The student is the default one, in 3D. Both have the same weights and give the same logits, apart from rounding. The
network's share is the time within the network; the rest cuts windows and joins them.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import monai
import torch
from in_turns import device_name
from monai.inferers import SlidingWindowInferer
from steps import now
from torch import Tensor, nn

from monai_kd.benchmark.timing import in_turns
from monai_kd.networks import StudentUNet
from monai_kd.networks.fast_volumes import SingleVolumeConv3d

AT_ONCE = (1, 2, 4)


class Timed(nn.Module):
    """Adds up the seconds within a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seconds = network, 0.0

    def forward(self, image: Tensor) -> Tensor:
        """The network's answer."""
        started = now(image.device)
        logits: Tensor = self.network(image)
        self.seconds += now(image.device) - started
        return logits


def of_stock_layers(student: nn.Module) -> nn.Module:
    """A copy with torch's convolutions; :func:`stock_resizing` is for the rest."""
    student = copy.deepcopy(student)
    for module in student.modules():
        if isinstance(module, SingleVolumeConv3d):
            module.__class__ = nn.Conv3d
    return student


@contextmanager
def stock_resizing(wanted: bool) -> Iterator[None]:
    """Resize by ``torch.nn.functional.interpolate``."""
    with patch("monai_kd.networks.student_unet.is_eager", return_value=not wanted):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("side", 192), ("roi", 96), ("rounds", 3), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--overlap", type=float, default=0.5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(
        f"{device_name()}, {arguments.threads} thread(s), torch {torch.__version__}, MONAI {monai.__version__}; a "
        f"volume of {arguments.side}³ in windows of {arguments.roi}³, overlap {arguments.overlap}; median of "
        f"{arguments.rounds} rounds, in each of which all take their turn.\n"
    )
    student = StudentUNet(3, 1, 2).to(device).eval()
    networks = {"stock": Timed(of_stock_layers(student)), "ours": Timed(student)}
    volume = torch.rand(1, 1, *[arguments.side] * 3, device=device)

    def seconds(name: str, at_once: int) -> float:
        inferer = SlidingWindowInferer((arguments.roi,) * 3, at_once, arguments.overlap, mode="gaussian")
        networks[name].seconds, started = 0.0, now(device)
        with torch.inference_mode(), stock_resizing(name == "stock"):
            answers[name] = inferer(volume, networks[name])
        total = now(device) - started
        shares[name, at_once] = networks[name].seconds / total
        return total

    answers: dict[str, Tensor] = {}
    shares: dict[tuple[str, int], float] = {}
    keys = [(name, at_once) for at_once in AT_ONCE for name in networks]
    timers = {f"{name} {at_once}": lambda key=(name, at_once): seconds(*key) for name, at_once in keys}
    rounds = list(in_turns(timers, arguments.rounds, warm_up=1))
    torch.testing.assert_close(answers["ours"], answers["stock"], atol=1e-4, rtol=1e-4)
    print("| windows at once | stock layers, s | the student, s | times as fast | its network's share |")
    print("| --- | --- | --- | --- | --- |")
    for at_once in AT_ONCE:
        stock, ours = (statistics.median(times[f"{name} {at_once}"] for times in rounds) for name in networks)
        share = f"{100 * shares['ours', at_once]:.0f} %"
        print(f"| {at_once} | {stock:.2f} | {ours:.2f} | {stock / ours:.1f} | {share} |")


if __name__ == "__main__":
    main()
