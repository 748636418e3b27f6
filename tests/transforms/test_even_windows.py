# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer

from monai_kd.transforms import EvenWindowInferer


class Counts(torch.nn.Module):
    """Answers with the place of the window: the value of its first pixel."""

    def __init__(self):
        super().__init__()
        self.starts = []

    def forward(self, windows):
        self.starts += windows.flatten(1)[:, 0].tolist()
        return windows


@pytest.mark.parametrize(
    ("side", "expected"), [(110, [0, 23, 46]), (64, [0]), (65, [0, 1]), (96, [0, 32]), (97, [0, 16, 33])]
)
def test_windows_have_equal_distances_and_end_at_the_borders(side, expected):
    network, line = Counts(), torch.arange(side, dtype=torch.float32).expand(1, 1, 8, side)
    EvenWindowInferer(roi_size=(8, 64), sw_batch_size=2)(line, network)
    assert network.starts == expected


@pytest.mark.parametrize("shape", [(2, 1, 20, 31), (1, 2, 9, 40), (1, 1, 5, 6), (1, 1, 30, 30, 30), (1, 1, 8, 40, 7)])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_a_network_gives_for_each_pixel_is_not_changed(shape, batch):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    inferer = EvenWindowInferer(roi_size=(8,) * (len(shape) - 2), sw_batch_size=batch)
    torch.testing.assert_close(inferer(image, lambda x: torch.cat([x, 2 * x], 1)), torch.cat([image, 2 * image], 1))


def test_a_window_of_two_axes_sees_slices():
    volume, shapes = torch.randn(2, 1, 5, 20, 12), set()

    def network(x):
        shapes.add(tuple(x.shape[1:]))
        return 3 * x

    torch.testing.assert_close(EvenWindowInferer(roi_size=(8, 8), sw_batch_size=4)(volume, network), 3 * volume)
    assert shapes == {(1, 8, 8)}


def test_the_middle_of_a_window_counts_most():
    image = torch.zeros(1, 1, 1, 12)

    def network(x):
        network.calls += 1
        return torch.full_like(x, network.calls)

    network.calls = 0
    answer = EvenWindowInferer(roi_size=(1, 8))(image, network)[0, 0, 0]
    assert answer[0] == 1 and answer[-1] == 2 and np.all(np.diff(answer.numpy()) >= 0)
    assert answer[4] < 1.05 and answer[8] > 1.95


def test_it_is_one_of_monais():
    assert isinstance(EvenWindowInferer(roi_size=(8, 8)), SlidingWindowInferer)
