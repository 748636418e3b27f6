# SPDX-License-Identifier: Apache-2.0
import copy
import math

import pytest
import torch

from monai_kd import Pathway, Pathways
from monai_kd.losses import MemoryRelationLoss
from monai_kd.losses.class_queue import ClassQueue
from monai_kd.networks import ChannelAdapter
from tests.loss_contract import LossContract


def label_of(teacher):
    """Two classes, of the teacher's own values, so that it is tiled and repeated as they are."""
    return (teacher.detach()[:, :1] > 0).float()


def unit(vector):
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def distribution(vector, memory, temperature):
    scores = [math.exp(sum(x * y for x, y in zip(vector, m, strict=True)) / temperature) for m in memory]
    return [score / sum(scores) for score in scores]


def by_plain_loops(student, teacher, memory, temperature):
    """Of features on one grid, without pooling, against a list of vectors."""
    pairs = zip(*(f.movedim(1, -1).flatten(0, -2).tolist() for f in (student, teacher)), strict=True)
    terms = []
    for s, t in pairs:
        q, p = (distribution(unit(v), memory, temperature) for v in (s, t))
        terms.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    return sum(terms) / len(terms)


def batch(seed, classes=2, shape=(2, 3, 4, 4)):
    """Student, teacher and label; the teacher's first two numbers tell class and image in any direction of scaling."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(shape, generator=generator) for _ in range(2))
    label = torch.randint(classes, (shape[0], 1, *shape[2:]), generator=generator).float()
    return student, teacher, label


def small(**arguments):
    sizes = {"pixel_memory": 12, "region_memory": 6, "max_positions": 400}
    return MemoryRelationLoss(**{"num_classes": 2, "channels": 3, "temperature": 0.5, **sizes, **arguments})


class TestMemoryRelation(LossContract):
    """In evaluation mode: in training each call adds to the memories, so that no two calls agree."""

    def make_loss(self):
        loss = small()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for step in range(2):
                student, teacher, label = batch(step)
                loss(student.requires_grad_(), teacher, label=label)
        return loss.eval()

    def compare(self, loss, student, teacher):
        return loss(student, teacher, label=label_of(teacher))

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, side=3, dtype=torch.float64)
        loss = self.make_loss()
        memories = [memory.vectors[k, :n].tolist() for memory in (loss.pixels, loss.regions) for k, n in
                    enumerate(memory.filled.tolist())]  # fmt: skip
        expected = sum(by_plain_loops(student, teacher, memories[i] + memories[i + 1], 0.5) for i in (0, 2))
        torch.testing.assert_close(
            self.compare(loss, student, teacher), torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=0
        )

    def test_lengths_of_the_vectors_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        lengths = torch.rand(2, 1, 6, 6, dtype=torch.float64) + 0.1
        value = self.compare(self.make_loss(), lengths * student, teacher)
        torch.testing.assert_close(value, self.compare(self.make_loss(), student, teacher))

    def test_one_rotation_of_all_spaces_changes_nothing(self):
        student, teacher = self.pair()
        rotation = torch.linalg.qr(torch.randn(3, 3)).Q
        loss = self.make_loss()
        expected = self.compare(loss, student, teacher)
        for memory in (loss.pixels, loss.regions):
            memory.vectors.copy_(memory.vectors @ rotation.T)
        rotated = [torch.einsum("mn,bnhw->bmhw", rotation, feature) for feature in (student, teacher)]
        torch.testing.assert_close(self.compare(loss, *rotated), expected)


def train(loss, seeds):
    values = []
    for seed in seeds:
        torch.manual_seed(seed)
        student, teacher, label = batch(seed)
        values.append(loss(student.requires_grad_(), teacher, label=label))
    return values


def test_memories_hold_the_teachers_vectors_of_the_right_class_and_nothing_else():
    loss = small(num_classes=3, pixel_memory=40, region_memory=40)
    known = {k: [] for k in range(3)}
    means = {k: [] for k in range(3)}
    for step in range(3):
        student, teacher, label = batch(step, classes=3)
        label[0][label[0] == 1] = 255  # no class
        loss(student.requires_grad_(), teacher, label=label)
        for n in range(2):
            for k in range(3):
                members = torch.tensor([
                    unit(teacher[n, :, h, w].tolist()) for h in range(4) for w in range(4) if label[n, 0, h, w] == k
                ])  # fmt: skip
                if len(members):
                    known[k].append(members)
                    means[k].append(unit(members.mean(0).tolist()))
    for k in range(3):
        everything = torch.cat(known[k])
        count = int(loss.pixels.filled[k])
        assert count == min(40, len(everything))
        distances = torch.cdist(loss.pixels.vectors[k, :count], everything, compute_mode="donot_use_mm_for_euclid_dist")
        assert (distances.min(1).values < 1e-5).all()
        torch.testing.assert_close(loss.regions.vectors[k, : len(means[k])], torch.tensor(means[k]))
        assert loss.regions.filled[k] == len(means[k])


def test_at_most_sixteen_different_pixels_of_an_image_and_class_are_remembered():
    loss = small(pixel_memory=100)
    teacher = torch.randn(1, 3, 8, 8)
    label = torch.zeros(1, 1, 16, 16)
    label[..., :2, :6] = 1  # 3 positions on the feature's grid
    loss(torch.randn(1, 3, 8, 8, requires_grad=True), teacher, label=label)
    assert loss.pixels.filled.tolist() == [16, 3] and loss.regions.filled.tolist() == [1, 1]
    assert len(loss.pixels.vectors[0, :16].unique(dim=0)) == 16
    expected = torch.nn.functional.normalize(teacher[0, :, 0, :3], dim=0).T
    torch.testing.assert_close(loss.pixels.vectors[1, :3].sort(0).values, expected.sort(0).values)


def test_what_has_no_length_is_not_remembered():
    loss = small()
    student, teacher, label = batch(0)
    teacher[1] = 0
    loss(student.requires_grad_(), teacher, label=label)
    assert loss.regions.filled.tolist() == [1, 1]
    assert loss.pixels.filled.sum() == min(12, int((label[0] == 0).sum())) + min(12, int((label[0] == 1).sum()))


def test_nothing_is_remembered_in_evaluation_or_without_gradients():
    loss = small()
    student, teacher, label = batch(0)
    with torch.no_grad():
        loss(student, teacher, label=label)
    value = loss.eval()(student.requires_grad_(), teacher, label=label)
    value.backward()
    assert not loss.pixels.filled.any() and not loss.regions.filled.any()
    assert value == 0 and not student.grad.any()  # nothing to relate to, and no harm


@pytest.mark.parametrize("contrast", [2, 1000])
def test_a_resumed_run_goes_on_bitwise(contrast):
    loss = small(pixel_contrast=contrast, region_contrast=contrast)
    train(loss, range(3))
    other = small(pixel_contrast=contrast, region_contrast=contrast)
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    for a, b in zip(train(loss, range(3, 6)), train(other, range(3, 6)), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in (loss, other)), strict=True))


def test_compiled_training_equals_eager():
    eager = small(pixel_contrast=8, region_contrast=4)
    model = copy.deepcopy(eager)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for a, b in zip(train(eager, range(2)), train(compiled, range(2)), strict=True):
        torch.testing.assert_close(a, b)
    assert torch.equal(eager.pixels.pushed, model.pixels.pushed)
    torch.testing.assert_close(eager.pixels.vectors, model.pixels.vectors)


def test_gradients_reach_the_student_while_memories_change():
    loss = small()
    student, teacher, label = batch(0)
    first = loss(student.requires_grad_(), teacher, label=label)
    loss(student, teacher, label=label)
    first.backward()
    assert student.grad.abs().sum() > 0


def test_student_and_teacher_of_two_resolutions_are_compared_on_the_coarser_grid():
    loss = TestMemoryRelation().make_loss()
    student, teacher = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 4, 4)
    means = student.reshape(2, 3, 4, 2, 4, 2).mean((3, 5))
    label = label_of(teacher)
    torch.testing.assert_close(loss(student, teacher, label=label), loss(means, teacher, label=label))


def test_in_a_pathway_with_an_adapter_it_is_saved_with_it():
    pathway = Pathway(small(), "a", "b", student_adapter=ChannelAdapter(2, 5, 3), weight=0.1)
    pathways = Pathways(memory=pathway)
    batch = {"label": torch.ones(2, 1, 16, 16)}
    terms = pathways({"a": torch.randn(2, 5, 8, 8)}, {"b": torch.randn(2, 3, 4, 4)}, batch)
    assert terms["memory"].isfinite()
    assert pathways.state_dict()["memory.loss.regions.pushed"].tolist() == [0, 2]


def test_a_step_at_full_size_keeps_matrices_bounded():
    loss = MemoryRelationLoss(num_classes=2, channels=16)
    student, teacher = torch.randn(16, 16, 112, 112, requires_grad=True), torch.randn(16, 16, 112, 112)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        value = loss(student, teacher, label=torch.randint(2, (16, 1, 224, 224)))
    value.backward()
    assert max(saved) <= 16 * 144 * 4096
    assert student.grad.isfinite().all()


class TestQueue:
    def test_the_oldest_are_replaced(self):
        queue = ClassQueue(num_classes=2, channels=1, size=3)
        for start in (0, 2, 4):
            vectors = torch.tensor([[[start + 1.0], [start + 2.0]], [[10.0], [20.0]]])
            queue.push(vectors, torch.tensor([[True, True], [start == 2, False]]))
        assert queue.vectors[0].flatten().tolist() == [4.0, 5.0, 6.0]
        assert queue.vectors[1].flatten().tolist() == [10.0, 0.0, 0.0]
        assert queue.filled.tolist() == [3, 1]

    def test_more_than_fit_at_once(self):
        queue = ClassQueue(num_classes=1, channels=1, size=2)
        queue.push(torch.arange(5.0).reshape(1, 5, 1), torch.tensor([[False, True, True, True, True]]))
        assert sorted(queue.vectors.flatten().tolist()) == [1.0, 2.0]

    def test_draws_are_different_present_and_copies(self):
        queue = ClassQueue(num_classes=2, channels=1, size=10)
        queue.push(torch.arange(1.0, 11.0).reshape(2, 5, 1), torch.tensor([[True] * 5, [True] * 2 + [False] * 3]))
        vectors, valid = queue.draw(4)
        assert valid.tolist() == [[True] * 4, [True] * 2 + [False] * 2]
        assert len(set(vectors[0].flatten().tolist())) == 4 and 0 not in vectors[0]
        assert sorted(vectors[1][valid[1]].flatten().tolist()) == [6.0, 7.0]
        vectors.zero_(), queue.draw(10)[0].zero_()
        assert queue.vectors.any()

    def test_all_are_drawn_alike_often(self):
        torch.manual_seed(0)
        queue = ClassQueue(num_classes=1, channels=1, size=4)
        queue.push(torch.arange(4.0).reshape(1, 4, 1), torch.ones(1, 4, dtype=torch.bool))
        drawn = torch.cat([queue.draw(1)[0].flatten() for _ in range(400)])
        assert (drawn.long().bincount(minlength=4) > 60).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, r"MemoryRelationLoss got num_classes=1"),
        ({"temperature": 0.0}, r"temperature must be above 0"),
        ({"max_positions": 1}, r"8 or more, got 1"),
        ({"pixel_memory": 0}, r"0 vectors of 3 channels holds nothing"),
        ({"region_contrast": 1}, r"region_contrast=1 must be num_classes=2 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


@pytest.mark.parametrize(
    ("student", "teacher", "label", "message"),
    [
        ((2, 3, 4, 4), (1, 3, 4, 4), (1, 1, 4, 4), r"\(2, 3, 4, 4\).*\(1, 3, 4, 4\).*same batch"),
        ((2, 3, 4, 4), (2, 5, 4, 4), (2, 1, 4, 4), r"channels=3, but teacher feature is \(2, 5, 4, 4\).*channels=5"),
        ((2, 5, 4, 4), (2, 3, 4, 4), (2, 1, 4, 4), r"\(2, 5, 4, 4\).*ChannelAdapter\(spatial_dims=2, in_channels=5"),
        ((2, 1, 4, 4), (2, 3, 4, 4), (2, 1, 4, 4), r"layers of more channels"),
        ((2, 3, 4, 4), (2, 3, 4, 4), (2, 2, 4, 4), r"label has shape \(2, 2, 4, 4\)"),
    ],
)
def test_what_cannot_be_related_is_refused_with_the_remedy(student, teacher, label, message):
    with pytest.raises(ValueError, match=message):
        small()(torch.zeros(student), torch.zeros(teacher), label=torch.zeros(label))
