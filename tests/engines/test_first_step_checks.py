# SPDX-License-Identifier: Apache-2.0
"""One warning for a pathway that teaches nothing; several outputs; an inferer with autocast."""

import warnings

import pytest
import torch
from monai.inferers import SimpleInferer
from monai.losses import DiceCELoss
from monai.losses.ds_loss import DeepSupervisionLoss
from torch import nn
from torch.utils.checkpoint import checkpoint

from monai_kd import DistillationTrainer, Pathway, Pathways, loss_terms
from monai_kd.engines.first_step_checks import check_all_learn, reachable_leaves
from monai_kd.losses import LogitsKLLoss, RegionAffinityLoss
from monai_kd.networks import ChannelAdapter

ONE = DiceCELoss(softmax=True, to_onehot_y=True)


class Network(nn.Module):
    """Two layers and a head; ``reentrant`` runs a block of it in a checkpoint."""

    def __init__(self, width=4, reentrant=None):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.head, self.reentrant = nn.Conv2d(width, 2, 1), reentrant

    def forward(self, x):
        x = self.first(x).relu()
        if self.reentrant is None:
            return self.head(self.block(x))
        return self.head(checkpoint(self.block, x, use_reentrant=self.reentrant))

    def block(self, x):
        return self.second(x).tanh()


