# SPDX-License-Identifier: Apache-2.0
"""Bundles are written in many ways; each of these is a teacher."""

import json
import subprocess
import sys

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd.student_bundle import Request, make_draft, write_bundle
from tests.student_bundle.zoo_bundles import edit, make_ct_data, save_weights

# Stock MONAI's command line where this package is not installed.
WITHOUT = """
import runpy, sys
from pathlib import Path
sys.path = [place for place in sys.path if not Path(place or ".", "monai_kd").is_dir()]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
try:
    import monai_kd
except ImportError:
    sys.argv = sys.argv[1:]
    runpy.run_module("monai.bundle", run_name="__main__")
else:
    sys.exit("monai_kd is there")
"""
NET = (
    "from monai.networks.nets import UNet\n\n\nclass Net(UNet):\n"
    "    def forward(self, x):\n        return super().forward(x)\n"
)


def draft_of(root, zoo, data=None, **values):
    return make_draft(Request(root, str(zoo / "student.json"), data or zoo / "ct_data", **values))


def read(root, name):
    return json.loads((root / "configs" / f"{name}.json").read_text())


def own_lines(config):
    """The lines of ``initialize`` after the new bundle's own checks."""
    check, claim, *lines = config["initialize"]
    assert check == "$monai_kd.bundle.check_arguments()" and "claim_outputs(@output_dir" in claim
    return lines


