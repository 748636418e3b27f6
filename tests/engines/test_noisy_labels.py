# SPDX-License-Identifier: Apache-2.0
"""A student of noisy labels, filtered in the style of NF-Net, against plain training, by the labels of clean images."""

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import SupervisedTrainer
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.handlers import ResumeHandler, SeedHandler
from monai_kd.losses import LogitsMSELoss, NoiseAdaptationLoss
from monai_kd.transforms import LabelNoised
from tests.helpers import assert_identical

SMALL, LARGE = 0, 64
CENTER = nn.functional.normalize(torch.randn(16, generator=torch.Generator().manual_seed(99)), dim=0).reshape(1, 4, 4)


def samples(count, seed, distance, noise=0.0):
    """Images of two classes around two centers; a share of their labels is wrong."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(2, (count,), generator=generator).tolist()
    image = torch.randn((count, 1, 4, 4), generator=generator)
    disturb = LabelNoised("label", [str(i) for i in range(count)], noise, seed=seed)
    return [
        disturb({"id": str(i), "image": image[i] + distance * (2 * y - 1) * CENTER, "label": y})
        for i, y in enumerate(label)
    ]


def network(hidden, seed):
    torch.manual_seed(seed)
    layers = [nn.Linear(16, 2)] if hidden == SMALL else [nn.Linear(16, hidden), nn.ReLU(), nn.Linear(hidden, 2)]
    return nn.Sequential(nn.Flatten(), *layers)


def common(data, student, parameters):
    return {
        "network": student,
        "optimizer": torch.optim.Adam(parameters, 2e-2),
        "loss_function": nn.CrossEntropyLoss(),
        "train_data_loader": DataLoader(data, batch_size=100, shuffle=True),
        "device": torch.device("cpu"),
    }


def plain(data, hidden, epochs, decay=0.0):
    student = network(hidden, seed=0)
    arguments = common(data, student, student.parameters())
    arguments["optimizer"].param_groups[0]["weight_decay"] = decay
    SupervisedTrainer(**arguments, max_epochs=epochs, train_handlers=[SeedHandler(0)]).run()
    return student


def filtered(data, hidden, epochs, teacher=None, seed=0, resumed_from=None):
    """A trainer with the second softmax, and with a pathway of logits if there is a teacher."""
    student = network(hidden, seed)
    ways = {"noisy_label": Pathway(NoiseAdaptationLoss(2))}
    if teacher is not None:
        ways["logits"] = Pathway(LogitsMSELoss())
    pathways = Pathways(**ways)
    arguments = common(data, student, [*student.parameters(), *pathways.parameters()])
    objects = {"network": student, "pathways": pathways, "optimizer": arguments["optimizer"]}
    return DistillationTrainer(
        **arguments,
        teacher=network(hidden, seed=5) if teacher is None else teacher,
        pathways=pathways,
        supervised_weight=0.0,
        max_epochs=epochs,
        train_handlers=[SeedHandler(0), *([ResumeHandler(resumed_from, objects)] if resumed_from else [])],
    )


def accuracy(student, distance):
    """Accuracy on hold-out images with correct labels."""
    clean = samples(2000, seed=12345, distance=distance)
    with torch.no_grad():
        prediction = student(torch.stack([sample["image"] for sample in clean])).argmax(dim=1)
    return (prediction == torch.tensor([sample["label"] for sample in clean])).float().mean().item()


def test_forty_percent_of_a_class_mislabelled_is_seen_and_undone():
    data = samples(1000, seed=0, distance=2.0, noise=[0.0, 0.4])
    trainer = filtered(data, SMALL, epochs=20)
    trainer.run()
    assert accuracy(trainer.network, 2.0) > accuracy(plain(data, SMALL, epochs=20), 2.0) + 0.1
    transition = trainer.pathways.noisy_label.loss.transition.detach()
    torch.testing.assert_close(transition, torch.tensor([[1.0, 0.0], [0.4, 0.6]]), atol=0.08, rtol=0)


def test_forty_percent_of_all_mislabelled_is_filtered_by_the_knowledge_of_a_few_clean_ones():
    data = samples(300, seed=0, distance=1.5, noise=0.4)
    teacher = plain(samples(40, seed=1000, distance=1.5), LARGE, epochs=40, decay=1e-2)
    trainer = filtered(data, LARGE, epochs=20, teacher=teacher)
    trainer.run()
    assert accuracy(trainer.network, 1.5) > accuracy(plain(data, LARGE, epochs=20), 1.5) + 0.15


def test_killed_and_started_again_it_ends_like_a_whole_run(tmp_path):
    data = samples(100, seed=0, distance=1.0, noise=0.2)

    def states(trainer):
        return {name: getattr(trainer, name).state_dict() for name in ("network", "pathways", "optimizer")}

    whole = filtered(data, SMALL, epochs=4)
    whole.run()
    killed = filtered(data, SMALL, epochs=4, resumed_from=tmp_path / "last.pt")
    killed.add_event_handler(Events.ITERATION_COMPLETED(once=3), lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        killed.run()
    parts = filtered(data, SMALL, epochs=4, seed=77, resumed_from=tmp_path / "last.pt")
    parts.run()
    assert_identical(states(parts), states(whole))
    before = NoiseAdaptationLoss(2).weight
    assert not torch.equal(whole.pathways.noisy_label.loss.weight, before)


def test_without_its_weights_in_the_optimizer_it_is_refused():
    student = network(SMALL, 0)
    with pytest.raises(ValueError, match=r"does not hold 1 parameters.*'noisy_label.loss.weight'"):
        DistillationTrainer(
            **common(samples(50, 0, 1.0), student, student.parameters()),
            teacher=network(SMALL, 5),
            pathways=Pathways(noisy_label=Pathway(NoiseAdaptationLoss(2))),
            max_epochs=1,
        )
