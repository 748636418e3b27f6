# SPDX-License-Identifier: Apache-2.0
"""A distilled student is exported without --raw and --checkpoint, and calibrated with its bundle's own images."""

import json
import re
import shutil
from pathlib import Path

import nibabel
import numpy as np
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd.export import BundleData, open_bundle, why_alone
from monai_kd.export.windows import windows
from monai_kd.student_bundle import write_bundle
from tests.student_bundle.test_variants import draft_of
from tests.student_bundle.zoo_bundles import make_ct_data

EXPORT_PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.fixture
def made(ct, zoo, tmp_path):
    """A student's bundle with random weights."""
    draft = draft_of(ct, zoo)
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data", tried=False)
    torch.save(draft.student.network.state_dict(), tmp_path / "new" / "models" / "model.pt")
    return tmp_path / "new"


def export(*words):
    return CliRunner().invoke(command_line.app, ["export", *map(str, words)], catch_exceptions=False)


def test_the_network_of_one_window(made, tmp_path):
    data = make_ct_data(tmp_path / "data", count=10)
    told = export(made, "--dataset-dir", data, "--forms", "onnx,int8", "--output-dir", tmp_path / "out")
    assert told.exit_code == 0, told.output
    assert "Note: SlidingWindowInferer cannot go into the exported graph" in told.output
    report = json.loads((tmp_path / "out" / "export.json").read_text())
    assert report["raw"] and report["windows"] == {"roi_size": [16] * 3, "overlap": 0.5, "mode": "constant"}
    session = onnxruntime.InferenceSession(tmp_path / "out" / "student.int8.onnx")
    assert session.run(None, {"image": np.zeros((1, 1, 16, 16, 16), np.float32)})[0].shape == (1, 2, 16, 16, 16)


def test_its_images_are_those_that_its_training_lists(made, zoo, tmp_path):
    parts = BundleData(made, zoo / "ct_data").parts()
    assert [len(parts[name]) for name in ("training", "validation")] == [3, 1]
    assert all(record["image"].endswith(".nii.gz") and record["id"] for record in parts["training"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"'train#dataset#data' of the bundle .* lists no images"):
        BundleData(made, tmp_path / "empty").parts()


def test_the_example_of_the_page_gives_the_bundles_own_mask(made, tmp_path, monkeypatch):
    data = make_ct_data(tmp_path / "data", count=10)
    assert export(made, "--forms", "onnx", "--output-dir", tmp_path / "exported").exit_code == 0
    image = next((data / "imagesTr").glob("*.nii.gz"))
    shutil.copy(image, tmp_path / "volume.nii.gz")
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r"^```py\n(.*?)^```", EXPORT_PAGE.read_text(), re.M | re.S)[-1], {})
    (mask,) = (path for path in tmp_path.rglob("volume_*.nii.gz"))
    bundle = open_bundle(made)
    with torch.no_grad():
        network = bundle.network()
        network.load_state_dict(torch.load(made / "models" / "model.pt", weights_only=True))
        data = bundle.parser.get_parsed_content("preprocessing")({"image": str(image)})
        data["pred"] = bundle.parser.get_parsed_content("inferer")(data["image"][None], network.eval())[0]
        own = bundle.parser.get_parsed_content("postprocessing")(data)["pred"]
    assert (nibabel.load(mask).get_fdata() != own[0].numpy()).mean() < 1e-3 and len(np.unique(own)) == 2


def test_why_a_network_is_exported_alone(made, zoo):
    assert why_alone(open_bundle(made)).startswith("SlidingWindowInferer cannot go into the exported graph: it runs")
    config = json.loads((made / "configs" / "inference.json").read_text())
    config["inferer"] = {"_target_": "SimpleInferer"}
    (made / "configs" / "inference.json").write_text(json.dumps(config))
    bundle = open_bundle(made)
    assert why_alone(bundle).startswith("Orientationd cannot go into") and windows(bundle) == {}


def test_without_weights(made):
    (made / "models" / "model.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"models/model\.pt"):
        export(made, "--output-dir", made.with_name("out"))
