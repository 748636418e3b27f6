# SPDX-License-Identifier: Apache-2.0
"""The record of a training in its checkpoint: other readers do not see it, and only an unchanged one is used."""

import json
import logging
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser
from monai.handlers import CheckpointLoader
from torch import nn

from monai_kd import load_weights
from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.record import load_record, recorded_settings
from monai_kd.bundle.record.definition import settings_for
from monai_kd.networks import StudentUNet
from monai_kd.utils.checkpoints import load_checkpoint, save_checkpoint
from tests.bundles.conftest import CLASSIFICATION, ROOT, unet

STUDENT = {
    "_target_": "monai_kd.networks.StudentUNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 2,
    "channels": [2, 4, 4],
}
RECORD = {"network_def": STUDENT, "spatial_size": [32, 32], "crop_margins": False}
OF_0_1_0 = [[[0.401472, -0.753370], [0.262745, 0.498633]], [[0.886129, 0.130819], [0.808426, 0.957112]]]


def student():
    torch.manual_seed(0)
    return StudentUNet(2, 1, 2, channels=[2, 4, 4])


def saved(path, record=RECORD):
    save_checkpoint(student().state_dict(), path, record)
    return path


def rewritten(path, change, comment=None):
    """The file with another record, as an archive program writes it; None keeps the comment, which is the digest."""
    with zipfile.ZipFile(path) as old:
        entries = [(entry, old.read(entry)) for entry in old.infolist()]
        comment = old.comment if comment is None else comment
    with zipfile.ZipFile(path, "w") as new:
        for entry, content in entries:
            new.writestr(entry, change if entry.filename.endswith("record.json") else content)
        new.comment = comment
    return path


def config(*names, root=ROOT, **values):
    return {**BundleFolder(root).config(*names), "bundle_root": str(root), **values}


def settings(path, *names, network="network_def", given=(), root=ROOT, **values):
    return recorded_settings(config(*names, root=root, **values), path, network, given, root / "configs")


def test_other_readers_see_a_plain_state_dict(tmp_path):
    path = saved(tmp_path / "model.pt")
    assert load_record(path) == RECORD
    for mapped in (False, True):
        assert torch.load(path, weights_only=True, mmap=mapped).keys() == student().state_dict().keys()
    loaded, engine = StudentUNet(2, 1, 2, channels=[2, 4, 4]), Engine(lambda *_: None)
    CheckpointLoader(str(path), {"model": loaded}).attach(engine)
    engine.run([0])
    assert torch.equal(loaded.head.weight, student().head.weight)
    assert load_record(shutil.copy(path, tmp_path / "elsewhere.pt")) == RECORD
    assert saved(tmp_path / "again.pt").read_bytes() == path.read_bytes()


def test_files_without_a_record(tmp_path):
    torch.save(student().state_dict(), tmp_path / "new.pt")
    torch.save(student().state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(nn.Conv2d(1, 1, 1)).save(tmp_path / "scripted.ts")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "new.pt").read_bytes()[:-30] + b"PK\5\6" + bytes(18))
    for name in ("new.pt", "old.pt", "scripted.ts", "cut.pt"):  # load_weights says what is wrong with them
        assert load_record(tmp_path / name) is None
    assert load_record(saved(tmp_path / "own.pt", None)) is None
    with pytest.raises(FileNotFoundError, match=r"No file '.*none\.pt'"):
        load_record(tmp_path / "none.pt")


def test_a_student_of_version_0_1_0_answers_as_then_and_takes_a_record(tmp_path):
    """The file is of a training by that version, and the numbers are its own."""
    old = Path(__file__).with_name("student_0_1_0.pt")
    assert load_record(old) is None
    save_checkpoint(load_checkpoint(old), tmp_path / "new.pt", RECORD)
    assert load_record(tmp_path / "new.pt") == RECORD
    image = torch.linspace(-1, 1, 32 * 32).reshape(1, 1, 32, 32)
    for path in (old, tmp_path / "new.pt"):
        logits = load_weights(student(), path).eval()(image)
        torch.testing.assert_close(logits[0, :, ::16, ::16], torch.tensor(OF_0_1_0), atol=1e-5, rtol=1e-5)


