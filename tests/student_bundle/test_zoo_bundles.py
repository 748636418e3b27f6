# SPDX-License-Identifier: Apache-2.0
"""A student is distilled, evaluated and applied from bundles in the Model Zoo's structure, in 2D and 3D."""

import json
import logging
import re
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out
from PIL import Image

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.record import load_record
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.commands.run.run_errors import told
from monai_kd.packing import pack_bundle
from monai_kd.student_bundle import Request, make_draft, write_bundle

HIDDEN = ["train", "methods/hidden"]


def run(root, names, data, **values):
    workflow = ConfigWorkflow(
        config_file=[str(root / "configs" / f"{name}.json") for name in names],
        workflow_type="infer" if names == ["inference"] else "train",
        logging_file=False,
        bundle_root=str(root),
        dataset_dir=str(data),
        **values,
    )
    with importable_scripts(root):
        workflow.initialize()
        assert workflow.check_properties() == []
        workflow.run()
        workflow.finalize()
    return workflow


def distilled(zoo, name, folder):
    request = Request(zoo / name, str(zoo / "student.json"), zoo / f"{name}_data", epochs=1)
    draft = make_draft(request)
    write_bundle(draft, draft.pairs, folder, request.dataset_dir)
    return draft


def terms(workflow):
    output = workflow.trainer.state.output
    return set(output[0] if isinstance(output, list) else output)


def test_a_3d_bundle(zoo, tmp_path, caplog, monkeypatch):
    root, data = tmp_path / "new", zoo / "ct_data"
    draft = distilled(zoo, "ct", root)
    assert [(pair.student.name, pair.teacher.name) for pair in draft.pairs] == [
        ("encoder.levels.0", "model.0"),
        ("encoder.levels.1", "model.1.submodule.0"),
        ("encoder", "model.1.submodule.1.submodule.1.submodule"),
        ("decoder.levels.0", "model.1.submodule.1.submodule"),
        ("decoder", "model.1.submodule"),
    ]

    caplog.set_level("INFO")
    # MONAI's logger of this name does not pass its lines on to other loggers.
    monkeypatch.setattr(logging.getLogger("monai.handlers.StatsHandler"), "handlers", [caplog.handler])
    workflow = run(root, HIDDEN, data)
    assert {"supervised_loss", "logits", "hidden"} <= terms(workflow)
    assert "hidden: " in caplog.text and "logits: " in caplog.text
    trained = torch.load(root / "models" / "model.pt", weights_only=True)
    assert trained.keys() == draft.student.network.state_dict().keys()
    teacher, before = torch.load(root / "models" / "teacher.pt", weights_only=True), draft.state
    assert all(torch.equal(teacher[name], before[name]) for name in before)

    run(root, HIDDEN, data)
    assert "Resumed from" in caplog.text and "had ended already" in caplog.text
    assert "val_mean_dice" in run(root, ["train", "evaluate"], data).evaluator.state.metrics
    run(root, ["inference"], data)
    mask = nibabel.load(root / "eval" / "spleen_9" / "spleen_9_trans.nii.gz")
    assert mask.shape == (32, 32, 32) and set(np.unique(mask.dataobj)) <= {0, 1}

    weights = root / "models" / "model.pt"
    assert load_record(weights)["network_def"]["channels"] == [4, 6, 8] and "From the record" not in caplog.text
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    for names in (["inference"], ["train", "evaluate"]):
        with pytest.raises(Exception) as damaged:
            run(root, names, data)
        assert "It is damaged: its bytes are not those" in told(damaged.value) and str(weights) in told(damaged.value)


def test_an_image_that_two_processes_score_gives_no_score(made):
    """An overlay for several processes, which replaces the handlers, keeps the check; so does an evaluation."""
    for name in ("multi_gpu_train", "evaluate"):
        config = BundleFolder(made).config("train", name)
        handlers = config["validate"]["evaluator"]["val_handlers"]
        assert handlers[0] == "@each_image_once" or handlers.startswith("$[@each_image_once] + list(")


def test_a_2d_bundle(zoo, tmp_path):
    root, data = tmp_path / "new", zoo / "tools_data"
    draft = distilled(zoo, "tools", root)
    assert draft.student.network.in_channels == 3
    assert ("encoder.levels.0", "encoder._blocks.0") in [(p.student.name, p.teacher.name) for p in draft.pairs]

    workflow = run(root, ["train"], data)
    assert "logits" in terms(workflow) and "hidden" not in terms(workflow)
    state = torch.load(root / "eval" / "last.pt", weights_only=True)
    assert {"network", "optimizer", "pathways", "lr_scheduler", "best"} == set(state["objects"])
    assert "val_mean_dice" in run(root, ["train", "evaluate"], data).evaluator.state.metrics
    run(root, ["inference"], data)
    assert Image.open(root / "eval" / "frame0" / "frame0_trans.png").size == (80, 48)


