# SPDX-License-Identifier: Apache-2.0
"""The common tests of all distillation losses; each loss's test class adds its own equation."""

from __future__ import annotations

import contextlib
import copy
import re

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
    # Whether student and teacher must have as many axes: not where samples alone are compared.
    one_rank = True
    # Whether the teacher's answer counts where there is a label.
    hears_teacher = True
    # Whether the scale of a feature changes nothing.
    scale_free = False
    # Whether vectors without spatial axes, shape (B, N), are compared; else they are refused, as one position may be.
    takes_vectors = True
    # Whether positions of an "ignore" label are as if they were not there (of a loss that takes a label).
    ignored_is_absent = True

    def make_loss(self) -> nn.Module:
        """The same loss at every call, weights included."""
        raise NotImplementedError

    def compare(self, loss: nn.Module, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        return loss(student, teacher)

    def call(
        self, loss: nn.Module, student: object, teacher: object, label: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As a pathway calls a loss of one layer, with a label for any feature."""
        if label is None and isinstance(student, torch.Tensor) and student.ndim:
            label = torch.arange(len(student)).reshape(-1, 1, *[1] * (student.ndim - 2)) % 2
            label = label.expand(-1, -1, *student.shape[2:]).float() if student.ndim > 2 else label.float()
        batch = {"label": label, "has_label": None if label is None else torch.ones(len(label))}
        extra = {key: batch[key] for key in getattr(loss, "uses", ())}
        if getattr(loss, "joint", False):
            return loss([student] * self.layers, [teacher] * self.layers, **extra)
        return loss(student, teacher, **extra)

    # How many layers ``call`` gives to a joint loss.
    layers = 1

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

    def test_two_steps_of_training_reach_the_student(self):
        """What a loss remembers in training mode is no hindrance to the gradient."""
        loss = self.make_loss().train()
        for student, teacher in (self.pair(), tuple(tensor + 1 for tensor in self.pair())):
            student.requires_grad_()
            self.compare(loss, student, teacher).backward()
            assert student.grad.isfinite().all() and student.grad.abs().sum() > 0

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

    @pytest.mark.parametrize("batches", [(1, 3), (2, 3), (3, 1), (3, 2)])
    def test_unequal_batches_are_refused_with_both_shapes(self, batches):
        student, teacher = (self.pair(batch=batch)[0] for batch in batches)
        self.check_refused(student, teacher, *(rf"\({batch}, {self.channels}, 6, 6\)" for batch in batches))

    @pytest.mark.parametrize("other", [(3,), (3, 4), (3, 4, 6), (3, 4, 6, 6, 6), (3, 4, 6, 6, 6, 6)])
    def test_unequal_ranks_are_refused_with_both_shapes(self, other):
        if not self.one_rank and len(other) in (2, 3, 4, 5):
            pytest.skip("not this loss's promise")
        student, teacher = self.pair(batch=3)[0], torch.randn(3, self.channels, *other[2:]) if len(other) > 1 else None
        teacher = torch.randn(3) if teacher is None else teacher
        for pair in ((student, teacher), (teacher, student)):
            self.check_refused(*pair, *((str(tuple(teacher.shape))[1:-1],) if teacher.ndim == 1 else ()))

    @pytest.mark.parametrize("shape", [(), (3,), (0, 3), (0, 3, 6, 6), (2, 0, 6, 6), (2, 3, 0, 6), (2, 3, 6, 6, 6, 6)])
    def test_what_is_no_batch_is_refused_or_computed(self, shape):
        """A clear error, or a number where the loss is defined; never an error of torch."""
        student, teacher = torch.randn(shape), torch.randn(shape)
        try:
            value = self.call(self.make_loss(), student, teacher)
        except ValueError as error:
            assert "shape" in str(error) or str(tuple(shape)) in str(error), error
        else:
            assert student.numel() and student.ndim > 1 and value.isfinite()

    def test_an_unbatched_image_is_refused_or_taken_for_a_batch_of_lines(self):
        student, teacher = (tensor[0] for tensor in self.pair())
        try:
            assert self.call(self.make_loss(), student, teacher).ndim == 0
        except ValueError as error:
            assert "shape" in str(error) or str(tuple(student.shape)) in str(error), error

    def test_vectors_are_taken_or_refused_with_the_shape_wanted(self):
        student, teacher = (torch.randn(4, self.channels, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
        student.requires_grad_()
        if self.takes_vectors:
            value = self.call(self.make_loss(), student, teacher)
            value.backward()
            assert value.isfinite() and student.grad.isfinite().all() and student.grad.abs().sum() > 0
        else:
            self.check_refused(student, teacher, rf"\(4, {self.channels}\)", r"BN|position")

    @pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
    def test_other_numbers_than_floating_point_are_refused(self, dtype):
        student, teacher = self.pair()
        for pair in ((student.to(dtype), teacher), (student, teacher.to(dtype))):
            self.check_refused(*pair, "floating-point")

    @pytest.mark.parametrize(
        "several", [lambda x: [x], lambda x: (x, x), lambda x: {"out": x}], ids=["list", "tuple", "dict"]
    )
    def test_several_outputs_are_refused(self, several):
        student, teacher = self.pair()
        for pair in ((several(student), teacher), (student, several(teacher))):
            with pytest.raises(ValueError, match=r"not one tensor|expected a reconstruction|layers"):
                self.call(self.make_loss(), *pair, label=torch.zeros(2, 1, 6, 6))

    @pytest.mark.parametrize("side", ["student", "teacher"])
    def test_what_is_not_a_number_stays_none(self, side):
        if side == "teacher" and not self.hears_teacher:
            pytest.skip("not this loss's promise")
        pair = dict(zip(("student", "teacher"), self.pair(), strict=True))
        pair[side][0, 0, 0, 0] = torch.nan
        with contextlib.suppress(ValueError):  # a clear error is fine, too
            assert not self.call(self.make_loss(), **pair).isfinite()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("exponent", [-13, -7, 13])  # of two: 1e-4 to 1e4
    def test_scale_changes_nothing(self, dtype, exponent):
        if not self.scale_free:
            pytest.skip("not this loss's promise")
        student, teacher = (
            tensor.clamp(-3, 3).to(dtype) for tensor in self.pair(side=32 if dtype == torch.float32 else 6)
        )
        tolerance = {"rtol": 1e-2, "atol": 1e-3} if dtype == torch.float16 else {"rtol": 1e-4, "atol": 1e-6}
        expected = self.compare(self.make_loss(), student, teacher)
        small = (student * 2.0**exponent).requires_grad_()
        value = self.compare(self.make_loss(), small, teacher)
        value.backward()
        torch.testing.assert_close(value, expected, **tolerance)
        assert small.grad.abs().max() > 0
        if "label" not in getattr(self.make_loss(), "uses", ()):
            scaled = self.compare(self.make_loss(), student, teacher * 2.0**exponent)
            torch.testing.assert_close(scaled, expected, **tolerance)

    @pytest.mark.parametrize("ignored", [255, -1, 1000])
    def test_ignored_positions_are_as_if_they_were_not_there(self, ignored):
        loss = self.make_loss()
        if "label" not in getattr(loss, "uses", ()):
            pytest.skip("takes no label")
        student, teacher = self.pair(dtype=torch.float64)
        label = torch.arange(6).reshape(1, 1, 6, 1).expand(len(student), 1, 6, 6).clone() % 2
        label[..., 3:] = ignored
        student.requires_grad_()
        value = self.call(loss, student, teacher, label)
        assert value.isfinite()
        if not self.ignored_is_absent:
            return
        torch.testing.assert_close(value, self.call(loss, student[..., :3], teacher[..., :3], label[..., :3]))
        (gradient,) = torch.autograd.grad(value, student)
        assert gradient[..., 3:].abs().max() == 0 and gradient[..., :3].abs().max() > 0
        assert self.call(loss, student, teacher, torch.full_like(label, ignored)) == 0

    def check_refused(self, student: torch.Tensor, teacher: torch.Tensor, *words: str) -> None:
        label = torch.zeros(3, 1, 6, 6)
        with pytest.raises(ValueError) as error:
            self.call(self.make_loss(), student, teacher, label[: len(student)] if student.ndim == 4 else None)
        assert all(re.search(word, str(error.value)) for word in words), error.value
