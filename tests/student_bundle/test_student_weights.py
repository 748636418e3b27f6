# SPDX-License-Identifier: Apache-2.0
"""
The training writes one file of weights, and every other config reads it, whatever files the teacher's configs name.
"""

import json
import shutil

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd.bundle.scripts import importable_scripts
from monai_kd.student_bundle import Request, make_draft, write_bundle
from tests.student_bundle.test_zoo_bundles import run
from tests.student_bundle.zoo_bundles import edit

NETWORK = {"model": "@network"}


def read(root, name):
    return json.loads((root / "configs" / f"{name}.json").read_text())


def written(root, zoo, folder, tried=False, **values):
    draft = make_draft(Request(root, str(zoo / "student.json"), zoo / "ct_data", **values))
    write_bundle(draft, [], folder, zoo / "ct_data", tried=tried)
    return draft


def names(folder):
    return sorted(path.name for path in (folder / "models").iterdir() if not path.name.startswith("."))


LOADERS = {
    "another file": {"load_path": "$@bundle_root + '/models/tuned.pt'"},
    "an id": {"load_path": "@ckpt_path"},
    "only if there is one": {"load_path": "@ckpt_path", "_disabled_": "$not os.path.exists(@ckpt_path)"},
    "whatever fits": {"load_path": "@ckpt_path", "strict": False},
    "more than the network": {"load_path": "@ckpt_path", "load_dict": {"net": "@network", "state": "@evaluator"}},
}


@pytest.mark.parametrize("name", LOADERS)
def test_every_config_reads_what_the_training_writes(name, ct, zoo, tmp_path):
    saver = read(ct, "train")["validate"]["handlers"][2]
    handlers = read(ct, "train")["validate"]["handlers"][:2]
    edit(ct, "train", validate__handlers=[*handlers, {**saver, "key_metric_filename": "latest.pt"}])
    loader = {"_target_": "CheckpointLoader", "load_dict": NETWORK, **LOADERS[name]}
    edit(ct, "inference", ckpt_path="$@bundle_root + '/models/tuned.pt'", checkpointloader=loader)
    evaluate = read(ct, "evaluate")
    evaluate["validate#handlers"][0]["load_path"] = "$@ckpt_dir + '/tuned.pt'"
    (ct / "configs" / "evaluate.json").write_text(json.dumps(evaluate))
    for file in ("latest.pt", "tuned.pt"):  # the teacher's, which are not the student's
        shutil.copy(ct / "models" / "model.pt", ct / "models" / file)
    new = tmp_path / "new"
    draft = written(ct, zoo, new, weights=ct / "models" / "tuned.pt")
    assert names(new) == ["teacher.pt"]
    torch.save(draft.student.network.state_dict(), new / "models" / "model.pt")
    parser = ConfigParser(read(new, "inference") | {"bundle_root": str(new), "dataset_dir": str(zoo / "ct_data")})
    with importable_scripts(new):
        for line in parser["initialize"]:
            if "checkpointloader" in line:
                parser["loaded"] = line
                parser.get_parsed_content("loaded")
        network, expected = parser.get_parsed_content("network"), draft.student.network.state_dict()
        assert all(torch.equal(value.cpu(), expected[key]) for key, value in network.state_dict().items())
        (new / "models" / "model.pt").unlink()
        with pytest.raises(RuntimeError) as caught:  # random weights must not go unnoticed
            ConfigParser(dict(parser.get())).get_parsed_content("loaded")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_config_that_loads_nothing_loads_the_student(ct, zoo, tmp_path):
    edit(ct, "inference", initialize=["$monai.utils.set_determinism(seed=123)"], checkpointloader=None)
    evaluate = read(ct, "evaluate")
    del evaluate["validate#handlers"][0]
    (ct / "configs" / "evaluate.json").write_text(json.dumps(evaluate))
    written(ct, zoo, tmp_path / "new", tried=True)
    assert read(tmp_path / "new", "inference")["initialize"][-1] == "$@student_loader(@evaluator)"
    assert read(tmp_path / "new", "evaluate")["initialize"][-1] == "$@student_loader(@validate#evaluator)"


def test_weights_that_an_expression_loads_are_refused(ct, zoo):
    edit(ct, "inference", initialize=["$@network.load_state_dict(torch.load('tuned.pt'))"])
    with pytest.raises(ValueError, match=r"inference\.json loads weights by .*tuned\.pt.*CheckpointLoader"):
        make_draft(Request(ct, str(zoo / "student.json"), zoo / "ct_data"))


def no_saver(ct):
    edit(ct, "train", validate__handlers=read(ct, "train")["validate"]["handlers"][:2])


def switched_off(ct):
    edit(ct, "train", rank=0, validate__handlers__2___disabled_="$@rank > 0")


def elsewhere(ct):
    edit(ct, "train", ckpt_dir="$@bundle_root + '/results'", validate__handlers__2__key_metric_n_saved=3)


def every_iteration(ct):
    edit(ct, "train", train__handlers__0__epoch_level=False, train__handlers__0__interval=1000)


def no_validation(ct):
    edit(ct, "train", train__handlers=read(ct, "train")["train"]["handlers"][1:])


def no_score(ct):
    no_saver(ct)
    config = read(ct, "train")
    del config["validate"]["evaluator"]["key_val_metric"]
    (ct / "configs" / "train.json").write_text(json.dumps(config))


@pytest.mark.parametrize("spoil", [no_saver, switched_off, elsewhere, every_iteration, no_validation, no_score])
def test_a_short_training_leaves_the_student(spoil, ct, zoo, tmp_path):
    edit(ct, "train", val_interval=7)
    spoil(ct)
    new = tmp_path / "new"
    written(ct, zoo, new, epochs=1)
    workflow = run(new, ["train"], zoo / "ct_data")
    assert {"model.pt", "teacher.pt"} <= set(names(new))
    state = torch.load(new / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(value, state[key]) for key, value in workflow.network_def.state_dict().items())
