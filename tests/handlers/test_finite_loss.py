# SPDX-License-Identifier: Apache-2.0
"""A loss that is not finite ends training before weights are saved."""

import pytest
import torch
from ignite.engine import Events
from monai.data import MetaTensor
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.engines import add_loss_term
from monai_kd.handlers import AtomicCheckpointSaver, FiniteLossHandler, ResumeHandler

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def batches(count, wrong, value=float("nan")):
    """Batches of two images; one pixel of one image is wrong."""
    data = [
        {"id": [f"a{i}", f"b{i}"], "image": torch.rand(2, 1, 4, 4), "label": torch.rand(2, 1, 4, 4)}
        for i in range(count)
    ]
    if wrong is not None:
        data[wrong]["image"][1, 0, 2, 2] = value
    return data


def trainer(data, handlers, device="cpu", network=None, **arguments):
    network = network or nn.Conv2d(1, 1, 1)
    return SupervisedTrainer(
        device=torch.device(device),
        max_epochs=2,
        train_data_loader=data,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), 0.01),
        loss_function=nn.MSELoss(),
        train_handlers=handlers,
        **arguments,
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("wrong", [0, 1, 3])
def test_training_ends_and_nothing_is_saved(tmp_path, device, value, wrong):
    network = nn.Conv2d(1, 1, 1).to(device)
    every = AtomicCheckpointSaver(str(tmp_path), {"model": network}, save_interval=1, n_saved=9)
    last = ResumeHandler(tmp_path / "last.pt", {"network": network})
    run = trainer(batches(4, wrong, value), [FiniteLossHandler(), every, last], device, network)
    place = rf"iteration {wrong + 1} \(epoch 1\)"
    match = rf"^The loss is not finite in {place}: loss is (nan|inf)\. Images: a{wrong}, b{wrong}\."
    with pytest.raises(ValueError, match=match) as error:
        run.run()
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
    assert run.state.iteration <= wrong + (1 if device == "cpu" else 2)
    if device == "cpu":  # judged before the step
        assert all(p.isfinite().all() for p in network.parameters())


def test_finite_losses_are_left_alone():
    run = trainer(batches(3, None), [FiniteLossHandler()])
    run.run()
    assert run.state.iteration == 6


def test_terms_that_handlers_add_are_named():
    run = trainer(batches(3, None), [FiniteLossHandler()])

    @run.on(IterationEvents.LOSS_COMPLETED)
    def add(engine):
        add_loss_term(engine, "fine", torch.tensor(1.0))
        add_loss_term(engine, "wrong", torch.tensor(float("inf") if engine.state.iteration == 5 else 1.0))

    with pytest.raises(ValueError, match=r"in iteration 5 \(epoch 2\): wrong is inf\. Images: a1, b1\. Check"):
        run.run()


def test_distillation_has_it_by_default_and_names_the_pathway():
    student, teacher = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    nn.init.constant_(teacher.bias, float("nan"))
    run = DistillationTrainer(
        network=student,
        teacher=teacher,
        pathways=Pathways(logits=Pathway(nn.MSELoss()), own=Pathway(nn.MSELoss(), weight=0.0)),
        optimizer=torch.optim.SGD(student.parameters(), 0.01),
        loss_function=nn.MSELoss(),
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=batches(2, None),
    )
    with pytest.raises(
        ValueError, match=r"in iteration 1 \(epoch 1\): logits is nan and own is nan\. Images: a0, b0\."
    ):
        run.run()
    assert all(p.isfinite().all() for p in student.parameters())


def test_files_are_named_where_there_are_no_ids():
    data = batches(1, 0)
    del data[0]["id"]
    data[0]["image"] = MetaTensor(data[0]["image"], meta={"filename_or_obj": ["scans/1.png", "scans/2.png"]})
    with pytest.raises(ValueError, match=r"Images: scans/1\.png, scans/2\.png\."):
        trainer(data, [FiniteLossHandler()]).run()
    data[0]["image"] = data[0]["image"].as_tensor()
    with pytest.raises(ValueError, match=r"Images: unknown, because the batch has no 'id'\."):
        trainer(data, [FiniteLossHandler()]).run()


def test_gradients_that_overflow_are_the_scalers_affair():
    """A finite loss whose gradient is not finite."""
    network = nn.Conv2d(1, 1, 1)
    network.weight.register_hook(lambda gradient: gradient * float("inf"))
    run = trainer(batches(2, None), [FiniteLossHandler()], network=network)
    run.optimizer = torch.optim.SGD([network.bias], 0.01)
    run.run()
    assert run.state.iteration == 4


@pytest.mark.parametrize("kind", ["best", "last"])
def test_weights_that_are_not_finite_are_never_saved(tmp_path, kind):
    network = nn.Conv2d(1, 1, 1)
    (tmp_path / "model.pt").write_text("former")
    saver = {
        "best": AtomicCheckpointSaver(
            str(tmp_path), {"model": network}, save_final=True, final_filename="model.pt", save_interval=0
        ),
        "last": ResumeHandler(tmp_path / "model.pt", {"network": network}, resume=False),
    }[kind]
    run = trainer(batches(1, None), [saver], network=network)
    run.add_event_handler(Events.ITERATION_COMPLETED, lambda: network.bias.data.fill_(float("nan")))
    with pytest.raises(
        ValueError, match=r"model\.pt' was not saved: .*not finite, first '(weight|bias)' \(1 of 1\)\. An older"
    ):
        run.run()
    assert (tmp_path / "model.pt").read_text() == "former"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
