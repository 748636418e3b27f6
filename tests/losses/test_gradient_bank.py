# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.losses.parts.gradient_bank import GradientBank
from tests.helpers import assert_identical


def vectors(count, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, length), generator=generator)


def test_default_size_is_four_fifths_of_the_length_and_bounded():
    assert GradientBank(34).size == 27
    assert GradientBank(1000).size == 300
    assert GradientBank(1000, most=20).size == 20
    assert GradientBank(1).size == 1


def projector(matrix, energy):
    """The projection by another method: eigenvectors of the Gram matrix, in double precision."""
    values, directions = torch.linalg.eigh(matrix.double() @ matrix.double().T)
    total, kept, held = values.sum(), [], 0.0
    for value, direction in sorted(zip(values, directions.T, strict=True), key=lambda pair: -pair[0]):
        kept.append(torch.outer(direction, direction))
        held += value
        if held >= energy * total:
            break
    return torch.stack(kept).sum(0), len(kept)


@pytest.mark.parametrize("energy", [0.5, 0.9, 0.98])
def test_projection_is_onto_the_directions_that_hold_the_energy(energy):
    bank, pushed = GradientBank(8, size=6, energy=energy), vectors(6, 8) * torch.tensor([5, 4, 3, 2, 1, 1, 0.5, 0.1])
    for vector in pushed:
        bank.push(vector)
    expected, rank = projector(pushed.T, energy)
    assert int(bank.basis.any(0).sum()) == rank < 6
    x = vectors(1, 8, seed=1)[0]
    torch.testing.assert_close(bank.project(x).double(), expected @ x.double(), rtol=1e-4, atol=1e-5)


def test_there_is_no_subspace_before_the_bank_was_filled():
    bank = GradientBank(5, size=2, refills=3)
    for i, vector in enumerate(vectors(6, 5)):
        assert not bank.ready and not bank.project(torch.ones(5)).any(), i
        bank.push(vector)
    assert bank.ready and bank.project(torch.ones(5)).any()


def test_the_oldest_vector_goes():
    bank = GradientBank(2, size=1)
    bank.push(torch.tensor([1.0, 0.0]))
    assert bank.project(torch.ones(2)).tolist() == [1.0, 0.0]
    bank.push(torch.tensor([0.0, 2.0]))
    assert bank.project(torch.ones(2)).tolist() == [0.0, 1.0]


def test_between_two_renewals_the_subspace_stays():
    bank = GradientBank(3, size=2)
    for axis in (0, 0, 1):
        bank.push(torch.eye(3)[axis])
    assert bank.project(torch.ones(3)).tolist() == [1.0, 0.0, 0.0]
    bank.push(torch.eye(3)[1])
    assert bank.project(torch.ones(3)).tolist() == [0.0, 1.0, 0.0]


def test_vectors_of_zero_span_nothing():
    bank = GradientBank(4, size=2)
    bank.push(torch.zeros(4))
    bank.push(torch.zeros(4))
    assert bank.ready and not bank.project(torch.ones(4)).any()


def test_gradient_flows_through_the_projection():
    bank = GradientBank(3, size=1)
    bank.push(torch.tensor([0.0, 1.0, 0.0]))
    x = torch.ones(3, requires_grad=True)
    bank.project(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([0.0, 1.0, 0.0]))


def test_saved_and_loaded_it_goes_on_alike():
    whole, first, second = (GradientBank(6, size=3) for _ in range(3))
    pushed = vectors(8, 6)
    for vector in pushed:
        whole.push(vector)
    for vector in pushed[:5]:
        first.push(vector)
    second.load_state_dict(first.state_dict())
    for vector in pushed[5:]:
        second.push(vector)
    assert_identical(dict(second.state_dict()), dict(whole.state_dict()))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"length": 0}, "Give 1 or more of each"),
        ({"length": 3, "size": 0}, "Give 1 or more of each"),
        ({"length": 3, "refills": 0}, "Give 1 or more of each"),
        ({"length": 3, "energy": 0.0}, r"energy=0\.0 must be above 0"),
        ({"length": 3, "energy": 98}, "energy=98 must be above 0 and at most 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        GradientBank(**arguments)
