# SPDX-License-Identifier: Apache-2.0
import copy
import math

import pytest
import torch

from monai_kd import Pathway, Pathways
from monai_kd.losses import MemoryRelationLoss
from monai_kd.networks import ChannelAdapter
from tests.loss_contract import LossContract


def label_of(teacher):
    """Two classes made from the teacher's values, so that they are tiled and repeated with it."""
    return (teacher.detach()[:, :1] > 0).float()


def unit(vector):
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def distribution(vector, memory, temperature):
    scores = [math.exp(sum(x * y for x, y in zip(vector, m, strict=True)) / temperature) for m in memory]
    return [score / sum(scores) for score in scores]


def by_plain_loops(student, teacher, memory, temperature):
    """The loss of features on one grid, without pooling, against a list of vectors."""
    pairs = zip(*(f.movedim(1, -1).flatten(0, -2).tolist() for f in (student, teacher)), strict=True)
    terms = []
    for s, t in pairs:
        q, p = (distribution(unit(v), memory, temperature) for v in (s, t))
        terms.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    return sum(terms) / len(terms)


def batch(seed, classes=2, shape=(2, 3, 4, 4)):
    """Student, teacher and label."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(shape, generator=generator) for _ in range(2))
    label = torch.randint(classes, (shape[0], 1, *shape[2:]), generator=generator).float()
    return student, teacher, label


def small(**arguments):
    sizes = {"pixel_memory": 12, "region_memory": 6, "max_positions": 400}
    return MemoryRelationLoss(**{"num_classes": 2, "channels": 3, "temperature": 0.5, **sizes, **arguments})


def train(loss, seeds):
    values = []
    for seed in seeds:
        torch.manual_seed(seed)
        student, teacher, label = batch(seed)
        values.append(loss(student.requires_grad_(), teacher, label=label))
    return values


class TestMemoryRelation(LossContract):
    """Evaluation mode, because each call in training changes the memories and so the value."""

    scale_free = True
    takes_vectors = False
    ignored_is_absent = False  # such pixels are not stored, but compared with the stored ones

    def make_loss(self):
        loss = small()
        with torch.random.fork_rng():
            train(loss, range(2))
        return loss.eval()

    def compare(self, loss, student, teacher):
        return loss(student, teacher, label=label_of(teacher))

    def test_compiled_equals_eager(self):
        """Training mode, which includes the code of evaluation."""
        eager = small(pixel_contrast=8, region_contrast=4)
        model = copy.deepcopy(eager)
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(train(compiled, range(2)), train(eager, range(2)))
        torch.testing.assert_close(model.state_dict(), eager.state_dict())

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, r"MemoryRelationLoss got num_classes=1"),
        ({"temperature": 0.0}, r"temperature must be above 0"),
        ({"max_positions": 1}, r"8 or more, got 1"),
        ({"pixel_memory": 0}, r"size=0 and channels=3"),
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
