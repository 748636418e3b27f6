# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.transforms import mix_logits, mix_up

FACTOR = torch.tensor([0.3, 1.0, 0.0, 0.8], dtype=torch.float64)


@pytest.mark.parametrize("shape", [(4, 1, 3, 2), (4, 1, 2, 3, 2), (4, 3)])
def test_images_are_mixed_by_plain_loops(shape):
    image = torch.randn(shape, dtype=torch.float64)
    mixed = mix_up(image, FACTOR)
    for place in product(*map(range, shape)):
        share, partner = FACTOR[place[0]], (3 - place[0], *place[1:])
        torch.testing.assert_close(mixed[place], share * image[place] + (1 - share) * image[partner])


@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (4, 2)])
def test_probabilities_are_mixed_by_plain_loops(shape):
    logits = 3 * torch.randn(shape, dtype=torch.float64)
    mixed = mix_logits(logits, FACTOR)

    def probability(sample, kind, *at):
        exponentials = [math.exp(logits[(sample, other, *at)]) for other in range(shape[1])]
        return exponentials[kind] / sum(exponentials)

    for sample, kind, *at in product(*map(range, shape)):
        share = FACTOR[sample].item()
        expected = share * probability(sample, kind, *at) + (1 - share) * probability(3 - sample, kind, *at)
        assert math.exp(mixed[(sample, kind, *at)]) == pytest.approx(expected)


def test_certain_answers_stay_finite():
    logits = torch.tensor([[1000.0, -1000.0], [-1000.0, 1000.0]])
    assert mix_logits(logits, torch.tensor([0.5, 1.0])).isfinite().all()


def test_the_middle_of_an_odd_batch_stays_as_it_is():
    image = torch.rand(3, 1, 2, 2)
    torch.testing.assert_close(mix_up(image, torch.full((3,), 0.4))[1], image[1])


def test_one_channel_is_refused():
    with pytest.raises(ValueError, match=r"one channel, shape \(2, 1, 4\).*a channel for each class"):
        mix_logits(torch.rand(2, 1, 4), torch.rand(2))