class Deep(Network):
    """A student that returns several outputs in training, in a container of kind ``form``."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, x):
        logits = super().forward(x)
        return self.form(logits) if self.training else logits


def batches(count=2, size=2):
    torch.manual_seed(1)
    images = [torch.rand(size, 1, 8, 8) for _ in range(count)]
    return [{"image": image, "label": (image > 0.5).float()} for image in images]


def hint(**arguments):
    return Pathways(hint=Pathway(nn.MSELoss(), "second", **arguments))


def train(student, pathways, loss_function=ONE, data=None, **arguments):
    """The trainer after a run, and the warnings of its first-step check."""
    parameters = [p for p in [*student.parameters(), *pathways.parameters()] if p.requires_grad]
    trainer = DistillationTrainer(
        network=student,
        teacher=arguments.pop("teacher", None) or Network(),
        pathways=pathways,
        optimizer=torch.optim.SGD(parameters, 0.1),
        loss_function=loss_function,
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=data or batches(),
        **arguments,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.run()
    return trainer, [str(w.message) for w in caught if str(w.message).startswith("The pathway")]


def other_teacher(width=4):
    teacher = Network(width)
    nn.init.normal_(teacher.second.weight)
    return teacher


def freeze_all_before(student):
    student.first.requires_grad_(False)
    student.second.requires_grad_(False)
    return student


def test_a_term_that_teaches_is_not_told():
    assert train(Network(), hint(), teacher=other_teacher())[1] == []


@pytest.mark.parametrize("adapter", [None, ChannelAdapter(2, 4, 4)])
def test_a_frozen_layer_is_told_once(adapter):
    _, told = train(freeze_all_before(Network()), hint(student_adapter=adapter), teacher=other_teacher())
    assert len(told) == 1 and "'hint'" in told[0] and "layer 'second'" in told[0]


def test_a_layer_behind_one_that_is_trained_is_not_told():
    student = Network()
    student.second.requires_grad_(False)
    assert train(student, hint(), teacher=other_teacher())[1] == []


@pytest.mark.parametrize(("reentrant", "count"), [(True, 1), (False, 0)])
def test_a_checkpointed_layer_is_told_where_it_loses_the_gradient(reentrant, count):
    told = train(Network(reentrant=reentrant), hint(), teacher=other_teacher())[1]
    assert len(told) == count and all("use_reentrant" in text for text in told)


def test_a_detached_output_is_told():
    student = Deep(lambda logits: logits.detach())
    pathways = Pathways(logits=Pathway(LogitsKLLoss()), hint=Pathway(nn.MSELoss(), "second"))
    told = train(student, pathways, teacher=other_teacher())[1]
    assert len(told) == 1 and "'logits' teaches the student nothing at its output" in told[0]


def test_a_gradient_of_zero_is_told_when_it_stays():
    def regions():
        return Pathways(regions=Pathway(RegionAffinityLoss(num_classes=2), "second"))

    one_class = [{**batch, "label": torch.zeros_like(batch["label"])} for batch in batches()]
    told = train(Network(), regions(), teacher=other_teacher(), data=one_class)[1]
    assert len(told) == 1 and "'regions'" in told[0] and "RegionAffinityLoss is 0" in told[0] and "2 step(s)" in told[0]
    later = [one_class[0], batches()[1]]  # one batch of one class must not warn
    assert train(Network(), regions(), teacher=other_teacher(), data=later)[1] == []


def test_a_weight_of_zero_is_not_told():
    assert train(freeze_all_before(Network()), hint(weight=0.0), teacher=other_teacher())[1] == []


def test_the_check_changes_no_weight(monkeypatch):
    checked, unchecked = Network(), Network()
    train(checked, hint(), teacher=other_teacher())
    monkeypatch.setattr("monai_kd.engines.first_step_checks.TermCheck.look", lambda *arguments: None)
    train(unchecked, hint(), teacher=other_teacher())
    assert all(torch.equal(a, b) for a, b in zip(checked.parameters(), unchecked.parameters(), strict=True))


FORMS = {
    "list": (lambda logits: [logits, logits[..., ::2, ::2]], DeepSupervisionLoss(ONE)),
    "tuple": (lambda logits: (logits, 2 * logits), lambda outputs, label: ONE(outputs[0], label)),
    "dict": (lambda logits: {"main": logits}, lambda outputs, label: ONE(outputs["main"], label)),
    "stacked": (
        lambda logits: torch.stack([logits, 2 * logits], 1),
        lambda outputs, label: sum(ONE(output, label) for output in outputs.unbind(1)),
    ),
}


@pytest.mark.parametrize("form", ["list", "dict", "stacked"])
@pytest.mark.parametrize("layer", ["", "head"])
def test_the_main_one_of_several_outputs_is_distilled(form, layer):
    make, loss = FORMS[form]
    student = Deep(make)
    before = student.first.weight.detach().clone()
    told = train(student, Pathways(logits=Pathway(LogitsKLLoss(), layer, "")), loss, teacher=other_teacher())[1]
    assert told == [] and not torch.equal(before, student.first.weight)


def test_outputs_of_one_resolution_are_refused_by_name_and_a_name_is_the_way():
    make, loss = FORMS["tuple"]
    with pytest.raises(ValueError, match=r"one resolution: '\[0\]' \(2, 2, 8, 8\), '\[1\]'.*student_layer='\[0\]'"):
        train(Deep(make), Pathways(logits=Pathway(LogitsKLLoss())), loss)
    by_name = train(Deep(make), Pathways(logits=Pathway(nn.MSELoss(), "[1]", "")), loss)[0]
    whole = train(Deep(lambda logits: 2 * logits), Pathways(logits=Pathway(nn.MSELoss())), lambda p, y: ONE(p / 2, y))
    terms, expected = loss_terms(by_name.state.output), loss_terms(whole[0].state.output)
    assert terms["logits"] == pytest.approx(expected["logits"], rel=1e-5) and terms["logits"] > 0


def test_a_teacher_that_stacks_its_outputs_gives_the_first():
    class Stacked(Network):
        def forward(self, x):
            logits = super().forward(x)
            return torch.stack([logits, 2 * logits], 1)

    stacked = train(Network(), Pathways(logits=Pathway(nn.MSELoss())), teacher=Stacked())[0]
    plain = train(Network(), Pathways(logits=Pathway(nn.MSELoss())), teacher=Network())[0]
    assert loss_terms(stacked.state.output) == loss_terms(plain.state.output)


@pytest.mark.parametrize("form", ["list", "dict"])
def test_several_outputs_with_images_without_a_label_train(form):
    make, loss = FORMS[form]
    data = [
        {**batch, "has_label": torch.tensor(flags)} for batch, flags in zip(batches(), ([1, 0], [0, 0]), strict=True)
    ]
    trainer, _ = train(Deep(make), Pathways(logits=Pathway(LogitsKLLoss(), "head", "")), loss, data=data)
    assert loss_terms(trainer.state.output)["supervised_loss"] == 0


def test_adapters_run_in_an_inferers_autocast():
    class HalfInferer(SimpleInferer):
        def __call__(self, inputs, network, *args, **kwargs):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return super().__call__(inputs, network, *args, **kwargs)

    adapters = {"student_adapter": ChannelAdapter(2, 4, 6), "teacher_adapter": nn.Conv2d(6, 6, 1)}
    trainer, told = train(Network(), hint(**adapters), teacher=other_teacher(6), inferer=HalfInferer())
    assert told == [] and loss_terms(trainer.state.output)["hint"] > 0


def test_a_part_of_a_teacher_adapter_set_to_training_mode_adapts_in_evaluation_mode():
    adapter = nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.5))
    pathway = Pathway(nn.MSELoss(), "a", teacher_adapter=adapter)
    adapter[0].train()
    pathway({"a": torch.rand(2, 4, 8, 8)}, {"a": torch.rand(2, 4, 8, 8)}, {})
    assert adapter[0].num_batches_tracked == 0 and not adapter[0].training


def test_a_layer_that_one_side_did_not_give_is_told():
    features = {"a": torch.rand(2, 4, 8, 8)}
    with pytest.raises(
        ValueError, match=r"The teacher's features hold \['b'\], but not the layer 'a'.*teacher_layer=''"
    ):
        Pathway(nn.MSELoss(), "a")(features, {"b": features["a"]}, {})
    with pytest.raises(ValueError, match=r"The student's features hold \[\], but not the layer 'a'"):
        Pathway(nn.MSELoss(), "a")({}, features, {})


def test_leaves_of_a_graph():
    layer, image = nn.Linear(2, 1), torch.rand(1, 2, requires_grad=True)
    leaves = reachable_leaves(layer(image))
    assert {id(leaf) for leaf in leaves.values()} == {id(layer.weight), id(layer.bias), id(image)}
    assert reachable_leaves(torch.zeros(1)) == {} and reachable_leaves(layer(image).detach()) == {}
    assert reachable_leaves(checkpoint(layer, image, use_reentrant=True)) is None


def test_in_one_process_an_unused_part_is_no_matter():
    network = Network()
    check_all_learn(network.first(torch.rand(1, 1, 4, 4)).sum(), {"student": network})