@pytest.mark.parametrize("key", ["model", "state_dict", "net"])
def test_weights_under_a_key_and_of_several_devices(key, ct, zoo):
    path = ct / "models" / "model.pt"
    state = torch.load(path, weights_only=True)
    torch.save({key: {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, path)
    assert draft_of(ct, zoo).state.keys() == state.keys()


def test_weights_in_torchscript(ct, zoo):
    network = ConfigParser(read(ct, "inference")).get_parsed_content("network_def").eval()
    torch.jit.trace(network, torch.zeros(1, 1, 16, 16, 16)).save(ct / "models" / "model.ts")
    (ct / "models" / "model.pt").unlink()
    state = draft_of(ct, zoo).state
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


def test_the_definition_in_the_networks_own_place(ct, zoo):
    definition = read(ct, "train")["network_def"]
    edit(ct, "train", network_def=None, network=definition)
    train = draft_of(ct, zoo).configs["train"]
    assert train["network_def"]["_target_"] == "monai_kd.networks.StudentUNet"
    assert train["network"] == "$@network_def.to(@device)" and train["teacher_def"] == definition


def test_a_training_in_yaml_and_several_files(ct, zoo):
    yaml = pytest.importorskip("yaml")
    train = read(ct, "train")
    (ct / "configs" / "train.json").unlink()
    train["training"] = train.pop("run")  # its former name
    overlay = ct / "configs" / "short.yaml"
    overlay.write_text(yaml.safe_dump({"val_interval": 2, "train#trainer#max_epochs": 7}))
    (ct / "configs" / "train.yaml").write_text(yaml.safe_dump(train))
    draft = draft_of(ct, zoo, configs=(ct / "configs" / "train.yaml", overlay))
    new = draft.configs["train"]
    assert new["val_interval"] == 2 and new["train"]["trainer"]["max_epochs"] == 7
    assert new["run"] == ["$@train#trainer.run()"] and "training" not in new


def test_yaml_without_its_package(ct, zoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (ct / "configs" / "train.json").rename(ct / "configs" / "train.yaml")
    with pytest.raises(ImportError, match=r"train\.yaml' is YAML and needs .* pip install pyyaml"):
        draft_of(ct, zoo)


def test_the_teachers_start_weights_are_not_the_students(ct, zoo):
    loader = {"_target_": "CheckpointLoader", "load_path": "$@ckpt_dir + '/model.pt'", "load_dict": {"m": "@network"}}
    train = read(ct, "train")
    edit(
        ct,
        "train",
        train__handlers=[*train["train"]["handlers"], loader],
        start=loader,
        initialize=["$monai.utils.set_determinism(seed=123)", "$@start(@train#trainer)"],
    )
    new = draft_of(ct, zoo).configs["train"]
    assert new["train"]["handlers"][-1]["_disabled_"] is True and len(new["train"]["handlers"]) == 4
    assert own_lines(new) == ["$monai.utils.set_determinism(seed=123)"]
    evaluate = draft_of(ct, zoo).configs["evaluate"]  # where the student is loaded
    assert "_disabled_" not in evaluate["validate#handlers"][0]


def test_programs_of_one_line(ct, zoo):
    loader = {"_target_": "CheckpointLoader", "load_path": "$@ckpt_dir + '/model.pt'", "load_dict": {"m": "@network"}}
    edit(ct, "train", imports="$import os", start=loader, initialize="$@start(@train#trainer)")
    edit(ct, "train", run="$@train#trainer.run()")
    draft = draft_of(ct, zoo)
    new = draft.configs["train"]
    assert new["imports"] == ["$import os", "$import monai_kd"]
    assert own_lines(new) == [] and new["run"] == ["$@train#trainer.run()"]
    edit(ct, "train", initialize="$@network.load_state_dict(torch.load('start.pt'))")
    with pytest.raises(ValueError, match=r"'initialize' loads weights by .*@network\.load_state_dict"):
        draft_of(ct, zoo)


def test_other_savers_and_schedules_are_resumed(ct, zoo, tmp_path):
    saver = {
        "_target_": "CheckpointSaver",
        "save_dir": "@ckpt_dir",
        "save_dict": {"model": "@network", "optimizer": "@optimizer"},
        "save_final": True,
    }
    schedule = {
        "_target_": "LrScheduleHandler",
        "lr_scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "optimizer": "@optimizer", "step_size": 2},
    }
    edit(
        ct,
        "train",
        train__handlers=[*read(ct, "train")["train"]["handlers"], schedule, saver],
        optimizer__params=[{"params": "$@network.parameters()"}],
    )
    draft = draft_of(ct, zoo)
    new = draft.configs["train"]
    assert new["train"]["handlers"][-1]["save_dict"]["pathways"] == "@pathways"
    assert new["resume_handlers"][1]["objects"]["lr_scheduler"] == "@train#handlers#3#lr_scheduler"
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")  # which makes every component, adapters too


def test_a_training_that_writes_a_file_called_teacher(ct, zoo, tmp_path):
    best = read(ct, "train")["validate"]["handlers"][2]
    handlers = [*read(ct, "train")["validate"]["handlers"][:2], "@best"]
    edit(ct, "train", best={**best, "key_metric_filename": "teacher.pt"}, validate__handlers=handlers)
    draft = draft_of(ct, zoo)
    new = draft.configs["train"]
    assert new["best"] == "@best_checkpoint" and new["student_checkpoint"] == "$@ckpt_dir + '/model.pt'"
    assert new["best_checkpoint"]["_target_"] == "monai_kd.handlers.AtomicCheckpointSaver"
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    assert [file.name for file in (tmp_path / "new" / "models").iterdir()] == ["frozen_teacher.pt"]


def test_an_own_network_in_scripts(ct, zoo, tmp_path):
    (ct / "scripts").mkdir()
    (ct / "scripts" / "net.py").write_text(NET)
    for name in ("train", "inference"):
        edit(ct, name, network_def___target_="scripts.net.Net")
    draft = draft_of(ct, zoo)
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    names = sorted(path.name for path in (tmp_path / "new" / "scripts").iterdir())
    assert names == ["__init__.py", "distilled", "net.py"]  # its own, and the student's source


def test_an_evaluation_by_itself_and_configs_that_do_not_serve(ct, zoo, tmp_path):
    inference = read(ct, "inference")
    (ct / "configs" / "evaluate.json").write_text(json.dumps(inference))
    (ct / "configs" / "search.json").write_text(json.dumps({"network_def": inference["network_def"]}))
    (ct / "configs" / "datalist.json").write_text(json.dumps({"training": [{"image": "a", "label": "b"}]}))
    draft = draft_of(ct, zoo)
    assert draft.left_out == ["search.json"]
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    assert read(tmp_path / "new", "evaluate")["network_def"] == draft.configs["train"]["network_def"]
    assert (tmp_path / "new" / "configs" / "datalist.json").is_file()
    assert not (tmp_path / "new" / "configs" / "search.json").exists()


def test_lists_and_damaged_files_beside_the_configs_are_copied(ct, zoo, tmp_path):
    files = {"frames.json": '["a.png", "b.png"]', "old.json": "{", "broken.yaml": "a: [", "notes.txt": "mine"}
    for name, text in files.items():
        (ct / "configs" / name).write_text(text)
    draft = draft_of(ct, zoo)
    assert draft.left_out == []
    for name, note in zip(("broken.yaml' is not YAML", "old.json' is not JSON"), draft.notes, strict=True):
        assert name in note and "copied as it is" in note
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    for name, text in files.items():
        assert (tmp_path / "new" / "configs" / name).read_text() == text


def test_a_damaged_evaluation_is_refused(ct, zoo):
    (ct / "configs" / "evaluate.json").write_text("{")
    with pytest.raises(ValueError, match=r"configs/evaluate\.json' is not JSON"):
        draft_of(ct, zoo)


def test_epochs_reach_the_schedules(ct, zoo):
    edit(ct, "train", epochs=300, train__trainer__max_epochs="@epochs")
    new = draft_of(ct, zoo, epochs=5).configs["train"]
    assert new["epochs"] == 5 and new["train"]["trainer"]["max_epochs"] == "@epochs"


def test_overlapping_classes_are_compared_one_by_one(ct, zoo, tmp_path):
    for name in ("train", "inference"):
        edit(ct, name, network_def__out_channels=1)
    edit(
        ct,
        "train",
        loss={"_target_": "DiceLoss", "sigmoid": True},
        train__postprocessing={
            "_target_": "Compose",
            "transforms": [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}],
        },
    )
    pred = "network_data_format__outputs__pred"
    edit(ct, "metadata", **{f"{pred}__num_channels": 1, f"{pred}__channel_def": {"0": "spleen"}})
    save_weights(ct)
    draft = draft_of(ct, zoo)
    assert draft.logits == "logits_bce" and draft.notes == []
    with pytest.raises(ValueError, match="goes through a sigmoid"):
        draft_of(ct, zoo, method="logits_kl")
    empty = make_ct_data(tmp_path / "empty", count=2, inside=0)
    with pytest.raises(ValueError, match="all are background"):
        make_draft(Request(ct, str(zoo / "student.json"), empty))


def test_a_stock_student_needs_stock_monai_alone(ct, zoo, tmp_path):
    student = {"_target_": "UNet", "channels": [2, 4, 4], "strides": [2, 2]}
    (tmp_path / "student.json").write_text(json.dumps(student))
    draft = make_draft(Request(ct, str(tmp_path / "student.json"), zoo / "ct_data"))
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    assert "monai-kd" not in read(tmp_path / "new", "metadata")["required_packages_version"]
    config = tmp_path / "new" / "configs" / "inference.json"
    words = [sys.executable, "-c", WITHOUT, "monai.bundle", "run", "--config_file", str(config), "--bundle_root"]
    words += [str(tmp_path / "new"), "--dataset_dir", str(zoo / "ct_data")]
    torch.save(draft.student.network.state_dict(), tmp_path / "new" / "models" / "model.pt")
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert any((tmp_path / "new" / "eval").rglob("*.nii.gz"))
