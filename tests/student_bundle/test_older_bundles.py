# SPDX-License-Identifier: Apache-2.0
"""Bundles that were written for an older MONAI or PyTorch, and bundles without some of the usual files."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from monai_kd.student_bundle import Request, make_draft, write_bundle
from monai_kd.student_bundle.teacher.mending import mended
from monai_kd.student_bundle.teacher.teacher_weights import find_weights
from monai_kd.teachers import load_arrays
from tests.student_bundle.test_variants import draft_of, read
from tests.student_bundle.zoo_bundles import edit


def test_removed_and_renamed_arguments():
    zoom = {"_target_": "RandZoomd", "keys": "image", "min": 0.9, "max": 1.1}
    config = {
        "network_def": {"_target_": "SwinUNETR", "img_size": 96, "in_channels": 1, "out_channels": 2},
        "a": [zoom],
    }
    new, notes = mended(config)
    assert new["network_def"] == {"_target_": "SwinUNETR", "in_channels": 1, "out_channels": 2}
    assert new["a"] == [{"_target_": "RandZoomd", "keys": "image", "min_zoom": 0.9, "max_zoom": 1.1}]
    assert config["network_def"]["img_size"] == 96 and len(notes) == 3
    assert mended(new) == (new, [])


def test_arguments_of_other_classes_stay():
    config = {"network_def": {"_target_": "scripts.net.SwinUNETR", "img_size": 96}, "b": {"_target_": "Net", "max": 1}}
    new, notes = mended({**config, "network_def": {"_target_": "ViT", "img_size": 96}})
    assert new["network_def"]["img_size"] == 96 and new["b"] == config["b"] and notes == []


def test_a_device_that_is_not_there():
    config = {
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "space": {"device": "$torch.device('cuda')"},
        "code": "$torch.load(@bundle_root + '/models/code.pt', map_location=torch.device('cuda:0'))",
        "safe": "$torch.load('a.pt', weights_only=False)",
    }
    new, notes = mended(config)
    assert new["device"] == config["device"] and new["safe"] == config["safe"]
    assert new["space"] == {"device": "$@device"}
    assert new["code"] == "$monai_kd.teachers.load_arrays(@bundle_root + '/models/code.pt', map_location=@device)"
    assert new["imports"] == ["$import monai_kd"] and len(notes) == 2


def test_arrays_are_read_and_objects_are_not(tmp_path):
    torch.save({"code": np.arange(3), "scale": np.float32([2.0]), "node": torch.ones(2)}, tmp_path / "code.pt")
    found = load_arrays(tmp_path / "code.pt")
    assert found["code"].tolist() == [0, 1, 2] and found["scale"].dtype == np.float32
    torch.save({"network": torch.nn.Linear(1, 1)}, tmp_path / "network.pt")
    with pytest.raises(Exception, match="Weights only load failed"):
        load_arrays(tmp_path / "network.pt")


def test_a_teacher_that_reads_its_architecture_from_a_file(ct, zoo, tmp_path):
    torch.save({"channels": np.array([4, 8, 8, 16])}, ct / "models" / "code.pt")
    code = "$torch.load(@bundle_root + '/models/code.pt', map_location=torch.device('cuda'))"
    edit(ct, "train", code=code, network_def__channels="$[int(c) for c in @code['channels']]")
    draft = draft_of(ct, zoo)
    assert any("'device'" in note for note in draft.notes)
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    assert (tmp_path / "new" / "models" / "code.pt").is_file()


def test_weights_under_the_name_that_the_inference_loads(ct, zoo):
    (ct / "models" / "model.pt").rename(ct / "models" / "tuned.pt")
    inference = read(ct, "inference")
    with pytest.raises(FileNotFoundError, match=r"model\.pt or"):
        find_weights(ct, None, inference)
    inference["checkpointloader"]["load_path"] = "$@bundle_root + '/models/tuned.pt'"
    assert find_weights(ct, None, inference).name == "tuned.pt"
    edit(ct, "inference", checkpointloader__load_path="$@bundle_root + '/models/tuned.pt'")
    assert draft_of(ct, zoo).weights.name == "tuned.pt"


def test_a_teacher_without_an_evaluation(ct, zoo, tmp_path):
    (ct / "configs" / "evaluate.json").unlink()
    draft = draft_of(ct, zoo)
    new = draft.configs["evaluate"]
    assert new["run"] == ["$@validate#evaluator.run()"] and "student_loader" in new
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")


@pytest.mark.parametrize(("shape", "kind"), [([1, 4], "classes"), ([2, 10], "points")])
def test_networks_that_give_no_map(ct, zoo, shape, kind):
    pred = "network_data_format__outputs__pred"
    edit(ct, "metadata", **{f"{pred}__spatial_shape": shape, f"{pred}__format": kind})
    with pytest.raises(ValueError, match=rf"takes 16 × 16 × 16 and gives {kind} of {shape[0]} × {shape[1]}, and"):
        draft_of(ct, zoo)


def test_the_new_bundle_names_no_authors_but_the_teachers_as_such(ct, zoo, tmp_path):
    draft = make_draft(Request(ct, str(zoo / "student.json"), zoo / "ct_data", epochs=1))
    root = tmp_path / "new"
    write_bundle(draft, draft.pairs, root, zoo / "ct_data", tried=False)
    metadata = read(root, "metadata")
    assert "Somebody" not in metadata["authors"] + metadata["copyright"]
    assert metadata["teacher"]["authors"] == "Somebody"
    assert "monai-kd" not in metadata["required_packages_version"] and metadata["eval_metrics"] == {}
    target = read(root, "inference")["network_def"]["_target_"]
    assert target == "scripts.distilled.networks.student_unet.StudentUNet"
    words = [sys.executable, "-m", "monai_kd", "run", "train", "--bundle", str(root), "--dataset_dir"]
    subprocess.run([*words, str(zoo / "ct_data")], check=True, capture_output=True)
    subprocess.run([*words[:4], "inference", *words[5:], str(zoo / "ct_data")], check=True, capture_output=True)
    stock = ["-m", "monai.bundle", "run", "--config_file", "configs/inference.json", "--bundle_root", "."]
    words = [sys.executable, *stock, "--dataset_dir", str(zoo / "ct_data"), "--output_dir", str(tmp_path / "out")]
    subprocess.run(words, check=True, capture_output=True, cwd=root)
    metrics = json.loads((root / "configs" / "metadata.json").read_text())["eval_metrics"]
    assert list(metrics) == ["val_mean_dice"] and 0 <= metrics["val_mean_dice"] <= 1


def test_an_evaluation_with_imports_and_a_program_of_its_own(ct, zoo, tmp_path):
    overlay = read(ct, "evaluate")
    overlay |= {"evaluate": overlay.pop("run"), "imports": ["$import glob", "$import json"], "download": ["$json"]}
    (ct / "configs" / "evaluate.json").write_text(json.dumps(overlay))
    inference = read(ct, "inference")
    inference["inference"] = inference.pop("run")
    (ct / "configs" / "inference.json").write_text(json.dumps(inference))
    draft = draft_of(ct, zoo)
    new = draft.configs["evaluate"]
    assert {"$import monai_kd", "$import json"} <= set(new["imports"]) and not {"evaluate", "download"} & set(new)
    assert new["run"] == ["$@validate#evaluator.run()"] and draft.configs["inference"]["run"] == ["$@evaluator.run()"]
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")


def test_images_that_the_transforms_make_of_several(ct, zoo, tmp_path):
    for name in ("train", "inference"):
        config = read(ct, name)
        transforms = config["train"]["deterministic_transforms"] if name == "train" else config["preprocessing"]
        place = transforms if name == "train" else transforms["transforms"]
        load = {"_target_": "LoadImaged", "keys": ["first", "label"] if name == "train" else "first"}
        named = {"_target_": "CopyItemsd", "keys": "first", "names": "image"}
        place[0] = {"_target_": "Compose", "transforms": [load, named]}
        if name == "inference":
            config["dataset"]["data"] = "$[{'first': i} for i in @datalist]"
        else:
            for part in ("train", "val"):
                listed = config[f"{part}_datalist"].removeprefix("$")
                config[f"{part}_datalist"] = f"$[{{'first': e['image'], 'label': e['label']}} for e in {listed}]"
        (ct / "configs" / f"{name}.json").write_text(json.dumps(config))
    draft = draft_of(ct, zoo)
    assert draft.notes == []  # every label was found
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data", tried=False)


def test_labels_of_bool_are_cast(ct):
    brats = {"_target_": "ConvertToMultiChannelBasedOnBratsClassesd", "keys": "label"}
    new, notes = mended({"train": {"transforms": [brats, {"_target_": "LoadImaged"}]}})
    first = new["train"]["transforms"][0]
    assert first["transforms"][0] == brats and first["transforms"][1]["dtype"] == "$torch.float32"
    assert len(new["train"]["transforms"]) == 2 and len(notes) == 1


def test_ids_that_a_bundle_uses_otherwise(ct, zoo, tmp_path):
    edit(ct, "train", labels={"background": 0, "spleen": 1})  # a share of labels in this package's own bundles
    draft = draft_of(ct, zoo)
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    assert read(tmp_path / "new", "train")["labels"] == {"background": 0, "spleen": 1}