@pytest.fixture(scope="module")
def made(zoo, tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "new"
    distilled(zoo, "ct", root)
    return root


def test_the_overlay_of_the_docs_distils_too(ct, zoo):
    page = Path(__file__).parents[2] / "docs" / "distill.md"
    overlay = json.loads(re.findall(r"```json\n(.*?)```", page.read_text(), re.S)[-1])
    train = json.loads((ct / "configs" / "train.json").read_text())
    overlay |= {"teacher_def": train["network_def"], "train#trainer#max_epochs": 1}
    overlay["network_def"]["channels"] = [4, 6, 8]
    (ct / "configs" / "distil.json").write_text(json.dumps(overlay))
    (ct / "models" / "model.pt").rename(ct / "models" / "teacher.pt")
    assert "logits" in terms(run(ct, ["train", "distil"], zoo / "ct_data"))


def test_the_zoos_checks_of_the_new_bundle(made, tmp_path):
    meta, inference = str(made / "configs" / "metadata.json"), str(made / "configs" / "inference.json")
    exported = tmp_path / "model.ts"
    with importable_scripts(made):  # as in the bundle's folder, where the Zoo's checks are run
        verify_net_in_out(net_id="network_def", meta_file=meta, config_file=inference, device="cpu")
        network = ConfigParser(ConfigParser.load_config_file(inference)).get_parsed_content("network_def")
        torch.save(network.state_dict(), tmp_path / "model.pt")
        ckpt_export(
            net_id="network_def",
            filepath=str(exported),
            ckpt_file=str(tmp_path / "model.pt"),
            meta_file=meta,
            config_file=inference,
        )
    assert torch.jit.load(exported)(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 2, 16, 16, 16)


def test_metadata_names_the_teacher_and_what_is_needed(made, tmp_path):
    metadata = json.loads((made / "configs" / "metadata.json").read_text())
    required = {
        "schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task",
        "description", "authors", "copyright", "network_data_format", "changelog",
    }  # fmt: skip
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "required": sorted(required)}))
    verify_metadata(meta_file=str(made / "configs" / "metadata.json"), filepath=str(schema))
    assert metadata["version"] in metadata["changelog"] and "Spleen CT 0.5.9" in metadata["changelog"]["0.1.0"]
    assert metadata["teacher_data_format"] == metadata["network_data_format"]
    assert "monai-kd" not in metadata["required_packages_version"]  # on no index; StudentUNet's source is in scripts
    assert metadata["distillation"]["teacher"]["name"] == "Spleen CT" and metadata["eval_metrics"] == {}


def test_it_is_packed_with_its_teacher(made, tmp_path):
    archive = pack_bundle(made, tmp_path, weights=False, teacher=True, **{"network_def#norm": "batch"})
    root = next(zipfile.Path(archive).iterdir())
    assert (root / "models" / "teacher.pt").read_bytes() == (made / "models" / "teacher.pt").read_bytes()
    for name in ("train", "inference"):
        network = json.loads((root / "configs" / f"{name}.json").read_text())["network_def"]
        assert network["norm"] == "batch" and network["channels"] == [4, 6, 8]


def test_the_new_bundle_is_whole_and_holds_no_place_of_this_machine(made, zoo):
    compiled = set(made.rglob("__pycache__/*"))  # by a test that imported its scripts
    files = {str(path.relative_to(made)) for path in set(made.rglob("*")) - compiled if path.is_file()}
    names = ["train", "evaluate", "inference", "multi_gpu_train", "metadata", "methods/hidden"]
    assert files == {
        *(f"configs/{name}.json" for name in names),
        "configs/logging.conf", "models/teacher.pt", "docs/README.md", "LICENSE", "scripts/__init__.py",
        "scripts/distilled/__init__.py",
        *(f"scripts/distilled/networks/{n}.py" for n in ("__init__", "fast_volumes", "input_checks", "student_unet")),
    }  # fmt: skip
    assert (made / "LICENSE").read_text() == (zoo / "ct" / "LICENSE").read_text()
    written = "".join(path.read_text() for path in made.rglob("*.*") if path.suffix in (".json", ".md"))
    assert str(zoo) not in written and str(made) not in written
    headings = [line[2:].strip(" #") for line in written.splitlines() if line.startswith(("# ", "## "))]
    assert headings == [
        "Model Overview", "Data", "Training configuration", "Performance", "MONAI Bundle Commands", "References",
        "License",
    ]  # fmt: skip


def test_several_processes_still_resume(made):
    handlers = json.loads((made / "configs" / "multi_gpu_train.json").read_text())["train#trainer#train_handlers"]
    assert "@train#handlers[: -2" in handlers and handlers.endswith("+ @resume_handlers")


def test_everything_else_is_the_teachers(made, zoo):
    new, old = (json.loads((root / "configs" / "train.json").read_text()) for root in (made, zoo / "ct"))
    for key in ("loss", "train_datalist", "run"):
        assert new[key] == old[key]
    assert new["initialize"][2:] == old["initialize"]  # behind the checks
    for key in ("deterministic_transforms", "random_transforms", "dataset", "dataloader", "inferer", "postprocessing"):
        assert new["train"][key] == old["train"][key]
    assert new["validate"]["inferer"] == old["validate"]["inferer"]
    assert new["teacher_def"] == old["network_def"]
