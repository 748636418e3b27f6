# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from monai_kd.losses import ContrastiveRepresentationLoss
from tests.loss_contract import LossContract


def normalized(layer, feature):
    code = layer(feature.flatten(2).mean(2))
    return code / code.norm(dim=1, keepdim=True)


class TestContrastiveRepresentation(LossContract):
    # A code is compared with those of other images: the batch and where the least lies are what it is about.
    batch_independent = False
    least_when_equal = False
    one_rank = False

    def make_loss(self):
        """After a first step, in which Z is set."""
        loss = self.make_training_loss()
        loss(*self.pairs()[0])
        return loss.float().eval()

    def make_training_loss(self):
        torch.manual_seed(0)
        return ContrastiveRepresentationLoss(3, code=8, memory=16).double()

    def pairs(self):
        generator = torch.Generator().manual_seed(3)
        shape = {"size": (4, 3, 5, 5), "generator": generator, "dtype": torch.float64}
        return [tuple(torch.randn(**shape) for _ in range(2)) for _ in range(2)]

    def test_equation_by_plain_loops(self):
        loss = self.make_training_loss()
        remembered, constants = ([], []), None
        for student, teacher in self.pairs():
            s, t = normalized(loss.student_code, student), normalized(loss.teacher_code, teacher)
            expected, found = 0.0, []
            for side, (anchor, other) in enumerate(((s, t), (t, s))):
                scores = anchor @ torch.cat([other, *remembered[1 - side]]).T / 0.07
                others = torch.ones_like(scores, dtype=torch.bool)
                others[range(4), range(4)] = False
                rows = [scores[i][others[i]].exp() for i in range(4)]
                count = len(rows[0])
                mean = math.exp(sum(row.mean().log().item() for row in rows) / 4)
                found.append(mean)
                z = count * (mean if constants is None else constants[side])
                for i in range(4):
                    positive = scores[i, i].exp()
                    expected -= (positive / (positive + z)).log() / 4
                    expected -= (z / (rows[i] + z)).log().sum() / 4
            constants = constants or found
            torch.testing.assert_close(loss(student, teacher), expected)
            remembered[0].append(s.detach())
            remembered[1].append(t.detach())

    def test_it_is_lower_where_the_codes_agree(self):
        loss = ContrastiveRepresentationLoss(3, code=8).eval()
        loss.teacher_code.load_state_dict(loss.student_code.state_dict())
        images = torch.randn(6, 3, 4, 4)
        assert loss(images, images) < loss(images, images.roll(1, 0))

    def test_the_oldest_codes_make_room(self):
        loss = self.make_training_loss()
        for _ in range(5):
            student, teacher = self.pairs()[0]
            loss(student, teacher)
        assert loss.remembered == 20 and (loss.student_codes.norm(dim=1) > 0.99).all()

    def test_nothing_is_remembered_in_evaluation_mode(self):
        loss = self.make_loss()
        loss(torch.rand(4, 3, 5, 5), torch.rand(4, 3, 5, 5))
        assert loss.remembered == 4  # of the first step

    def test_a_resumed_run_goes_on_with_the_same_codes(self):
        first, second = self.make_training_loss(), self.make_training_loss()
        (student, teacher), following = self.pairs()
        first(student, teacher)
        second.load_state_dict(first.state_dict())
        assert torch.equal(first(*following), second(*following))

    def test_sizes_may_differ_and_other_channels_are_refused(self):
        loss = ContrastiveRepresentationLoss(4)
        assert loss(torch.rand(3, 4, 5, 5), torch.rand(3, 4, 2, 2)).isfinite()
        with pytest.raises(ValueError, match=r"channels=4, but the features are \(3, 5, 5, 5\).*ChannelAdapter"):
            loss(torch.rand(3, 5, 5, 5), torch.rand(3, 4, 2, 2))
        with pytest.raises(ValueError, match="temperature must be above 0"):
            ContrastiveRepresentationLoss(4, temperature=0.0)
        with pytest.raises(ValueError, match="memory=0"):
            ContrastiveRepresentationLoss(4, memory=0)
