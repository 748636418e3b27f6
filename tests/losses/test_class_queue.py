# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.losses.parts.class_queue import ClassQueue


def test_the_oldest_are_replaced():
    queue = ClassQueue(num_classes=2, channels=1, size=3)
    for start in (0, 2, 4):
        vectors = torch.tensor([[[start + 1.0], [start + 2.0]], [[10.0], [20.0]]])
        queue.push(vectors, torch.tensor([[True, True], [start == 2, False]]))
    assert queue.vectors[0].flatten().tolist() == [4.0, 5.0, 6.0]
    assert queue.vectors[1].flatten().tolist() == [10.0, 0.0, 0.0]
    assert queue.filled.tolist() == [3, 1]


def test_more_than_fit_at_once():
    queue = ClassQueue(num_classes=1, channels=1, size=2)
    queue.push(torch.arange(5.0).reshape(1, 5, 1), torch.tensor([[False, True, True, True, True]]))
    assert sorted(queue.vectors.flatten().tolist()) == [1.0, 2.0]


def test_draws_are_different_present_and_copies():
    queue = ClassQueue(num_classes=2, channels=1, size=10)
    queue.push(torch.arange(1.0, 11.0).reshape(2, 5, 1), torch.tensor([[True] * 5, [True] * 2 + [False] * 3]))
    vectors, valid = queue.draw(4)
    assert valid.tolist() == [[True] * 4, [True] * 2 + [False] * 2]
    assert len(set(vectors[0].flatten().tolist())) == 4 and 0 not in vectors[0]
    assert sorted(vectors[1][valid[1]].flatten().tolist()) == [6.0, 7.0]
    vectors.zero_(), queue.draw(10)[0].zero_()
    assert queue.vectors.any()


def test_all_are_drawn_alike_often():
    torch.manual_seed(0)
    queue = ClassQueue(num_classes=1, channels=1, size=4)
    queue.push(torch.arange(4.0).reshape(1, 4, 1), torch.ones(1, 4, dtype=torch.bool))
    drawn = torch.cat([queue.draw(1)[0].flatten() for _ in range(400)])
    assert (drawn.long().bincount(minlength=4) > 60).all()


@pytest.mark.parametrize("sizes", [{"channels": 0, "size": 3}, {"channels": 3, "size": 0}])
def test_a_queue_that_holds_nothing_is_refused(sizes):
    with pytest.raises(ValueError, match=r"holds nothing. Give 1 or more of each"):
        ClassQueue(num_classes=2, **sizes)
