# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import CacheDataset
from monai.losses import DiceCELoss
from monai.transforms import Compose, RandFlipd, RandSpatialCropd
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.losses import LogitsKLLoss
from monai_kd.teachers import LoadSoftTargetd, SoftTargets, StoredTeacher


class Counting(nn.Module):
    """A teacher that knows how often it ran."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.calls = nn.Conv2d(1, 2, 3, padding=1), 0

    def forward(self, image):
        self.calls += 1
        return self.conv(image)


@pytest.fixture
def setup(tmp_path):
    """Two cases in files, the transform that reads them, a teacher and the file of its weights."""
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(ord(name)).random((1, 8, 6), dtype=np.float32))
    cases = [{"case": name, "image": str(tmp_path / f"{name}.npy")} for name in "ab"]
    torch.save({"weight": torch.ones(1)}, tmp_path / "teacher.pt")
    teacher = Counting()
    return tmp_path, cases, {"transform": read, "network": teacher}, teacher


def read(case):
    return {**case, "image": torch.from_numpy(np.load(case["image"]))}


def targets(folder, **options):
    return SoftTargets(folder / "targets", folder / "teacher.pt", **options)


def test_the_teacher_runs_once_on_each_case(setup):
    folder, cases, how, teacher = setup
    stored = targets(folder)
    assert stored.fill(cases + cases, **how) == 2 and teacher.calls == 2
    assert targets(folder).fill(cases, **how) == 0 and teacher.calls == 2
    for case in cases:
        expected = teacher.conv(read(case)["image"][None])[0]
        kept = stored.load(case["case"])
        assert kept.dtype == np.float16
        assert np.allclose(kept, expected.detach(), rtol=2**-10, atol=2**-14)


def one_half(rank, folder, cases):
    torch.distributed.init_process_group("gloo", f"file://{folder}/together", rank=rank, world_size=2)
    count = targets(Path(folder)).fill(cases, transform=read, network=Counting())
    (Path(folder) / f"count{rank}").write_text(f"{count} {len(targets(Path(folder)).load('ab'[1 - rank]))}")
    torch.distributed.destroy_process_group()


def test_how_far_it_is_is_told(setup, monkeypatch, caplog):
    folder, cases, how, _ = setup
    monkeypatch.setattr("monai_kd.teachers.soft_targets.TELL_EVERY", 0)
    with caplog.at_level("INFO", logger="monai_kd"):
        targets(folder).fill(cases, **how)
    assert "Soft targets: 1 of 2 cases are done." in caplog.messages


def test_two_processes_share_the_cases_and_each_reads_the_others(setup):
    folder, cases, how, teacher = setup
    torch.multiprocessing.start_processes(one_half, (str(folder), cases), nprocs=2, start_method="forkserver")
    assert [(folder / f"count{rank}").read_text() for rank in range(2)] == ["1 2", "1 2"]
    assert targets(folder).fill(cases, **how) == 0 and teacher.calls == 0


def test_a_stopped_run_goes_on(setup):
    folder, cases, how, teacher = setup
    targets(folder).fill(cases[:1], **how)
    (folder / "targets" / "b.npy").write_bytes(b"half a file")  # no digest beside it
    assert targets(folder).fill(cases, **how) == 1 and teacher.calls == 2


@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_answer_is_computed_anew(setup, damage):
    folder, cases, how, _ = setup
    targets(folder).fill(cases, **how)
    file = folder / "targets" / "a.npy"
    expected = np.load(file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:150])
    elif damage == "gone":
        file.unlink()
    else:
        np.save(file, expected[:, :4])
    assert targets(folder).fill(cases, **how) == 1
    assert np.array_equal(targets(folder).load("a"), expected)


def test_an_image_that_changed_is_answered_anew(setup):
    folder, cases, how, _ = setup
    targets(folder).fill(cases, **how)
    np.save(folder / "a.npy", np.zeros((1, 8, 6), dtype=np.float32))
    assert targets(folder).fill(cases, **how) == 1


def test_answers_of_other_weights_or_settings_are_refused(setup):
    folder, cases, how, _ = setup
    targets(folder, settings={"spacing": (1.0, 2.0)}).fill(cases, **how)
    targets(folder, settings={"spacing": [1.0, 2.0]}).fill(cases, **how)
    with pytest.raises(ValueError, match=r"were made with another settings. Remove the folder, or name another one"):
        targets(folder, settings={"spacing": [1.0, 3.0]}).fill(cases, **how)
    with pytest.raises(ValueError, match="another mirror_axes"):
        targets(folder, settings={"spacing": [1.0, 2.0]}, mirror_axes=[0]).fill(cases, **how)
    torch.save({"weight": torch.zeros(1)}, folder / "teacher.pt")
    with pytest.raises(ValueError, match="another weights_sha256"):
        targets(folder, settings={"spacing": [1.0, 2.0]}).fill(cases, **how)
    (folder / "targets" / "provenance.json").write_text("{")
    with pytest.raises(ValueError, match=r"is not JSON.*Remove the folder"):
        targets(folder).fill(cases, **how)


def test_what_half_precision_does_not_hold_is_refused(setup):
    folder, cases, how, teacher = setup
    with torch.no_grad():
        teacher.conv.weight.mul_(1e7)
    with pytest.raises(ValueError, match=r"The teacher's logits on case 'a' reach .*half precision"):
        targets(folder).fill(cases, **how)
    assert not (folder / "targets" / "a.npy").exists()


def test_mirror_images_are_averaged(setup):
    folder, cases, how, teacher = setup
    stored = targets(folder, mirror_axes=[0, 1])
    stored.fill(cases, **how)
    image = read(cases[0])["image"][None]
    dims = [[2 + axis for axis in axes] for n in range(3) for axes in itertools.combinations((0, 1), n)]
    with torch.no_grad():
        expected = sum(teacher.conv(image.flip(d)).flip(d) if d else teacher.conv(image) for d in dims) / 4
    assert np.allclose(stored.load("a"), expected[0], rtol=2**-10, atol=2**-13)


def test_an_inferer_joins_windows(setup):
    folder, cases, how, teacher = setup
    stored = targets(folder)
    stored.fill(cases, inferer=lambda image, network: 2 * network(image), **how)
    assert np.allclose(stored.load("a"), 2 * teacher.conv(read(cases[0])["image"][None]).detach()[0], rtol=1e-2)


def test_crops_and_flips_move_image_and_answer_alike(setup):
    """With a teacher that answers its input, both are the same after every augmentation."""
    folder, cases, *_ = setup
    stored = targets(folder)
    stored.fill(cases, read, nn.Identity())
    transform = Compose(
        [
            read,
            LoadSoftTargetd(stored),
            RandSpatialCropd(["image", "soft_target"], roi_size=(4, 4), random_size=False),
            RandFlipd(["image", "soft_target"], prob=0.5, spatial_axis=0),
        ]
    ).set_random_state(0)
    seen = set()
    for _ in range(20):
        item = transform(cases[0])
        assert torch.equal(item["image"].half(), item["soft_target"])
        seen.add(float(item["image"][0, 0, 0]))
    assert len(seen) > 3


def test_caches_stop_before_the_answers(setup):
    folder, cases, how, _ = setup
    stored = targets(folder)
    stored.fill(cases, **how)
    cached = CacheDataset(cases, Compose([LoadSoftTargetd(stored)]), progress=False)
    assert "soft_target" not in cached._cache[0]


def test_missing_and_misfit_answers_are_told(setup):
    folder, cases, how, _ = setup
    stored = targets(folder)
    stored.fill(cases[:1], **how)
    with pytest.raises(FileNotFoundError, match=r"the teacher did not run on case 'b'. Start the training anew"):
        LoadSoftTargetd(stored)(read(cases[1]))
    with pytest.raises(ValueError, match=r"Case 'a' has size \(4, 6\), and its soft target \(8, 6\)"):
        LoadSoftTargetd(stored)({"case": "a", "image": torch.zeros(1, 4, 6)})


def test_a_student_learns_the_same_from_stored_answers_as_from_a_live_teacher(setup):
    folder, cases, how, teacher = setup
    stored = targets(folder)
    stored.fill(cases, **how)
    images = torch.stack([read(case)["image"] for case in cases])
    batch = {"image": images, "label": (images > 0.5).float()}
    batch["soft_target"] = torch.stack([torch.from_numpy(stored.load(case["case"])) for case in cases])
    students = {}
    for name, options in {
        "live": {"teacher": teacher},
        "stored": {"teacher": StoredTeacher(), "teacher_image": "soft_target"},
    }.items():
        torch.manual_seed(1)
        student = nn.Conv2d(1, 2, 3, padding=1)
        trainer = DistillationTrainer(
            network=student,
            pathways=Pathways(logits=Pathway(LogitsKLLoss(temperature=2.0))),
            optimizer=torch.optim.SGD(student.parameters(), 0.1),
            loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
            device=torch.device("cpu"),
            max_epochs=3,
            train_data_loader=[batch],
            **options,
        )
        trainer.run()
        students[name] = student
    assert torch.allclose(students["stored"].weight, students["live"].weight, atol=1e-3)
    torch.manual_seed(1)
    assert not torch.allclose(students["stored"].weight, nn.Conv2d(1, 2, 3, padding=1).weight, atol=1e-2)


def test_stored_answers_have_no_layers():
    student = nn.Conv2d(1, 2, 1)
    with pytest.raises(ValueError, match=r"compare the teacher's layers .*'inside'.*StoredTeacher gives"):
        DistillationTrainer(
            network=student,
            teacher=StoredTeacher(),
            pathways=Pathways(hidden=Pathway(nn.MSELoss(), "", "inside")),
            optimizer=torch.optim.SGD(student.parameters(), 0.1),
            loss_function=nn.MSELoss(),
            device=torch.device("cpu"),
            max_epochs=1,
            train_data_loader=[],
        )


def test_provenance_can_be_read(setup):
    folder, cases, how, _ = setup
    targets(folder, settings={"plans": "x"}, mirror_axes=(1,)).fill(cases, **how)
    told = json.loads((folder / "targets" / "provenance.json").read_text())
    assert told["settings"] == {"plans": "x"} and told["mirror_axes"] == [1] and len(told["weights_sha256"]) == 64