CHANGED = json.dumps({**RECORD, "spatial_size": [64, 64]})


@pytest.mark.parametrize(
    ("comment", "message"), [(None, "its bytes are not those"), (b"", "is not as it was saved: another program")]
)
def test_a_record_that_was_changed_by_hand_is_refused(tmp_path, comment, message):
    path = rewritten(saved(tmp_path / "model.pt"), CHANGED, comment)
    with pytest.raises(ValueError, match=message if comment is not None else "damaged"):
        load_record(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network_def": {"_target_": "os.system", "command": "touch pwned"}}, "of a 'os.system', which is no network"),
        ({"network_def": {**STUDENT, "norm": {"_target_": "subprocess.run"}}}, "of a 'subprocess.run'"),
        ({"network_def": {"_target_": "monai.networks.utils.convert_to_onnx"}}, "which is no network of MONAI"),
        ({"network_def": {"_target_": "monai.networks.none.Net"}}, "which is no network of MONAI"),
        ({"network_def": {**STUDENT, "norm": "$__import__('os').system('touch pwned')"}}, "not as it was saved"),
        ({"network_def": {**STUDENT, "channels": "@dataset_dir"}}, "not as it was saved"),
        ({"network_def": None}, "not as it was saved"),
        ({"spatial_size": "big"}, "'spatial_size' must be a list"),
    ],
)
def test_a_checkpoint_chooses_no_code(tmp_path, change, message):
    path = saved(tmp_path / "model.pt", {**RECORD, **change})
    with pytest.raises(ValueError, match=message):
        settings(path, "evaluate")


def test_only_the_known_ids_are_taken(tmp_path):
    path = saved(tmp_path / "model.pt", {**RECORD, "output_dir": "/elsewhere", "device": "cuda"})
    assert settings(path, "evaluate") == {"spatial_size": [32, 32], "student_channels": [2, 4, 4]}


def test_the_config_takes_what_differs_and_nothing_else(tmp_path):
    path = saved(tmp_path / "model.pt")
    assert settings(path, "inference") == {"spatial_size": [32, 32], "student_channels": [2, 4, 4]}
    same = {"spatial_size": [32, 32], "student_channels": [2, 4, 4]}
    assert settings(path, "inference", given=same, **same) == {}
    norm = saved(tmp_path / "norm.pt", {**RECORD, "network_def": {**STUDENT, "norm": "batch"}})
    assert settings(norm, "inference", **same) == {"network_def#norm": "batch"}
    teacher = saved(tmp_path / "teacher.pt", {"network_def": unet(4, 8, 8)})
    for names, name in ((["evaluate"], "network_def"), (["evaluate", "teacher"], "teacher_def")):
        assert settings(teacher, *names) == {name: unet(4, 8, 8)}


def test_expressions_follow_from_values(tmp_path):
    names = ("train", "teachers/paper")
    path = saved(tmp_path / "paper.pt", {"network_def": unet(4, 8, 8)})
    paper = {**unet(4, 8, 8), "strides": "$[2] * (len(@teacher_channels) - 1)", "channels": "@teacher_channels"}
    found = recorded_settings(config(*names, teacher_def=paper), path, "teacher_def")
    assert found == {"teacher_channels": [4, 8, 8]}


def test_a_teacher_does_not_change_the_student(tmp_path):
    """`teachers/student.json` builds teacher and student from the same channels."""
    path = saved(tmp_path / "teacher.pt")
    found = recorded_settings(config("train", "teachers/student"), path, "teacher_def")
    assert found == {"teacher_def#channels": [2, 4, 4]}


def test_a_member_of_an_ensemble_stays_one(tmp_path):
    path = saved(tmp_path / "teacher.pt", {"network_def": unet(4, 8)})
    found = recorded_settings(config("train", "teachers/ensemble"), path, "teacher_member")
    assert found == {"teacher_member": {"_mode_": "callable", **unet(4, 8)}}


