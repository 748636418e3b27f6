# SPDX-License-Identifier: Apache-2.0
import json
import shutil

import pytest

from monai_kd.export import load_form, open_bundle, open_export
from monai_kd.export.export_folder import write_bundle
from tests.bundle.in_yaml import in_yaml
from tests.bundles.conftest import ROOT
from tests.export.conftest import FORMS, SETTINGS


def test_opening_what_is_no_export(exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="No folder or file"):
        open_export(tmp_path / "none")
    with pytest.raises(ValueError, match=r"it has no export.json"):
        open_export(tmp_path)
    copy = shutil.copytree(exported.folder, tmp_path / "copy")
    with pytest.raises(ValueError, match=r"models/model.pt' is no exported form. Name one of: .*student.onnx"):
        open_export(copy / "models" / "model.pt")
    (copy / "export.json").write_text("[]")
    with pytest.raises(ValueError, match=r"export.json' is damaged"):
        open_export(copy)


@pytest.mark.parametrize(
    "file",
    [
        "models/model.pt",
        "configs/inference.json",
        "student.onnx",
        "student.int8.onnx",
        "student.ts",
        *(("openvino/student.bin", "openvino/student.xml") if "openvino" in FORMS else ()),
    ],
)
def test_files_of_another_export(exported, checkpoint, tmp_path, file):
    """A changed file is noticed if its form is opened."""
    copy = shutil.copytree(exported.folder, tmp_path / "copy")
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    message = rf"{file}' is not the file that was exported.*belongs to other weights, or was changed"
    with pytest.raises(ValueError, match=message):
        open_export(copy)
    if file != "student.onnx" and not file.startswith(("models", "configs")):
        assert open_export(copy / "student.onnx")[1] == ["onnx"]
    (copy / file).unlink()
    if file.endswith((".bin", ".pt")):
        with pytest.raises(FileNotFoundError, match=rf"No file '.*{file}'. Put it back"):
            open_export(copy)


def test_a_form_that_was_not_exported(exported, tmp_path):
    copy = shutil.copytree(exported.folder, tmp_path / "copy")
    report = json.loads((copy / "export.json").read_text())
    del report["files"]["student.ts"]
    (copy / "export.json").write_text(json.dumps(report))
    with pytest.raises(ValueError, match=r"student.ts' is not the file that was exported"):
        open_export(copy)


def test_loading_what_cannot_be(tmp_path):
    (tmp_path / "student.onnx").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"student.onnx' cannot be loaded: .* Export it again"):
        load_form(tmp_path / "student.onnx", ["mask"])
    with pytest.raises(FileNotFoundError, match="Export that form, or leave it out"):
        load_form(tmp_path / "student.ts", ["mask"])
    (tmp_path / "student.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="is of no known form"):
        load_form(tmp_path / "student.bin", ["mask"])


def test_a_bundle_in_yaml_is_exported_as_one_in_json(exported, checkpoint, tmp_path):
    pytest.importorskip("yaml")
    bundle = open_bundle(in_yaml(ROOT, tmp_path), **SETTINGS)
    assert bundle.configs[0].suffix == ".yaml" and bundle.metadata == exported.bundle.metadata
    assert bundle.input_shape == (1, 1, 32, 32) and bundle.classes == exported.bundle.classes
    write_bundle(tmp_path, bundle, checkpoint)
    written, former = (
        json.loads((folder / "configs" / "inference.json").read_text()) for folder in (tmp_path, exported.folder)
    )
    assert written == former and written["bundle_root"] == "." and written["device"].startswith("$torch.device('cuda")


def test_overlays_in_yaml_are_merged(tmp_path):
    pytest.importorskip("yaml")
    copy = in_yaml(ROOT, tmp_path)
    assert open_bundle(copy, ("networks/small",)).parser.get() == {
        **open_bundle(ROOT, ("networks/small",)).parser.get(),
        "bundle_root": str(copy),
    }
