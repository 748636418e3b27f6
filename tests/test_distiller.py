# SPDX-License-Identifier: Apache-2.0
"""One module in any loop: by hand, compiled, distributed, in Lightning and in accelerate; all train alike."""

import copy
import pickle
import warnings

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from monai.losses import DeepSupervisionLoss, DiceCELoss
from monai.networks.nets import DynUNet, SwinUNETR, UNet
from torch import nn

from monai_kd import CachedTeacher, DistillationTrainer, Distiller, Pathway, Pathways
from monai_kd.losses import AttentionTransferLoss, LogitsBCELoss, LogitsCorrelationLoss, LogitsKLLoss, SoftDiceLoss
from monai_kd.networks import ChannelAdapter, ChannelsFirst, TokensToMap

SUPERVISED = DiceCELoss(softmax=True, to_onehot_y=True)


def unet(width, seed):
    torch.manual_seed(seed)
    return UNet(2, 1, 2, channels=(width, 2 * width, 4 * width), strides=(2, 2))


def pathways(seed=0):
    torch.manual_seed(seed)
    adapter = ChannelAdapter(2, 4, 8)
    return Pathways(
        logits=Pathway(LogitsKLLoss(temperature=4.0), weight=0.5),
        hidden=Pathway(nn.MSELoss(), "model.0", student_adapter=adapter, weight=0.1),
    )


def batches(count=3, size=4):
    generator = torch.Generator().manual_seed(7)
    images = [torch.rand(size, 1, 16, 16, generator=generator) for _ in range(count)]
    return [{"image": image, "label": (image > 0.5).float()} for image in images]


def distiller(**arguments):
    return Distiller(unet(4, 1), unet(8, 2), pathways(), SUPERVISED, supervised_weight=0.5, **arguments)


def optimizer_of(module):
    return torch.optim.SGD(module.parameters(), 0.1)


def trained_by_hand(module=None, step=None):
    module = module or distiller()
    optimizer = optimizer_of(module)
    for batch in batches():
        loss = step(batch) if step else module.loss(batch["image"], batch["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module


def assert_same(a, b, **tolerance):
    for name, value in a.state_dict().items():
        torch.testing.assert_close(b.state_dict()[name], value, msg=name, **tolerance)


def test_its_state_is_student_and_pathways():
    module = distiller()
    assert {name.split(".")[0] for name in module.state_dict()} == {"student", "pathways"}
    assert len([*module.parameters()]) == len([*module.student.parameters()]) + 2
    fresh = distiller()
    fresh.load_state_dict(trained_by_hand(module).state_dict())
    assert_same(module, fresh)


def test_it_trains_as_the_trainer_does():
    module, other = trained_by_hand(), distiller()
    DistillationTrainer(
        network=other.student,
        teacher=unet(8, 2),
        pathways=other.pathways,
        optimizer=optimizer_of(other),
        loss_function=SUPERVISED,
        supervised_weight=0.5,
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=batches(),
    ).run()
    assert_same(module, other)


def test_the_teacher_stays_frozen_and_in_evaluation_mode():
    teacher = unet(8, 2)
    before = copy.deepcopy(teacher.state_dict())
    module = Distiller(unet(4, 1), teacher, pathways(), SUPERVISED)
    trained_by_hand(module.train())
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


def test_the_student_is_left_as_it_was():
    module = distiller()
    module(batches()[0]["image"])
    module.close()
    assert not any(part._forward_hooks for part in module.student.modules())
    module(batches()[0]["image"])  # and can go on


def test_a_copy_captures_its_own_student():
    original, batch = Distiller(unet(4, 1), unet(8, 2), pathways(), SUPERVISED), batches()[0]
    before = original.loss(**batch)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(original)))
    torch.testing.assert_close(copied.loss(**batch), before)
    torch.testing.assert_close(original.loss(**batch), before)


@pytest.mark.parametrize("layer", ["model.0", "model.1:input"])
def test_a_student_in_use_can_be_saved_whole(tmp_path, layer):
    routes = Pathways(hint=Pathway(nn.MSELoss(), layer, layer))
    module = Distiller(unet(4, 1), unet(4, 2), routes, SUPERVISED)
    batch = batches()[0]
    module.loss(**batch)
    torch.save(module.student, tmp_path / "student.pt")
    saved = torch.load(tmp_path / "student.pt", weights_only=False)
    torch.testing.assert_close(saved(batch["image"]), module.student(batch["image"]))
    module.loss(**batch).backward()  # the original is still captured


def test_another_call_of_the_student_is_not_captured():
    module, image = distiller(), batches()[0]["image"]
    _, expected = module(image)
    module.student(torch.rand(9, 1, 16, 16))
    assert module(image)[1]["hidden"] == expected["hidden"]


def test_it_moves_the_teacher_along():
    module = distiller().double()
    assert next(module.teacher.network.parameters()).dtype == torch.float64
    module(batches()[0]["image"].double())
    assert next(distiller().to("meta").teacher.network.parameters()).device.type == "meta"


