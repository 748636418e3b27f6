# SPDX-License-Identifier: Apache-2.0
"""What MONAI's Model Zoo checks before it takes a bundle, on the archives that would be sent there."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, download, load, verify_metadata, verify_net_in_out

import monai_kd
from monai_kd.packing import pack_bundle
from tests.bundles.conftest import CLASSIFICATION, ROOT, TINY, run_bundle, tiny

BUNDLES = [ROOT, CLASSIFICATION]
CHANNELS = {ROOT: TINY["student_channels"], CLASSIFICATION: [2, 4, 4, 6]}
HEADINGS = [
    "# Model Overview", "## Data", "## Training configuration", "## Performance", "## MONAI Bundle Commands",
    "## References", "## License",
]  # fmt: skip
MAKEFILE = Path(__file__).parents[2] / "Makefile"
SCHEMA = Path(__file__).with_name("metadata_schema.json")


def names(root):
    return root.name


@pytest.fixture(scope="module", params=BUNDLES, ids=names)
def source(request):
    return request.param


@pytest.fixture(scope="module")
def teacher_checkpoint(source, request):
    return request.getfixturevalue("teacher" if source is ROOT else "class_teacher")


@pytest.fixture(scope="module")
def packed(source, request, tmp_path_factory):
    """The bundle with a tiny student, packed, and unpacked again as MONAI does it."""
    folder = tmp_path_factory.mktemp("zoo")
    student = request.getfixturevalue("student" if source is ROOT else "class_student")
    settings = {"student_channels": CHANNELS[source], "spatial_size": TINY["spatial_size"]}
    archive = pack_bundle(source, folder / "dist", student, **settings)
    download(name=source.name, bundle_dir=str(folder), url=archive.as_uri(), progress=False)
    return folder / source.name


@pytest.fixture
def forget_scripts():
    """Modules of a bundle's scripts are not those of the next bundle; MONAI's own commands leave them behind."""

    def forget():
        for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
            del sys.modules[name]

    forget()
    yield
    forget()


@pytest.fixture
def scripts(packed, monkeypatch, forget_scripts):
    """The bundle's own scripts can be imported, as in its folder."""
    monkeypatch.syspath_prepend(str(packed))


def test_it_has_the_zoos_files(packed):
    for name in ("LICENSE", "configs/metadata.json", "configs/inference.json", "configs/train.json", "docs/README.md"):
        assert (packed / name).is_file(), name
    assert (packed / "models" / "model.pt").is_file() or (packed / "large_files.yml").is_file()
    assert {path.name for path in packed.iterdir()} <= {"LICENSE", "configs", "docs", "models", "scripts"}


def test_no_file_is_large_and_none_tells_where_it_was_written(packed):
    for path in (path for path in packed.rglob("*") if path.is_file()):
        assert path.stat().st_size < 25 * 2**20
        if path.suffix not in (".pt", ".png"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.}'\"])/(home|root|work|tmp|Users|mnt|data)/|[A-Z]:\\", text), path


