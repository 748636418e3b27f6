# SPDX-License-Identifier: Apache-2.0
"""What every distillation loss promises; each loss's test subclasses this and adds its own equation."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn


class LossContract:
    """
    Write ``make_loss``; where the loss takes more than two tensors (labels, lists of layers), ``compare``.

    A promise that a loss does not make is switched off by name, with the reason beside it.
    """

    channels = 3
    batch_independent = True
    size_independent = True
    least_when_equal = True

    def make_loss(self) -> nn.Module:
        """The same loss at every call, weights included."""
        raise NotImplementedError

    def compare(self, loss: nn.Module, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        return loss(student, teacher)

    def pair(self, spatial_dims: int = 2, batch: int = 2, side: int = 6, dtype: torch.dtype = torch.float32):
        generator = torch.Generator().manual_seed(spatial_dims)
        shape = (batch, self.channels, *[side] * spatial_dims)
        student, teacher = (torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2))
        return student, teacher

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_is_one_finite_number(self, spatial_dims):
        value = self.compare(self.make_loss(), *self.pair(spatial_dims))
        assert value.shape == () and value.isfinite()

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_is_least_where_student_equals_teacher(self, spatial_dims):
        if not self.least_when_equal:
            pytest.skip("not this loss's promise")
        student, teacher = self.pair(spatial_dims)
        least = self.compare(self.make_loss(), teacher.clone(), teacher)
        for step in (0.1, 1.0):
            assert self.compare(self.make_loss(), teacher + step * (student - teacher), teacher) > least

    def test_gradient_vanishes_where_student_equals_teacher(self):
        if not self.least_when_equal:
            pytest.skip("not this loss's promise")
        _, teacher = self.pair(dtype=torch.float64)
        student = teacher.clone().requires_grad_()
        self.compare(self.make_loss(), student, teacher).backward()
        torch.testing.assert_close(student.grad, torch.zeros_like(student), atol=1e-9, rtol=0)

    def test_gradient_reaches_the_student_and_never_the_teacher(self):
        student, teacher = (tensor.requires_grad_() for tensor in self.pair())
        self.compare(self.make_loss(), student, teacher).backward()
        assert student.grad.abs().sum() > 0
        assert teacher.grad is None

    def test_gradcheck(self):
        student, teacher = self.pair(side=3, dtype=torch.float64)
        loss = self.make_loss()
        assert torch.autograd.gradcheck(lambda s: self.compare(loss, s, teacher), student.requires_grad_())

    def test_tiling_the_image_or_repeating_the_batch_changes_nothing(self):
        if not (self.size_independent or self.batch_independent):
            pytest.skip("not this loss's promise")
        student, teacher = self.pair()
        value = self.compare(self.make_loss(), student, teacher)
        if self.size_independent:
            torch.testing.assert_close(
                self.compare(self.make_loss(), student.repeat(1, 1, 2, 3), teacher.repeat(1, 1, 2, 3)), value
            )
        if self.batch_independent:
            torch.testing.assert_close(
                self.compare(self.make_loss(), student.repeat(4, 1, 1, 1), teacher.repeat(4, 1, 1, 1)), value
            )

    def test_channels_last_changes_nothing(self):
        student, teacher = self.pair()
        expected = self.compare(self.make_loss(), student, teacher)
        last = [tensor.to(memory_format=torch.channels_last) for tensor in (student, teacher)]
        torch.testing.assert_close(self.compare(self.make_loss(), *last), expected)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_computed_in_single(self, dtype):
        student, teacher = (40 * tensor.to(dtype) for tensor in self.pair())
        value = self.compare(self.make_loss(), student, teacher)
        assert value.dtype == torch.float32 and value.isfinite()
        torch.testing.assert_close(value, self.compare(self.make_loss(), student.float(), teacher.float()))

    def test_autocast_changes_nothing(self):
        student, teacher = self.pair()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = self.compare(self.make_loss(), student, teacher)
        torch.testing.assert_close(value, self.compare(self.make_loss(), student, teacher))

    def test_compiled_equals_eager(self):
        student, teacher = self.pair()
        torch.compiler.reset()  # all losses share one wrapper, of which torch compiles eight versions at most
        compiled = torch.compile(self.make_loss(), backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(
            self.compare(compiled, student, teacher), self.compare(self.make_loss(), student, teacher)
        )

    def test_state_round_trip(self):
        loss = self.make_loss()
        other = self.make_loss()
        other.load_state_dict(copy.deepcopy(loss.state_dict()))
        student, teacher = self.pair()
        assert torch.equal(self.compare(loss, student, teacher), self.compare(other, student, teacher))

    def test_unequal_shapes_are_refused(self):
        if getattr(self.make_loss(), "any_shape", False):
            pytest.skip("compares features of any shape")
        student, teacher = self.pair()
        with pytest.raises(ValueError, match=r"\(2, \d, 6, 6\).*\(1, \d, 6, 6\)"):
            self.compare(self.make_loss(), student, teacher[:1])