def test_a_cached_teacher_is_run_once():
    routes = pathways()
    cached = CachedTeacher(unet(8, 2), routes.teacher_layers)
    module = Distiller(unet(4, 1), cached, routes, SUPERVISED, supervised_weight=0.5)
    assert_same(trained_by_hand(), trained_by_hand(module), rtol=1e-4, atol=1e-5)
    assert len(cached) == 12


def test_compiled():
    module = distiller()
    compiled = torch.compile(module, backend="aot_eager")

    def step(batch):
        prediction, terms = compiled(batch["image"])
        return 0.5 * SUPERVISED(prediction, batch["label"]) + sum(terms.values())

    assert_same(trained_by_hand(), trained_by_hand(module, step), rtol=1e-4, atol=1e-5)


def test_what_is_missing_is_told():
    module = Distiller(unet(4, 1), unet(8, 2), pathways())
    with pytest.raises(ValueError, match=r"needs the supervised loss. Give Distiller\(..., loss_function=...\)"):
        module.loss(**batches()[0])
    with pytest.raises(
        ValueError, match=r"The image is a dictionary of 'image', 'label'. .* distiller\(batch\['image'\]"
    ):
        module(batches()[0])
    with pytest.raises(ValueError, match="Wrap it: Pathways"):
        Distiller(unet(4, 1), unet(8, 2), LogitsKLLoss())
    with pytest.raises(ValueError, match="supervised_weight must be a number from 0, got -1"):
        Distiller(unet(4, 1), unet(8, 2), pathways(), supervised_weight=-1)
    typo = Pathways(hint=Pathway(nn.MSELoss(), "model.7"))
    with pytest.raises(ValueError, match=r"No layer 'model.7' in UNet\. Closest"):
        Distiller(unet(4, 1), unet(8, 2), typo)
    student = unet(4, 1)
    with pytest.raises(ValueError, match=r"shares .* parameters with the student"):
        Distiller(student, student, pathways())


@pytest.mark.parametrize("train", ["trainer", "hand"])
def test_deep_supervision_keeps_all_heads(train):
    torch.manual_seed(0)
    student = DynUNet(2, 1, 2, [3] * 3, [1, 2, 2], [2, 2], filters=[4, 8, 8], deep_supervision=True, deep_supr_num=1)
    loss = DeepSupervisionLoss(SUPERVISED)
    weights = [p for name, p in student.named_parameters() if "deep_supervision_heads" in name]
    before = [p.detach().clone() for p in weights]
    routes = Pathways(logits=Pathway(LogitsKLLoss()))
    if train == "hand":
        trained_by_hand(Distiller(student, unet(8, 2), routes, loss))
    else:
        DistillationTrainer(
            network=student,
            teacher=unet(8, 2),
            pathways=routes,
            optimizer=optimizer_of(student),
            loss_function=loss,
            device=torch.device("cpu"),
            max_epochs=1,
            train_data_loader=batches(),
        ).run()
    assert weights and all(not torch.equal(a, b) for a, b in zip(before, weights, strict=True))


def test_tokens_and_channels_last_become_maps():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(1, 8, 4, 4)
            self.tokens, self.last = nn.Identity(), nn.Identity()
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x):
            x = self.patches(x)
            tokens = self.tokens(x.flatten(2).transpose(1, 2))
            x = self.last(x.movedim(1, -1)).movedim(-1, 1) + 0 * tokens.mean()
            return nn.functional.interpolate(self.head(x), scale_factor=4)

    routes = {
        "tokens": Pathway(nn.MSELoss(), "patches", "tokens", teacher_adapter=TokensToMap((4, 4))),
        "last": Pathway(nn.MSELoss(), "last", "patches", student_adapter=ChannelsFirst()),
    }
    student = Tokens()
    _, terms = Distiller(student, copy.deepcopy(student), Pathways(**routes))(batches()[0]["image"])
    assert terms["tokens"] == terms["last"] == 0
    with pytest.raises(ValueError, match=r"expected \(B, 9 \+ 1, C\)"):
        TokensToMap((3, 3), extra_tokens=1)(torch.rand(2, 16, 8))


@pytest.mark.parametrize("loss", [LogitsKLLoss(), SoftDiceLoss(), LogitsCorrelationLoss(inter_weight=0)])
def test_a_softmax_of_sigmoid_heads_is_refused(loss):
    def build(supervised, compared=loss, layer=""):
        adapter = ChannelAdapter(2, 4, 8) if layer else None
        route = Pathway(compared, layer, student_adapter=adapter)
        return Distiller(unet(4, 0), unet(8, 1), Pathways(answers=route), supervised)

    independent = DiceCELoss(sigmoid=True)
    for supervised in (independent, DeepSupervisionLoss(independent), nn.BCEWithLogitsLoss()):
        with pytest.raises(ValueError, match=rf"{type(loss).__name__} of the pathway 'answers'.*sigmoid=True"):
            build(supervised)
    build(SUPERVISED)
    build(independent, LogitsKLLoss(sigmoid=True))
    build(independent, LogitsBCELoss())
    build(independent, layer="model.0")  # of hidden features, which have no activation yet