def test_metadata_follow_the_specification(packed, tmp_path):
    schema = shutil.copy(SCHEMA, tmp_path / "schema.json")  # is not downloaded if it already exists
    metadata = json.loads((packed / "configs" / "metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    verify_metadata(meta_file=str(packed / "configs" / "metadata.json"), filepath=str(schema))


def test_the_weights_in_the_box_are_packed_as_the_zoo_takes_them(source, monkeypatch, tmp_path, forget_scripts):
    """What `make zoo` writes: of the bundle's own size, with a score, and with packages from an index alone."""
    assert f" {source.name}" in re.search(r"^ZOO_BUNDLES :=(.*)", MAKEFILE.read_text(), re.M)[0]
    with zipfile.ZipFile(pack_bundle(source, tmp_path / "dist")) as archive:
        archive.extractall(tmp_path)
    configs = tmp_path / source.name / "configs"
    metadata = json.loads((configs / "metadata.json").read_text())
    assert "monai-kd" not in metadata["required_packages_version"] and min(metadata["eval_metrics"].values()) > 0.5
    assert "monai_kd" not in (configs / "inference.json").read_text()
    for image in re.findall(r"!\[.*?\]\((.*?)\)", (configs.parent / "docs" / "README.md").read_text()):
        assert (configs.parent / "docs" / image).is_file()
    files = {"meta_file": str(configs / "metadata.json"), "config_file": str(configs / "inference.json")}
    monkeypatch.syspath_prepend(str(tmp_path / source.name))
    verify_net_in_out(net_id="network_def", device="cpu", **files)
    parser = ConfigParser(ConfigParser.load_config_file(files["config_file"]))
    weights = torch.load(configs.parent / "models" / "model.pt", weights_only=True)
    parser.get_parsed_content("network_def").load_state_dict(weights)


def test_apps_are_the_tested_ones(source):
    pins = (ROOT.parents[1] / "constraints.txt").read_text().lower().split()
    apps = json.loads((source / "configs" / "metadata.json").read_text())["supported_apps"]
    assert {f"{name.replace('-', '')}=={version}" for name, version in apps.items()} <= set(pins)


def test_required_packages_are_the_tested_ones(source):
    pins = dict(line.split("==") for line in (ROOT.parents[1] / "constraints.txt").read_text().split() if "==" in line)
    metadata = json.loads((source / "configs" / "metadata.json").read_text())
    required = dict(metadata["required_packages_version"])
    assert required.pop("monai-kd") == monai_kd.__version__
    required |= {
        name: metadata[f"{key}_version"] for name, key in (("monai", "monai"), ("torch", "pytorch"), ("numpy", "numpy"))
    }
    assert {name: pins[name] for name in required} == required


def test_the_readme_has_the_zoos_headings(source):
    text = (source / "docs" / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^#{1,2} .*", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    assert [heading for heading in found if heading in HEADINGS] == HEADINGS
    performance = text.partition("## Performance")[2].partition("\n## ")[0]
    assert re.search(r"\d\d\.\d|0\.\d\d", performance)  # the pictures themselves, not pointers to them


@pytest.mark.parametrize("where", ["source", "packed"])
def test_the_network_takes_and_gives_what_the_metadata_say(where, request, scripts):
    configs = request.getfixturevalue(where) / "configs"
    meta, inference = (str(configs / name) for name in ("metadata.json", "inference.json"))
    verify_net_in_out(net_id="network_def", meta_file=meta, config_file=inference, device="cpu")


def test_it_exports(packed, scripts, tmp_path):
    exported = tmp_path / "model.ts"
    ckpt_export(
        net_id="network_def",
        filepath=str(exported),
        ckpt_file=str(packed / "models" / "model.pt"),
        meta_file=str(packed / "configs" / "metadata.json"),
        config_file=str(packed / "configs" / "inference.json"),
    )
    student = load(packed.name, bundle_dir=str(packed.parent), workflow_type="inference", device="cpu").eval()
    image = torch.rand(3, 1, *TINY["spatial_size"])
    torch.testing.assert_close(torch.jit.load(exported)(image), student(image))


@pytest.mark.parametrize("configs", [["train"], ["train", "evaluate"], ["evaluate"], ["inference"]], ids="+".join)
def test_its_workflows_run(configs, source, packed, phantoms, teacher_checkpoint, scripts, tmp_path):
    given = {"dataset_dir": phantoms, "output_dir": str(tmp_path), "student_channels": CHANNELS[source]}
    given["checkpoint"] = str((tmp_path if configs == ["train"] else packed / "models") / "model.pt")
    if "train" in configs:
        given["teacher_checkpoint"] = teacher_checkpoint
    if configs == ["inference"]:
        given["dataset_dir"] = str(Path(phantoms, "original"))
    run_bundle(configs, packed, **given)
    written = {"train": "last.pt", "evaluate": "scores.csv", "inference": "*.png" if source is ROOT else "*.csv"}
    assert list(tmp_path.glob(written[configs[-1]]))


def test_training_and_evaluation_together_are_an_evaluation_too(packed, phantoms, tmp_path):
    configs = [str(packed / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    given = {**tiny(["train"], packed), "dataset_dir": phantoms, "output_dir": str(tmp_path)}
    given["bundle_root"] = str(packed)
    del given["student_channels"]
    workflow = ConfigWorkflow(config_file=configs, workflow_type="eval", logging_file=False, **given)
    workflow.initialize()
    assert workflow.check_properties() == []