def test_classes_come_along(tmp_path):
    resnet = {**BundleFolder(CLASSIFICATION).config("inference")["network_def"], "num_classes": 3}
    path = saved(
        tmp_path / "model.pt", {"network_def": {**resnet, "block_inplanes": [2, 2, 2, 2]}, "classes": [*"abc"]}
    )
    found = settings(path, "inference", root=CLASSIFICATION)
    assert found == {"classes": ["a", "b", "c"], "student_channels": [2, 2, 2, 2]}


GIVEN = [
    (["evaluate"], {"student_channels": [2, 4, 8]}, ["student_channels"]),
    (["evaluate"], {"student_channels": [16, 32, 48, 80, 128]}, ["student_channels"]),  # the default, but given
    (["evaluate"], {"network_def": unet(4, 8)}, ["network_def"]),
    (["evaluate"], {"student_channels": [2, 4, 8]}, []),  # in a program
    (["evaluate", "networks/small"], {}, []),
    (["evaluate", "networks/separable"], {}, []),
]


@pytest.mark.parametrize(("names", "values", "given"), GIVEN)
def test_what_was_given_and_builds_another_network_is_refused(tmp_path, names, values, given):
    path = saved(tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"is .*, but '.*model\.pt' was trained with .* Leave out the argument or"):
        settings(path, *names, given=given, **values)


def test_another_size_that_was_given_is_used_and_said(tmp_path, caplog):
    path = saved(tmp_path / "model.pt")
    found = settings(path, "evaluate", given=["spatial_size"], spatial_size=[64, 64])
    assert found == {"student_channels": [2, 4, 4]}
    assert f"spatial_size is [64, 64], but '{path}' was trained with [32, 32]." in caplog.messages
    caplog.clear()
    assert "spatial_size" not in recorded_settings(config("train"), path, "teacher_def")
    (warning,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert warning.getMessage().startswith("spatial_size is [224, 224], but")


def test_no_record_is_said_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = saved(tmp_path / "model.pt", None)
    for _ in range(2):
        assert settings(path, "evaluate") == {}
    assert [text for text in caplog.messages if "has no record of its training" in text] == [caplog.messages[-1]]


def test_no_record_of_the_bundles_own_weights_is_nothing_to_say(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = saved(tmp_path / "models" / "model.pt", None)
    assert recorded_settings(config("evaluate"), path, folder=tmp_path / "configs") == {}
    assert "has no record" not in caplog.text
    recorded_settings(config("evaluate"), path, folder=tmp_path / "other" / "configs")
    assert "has no record" in caplog.text


def test_weights_and_record_that_do_not_fit(tmp_path):
    path = saved(tmp_path / "model.pt", {**RECORD, "network_def": {**STUDENT, "channels": [3, 4, 4]}})
    with pytest.raises(ValueError, match=r"another network than .*The record in the file says: .*\[3, 4, 4\]"):
        load_weights(StudentUNet(2, 1, 2, channels=[3, 4, 4]), path)


def test_settings_for_nested_definitions():
    parser = ConfigParser({"net": {"_target_": "A", "inner": {"_target_": "B", "size": "@size"}}, "size": 1})
    assert settings_for(parser, "net", {"_target_": "A", "inner": {"_target_": "B", "size": 2}}) == {"size": 2}
    assert settings_for(parser, "net", {"_target_": "A"}) == {"net": {"_target_": "A"}}
    assert parser["net"] == {"_target_": "A"}


def test_programs_without_a_config():
    from monai_kd.bundle import training_record, use_records

    for call in (lambda: training_record(), lambda: use_records({})):
        with pytest.raises(ValueError, match="was called in Python"):
            call()


def test_values_that_json_cannot_hold_give_no_record():
    network = {"_target_": "UNet", "act": "$torch.nn.ReLU()"}
    record = "$__import__('monai_kd.bundle').bundle.training_record()"
    assert ConfigParser({"network_def": network, "record": record}).get_parsed_content("record") is None
    assert isinstance(ConfigParser({"network_def": network}).get_parsed_content("network_def#act"), nn.ReLU)