@pytest.mark.parametrize("size", [64, 96])
def test_tokens_and_channels_last_are_refused_by_name_and_never_taken_for_maps(size):
    teacher = SwinUNETR(1, 2, feature_size=12, spatial_dims=2)
    student, image = nn.Conv2d(1, 96, 3, stride=16, padding=1), torch.rand(2, 1, size, size)

    def terms(layer, adapter=None):
        # The loss takes features of any size and number of channels.
        route = Pathway(AttentionTransferLoss(), "", f"swinViT.{layer}", teacher_adapter=adapter)
        return Distiller(student, teacher, Pathways(hidden=route))(image)[1]

    with pytest.raises(
        ValueError, match=r"teacher's layer 'swinViT.layers4.0.blocks.1' .*channels are last.*ChannelsF"
    ):
        terms("layers4.0.blocks.1")
    assert terms("layers4.0.blocks.1", ChannelsFirst())["hidden"].isfinite()
    assert terms("layers4.0")["hidden"].isfinite()  # this one gives a map
    with pytest.raises(ValueError, match=r"tokens, not a map.*TokensToMap"):
        terms("layers4.0.blocks.1.attn")


def step_of(module, batch):
    prediction, terms = module(batch["image"], batch)
    return 0.5 * SUPERVISED(prediction, batch["label"]) + sum(terms.values())


def halves(rank, folder):
    """One of two processes, each on half of every batch."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    module = distiller()
    wrapped = nn.parallel.DistributedDataParallel(module)
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.1)
    for batch in batches():
        half = {key: value[rank::2] for key, value in batch.items()}
        optimizer.zero_grad()
        step_of(wrapped, half).backward()
        optimizer.step()
    torch.save(module.state_dict(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes(tmp_path):
    torch.multiprocessing.start_processes(halves, (str(tmp_path),), nprocs=2, start_method="forkserver")
    states = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
    # Dice is no mean over samples, so that two halves are only near the whole.
    whole = trained_by_hand().state_dict()
    start = distiller().state_dict()
    moved = sum((whole[name] - start[name]).norm() for name in whole)
    apart = sum((whole[name] - states[0][name]).norm() for name in whole)
    assert apart < 0.1 * moved


def test_in_lightning():
    lightning = pytest.importorskip("pytorch_lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.distiller = distiller()

        def training_step(self, batch, index):
            return self.distiller.loss(batch["image"], batch["label"])

        def configure_optimizers(self):
            return optimizer_of(self.distiller)

    module, loader = Module(), torch.utils.data.DataLoader(batches(), batch_size=None)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    lightning.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet).fit(module, loader)
    assert_same(trained_by_hand(), module.distiller)


def test_in_accelerate():
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    module = distiller()
    prepared, optimizer = accelerator.prepare(module, optimizer_of(module))
    for batch in batches():
        optimizer.zero_grad()
        accelerator.backward(step_of(prepared, batch))
        optimizer.step()
    assert_same(trained_by_hand(), module)


def pair(student_end=None, teacher_end=None):
    ends = [[end] if end else [] for end in (student_end, teacher_end)]
    torch.manual_seed(0)
    return [nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1), *end) for end in ends]


@pytest.mark.parametrize("side", ["student", "teacher"])
def test_probabilities_in_place_of_logits_are_told_once(side):
    student, teacher = pair(**{f"{side}_end": nn.Softmax(dim=1)})
    distiller = Distiller(student, teacher, Pathways(answer=Pathway(LogitsKLLoss(4.0))))
    with pytest.warns(UserWarning, match=rf"The {side} gives probabilities .* LogitsKLLoss of the pathway 'answer'"):
        distiller(torch.rand(2, 1, 8, 8))
    with warnings.catch_warnings(record=True) as told:
        distiller(torch.rand(2, 1, 8, 8))
    assert not told


def test_a_pathway_at_a_frozen_layer_is_told():
    student, teacher = pair()
    student[0].requires_grad_(False)
    hidden = Pathway(nn.MSELoss(), "0", student_adapter=ChannelAdapter(2, 4, 4))
    distiller = Distiller(student, teacher, Pathways(logits=Pathway(LogitsKLLoss()), hidden=hidden))
    with torch.no_grad():  # a validation says nothing of gradients
        distiller(torch.rand(2, 1, 8, 8))
    with pytest.warns(UserWarning, match="The pathway 'hidden' teaches the student nothing at its layer '0'"):
        distiller(torch.rand(2, 1, 8, 8))


def test_sound_pathways_are_silent():
    student, teacher = pair()
    distiller = Distiller(student, teacher, Pathways(logits=Pathway(LogitsKLLoss()), hidden=Pathway(nn.MSELoss(), "0")))
    with warnings.catch_warnings(record=True) as told:
        distiller(torch.rand(2, 1, 8, 8))
    assert not told
