# SPDX-License-Identifier: Apache-2.0
"""Archives of bundles: MONAI alone runs them, and what it could not load is not packed."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, download, load
from PIL import Image
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import write_config
from monai_kd.bundle.record import load_record
from monai_kd.export import open_bundle
from monai_kd.networks import StudentUNet
from monai_kd.packing import pack_bundle
from monai_kd.packing.network_sources import network_from_scripts
from monai_kd.phantom import write_phantoms
from monai_kd.utils.checkpoints import save_checkpoint
from tests.bundles.conftest import CLASSIFICATION, ROOT, run_bundle, unet

SIZES = {"spatial_size": [32, 32], "student_channels": [2, 4, 4], "teacher_def": unet(4, 4, 6)}
CLASS_SIZES = {"spatial_size": [32, 32], "student_channels": [2, 4, 4, 6]}
# As if monai_kd were not installed: importing it fails. (MLflow fails too, because MONAI is slow to import it.)
STOCK = """
import os, sys
sys.modules |= {"monai_kd": None, "mlflow": None}
import torch
torch.set_num_threads(1)
from monai.bundle import run
images, *places = sys.argv[1:]
for root, output in zip(places[::2], places[1::2]):
    os.chdir(root)
    run(config_file="configs/inference.json", dataset_dir=images, output_dir=output, device="cpu", quiet=True)
"""


def unpacked(archive, folder):
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_phantoms(folder / "phantoms", count=3)
    return folder / "phantoms" / "original"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a student that draws about half of every image as lesion."""
    torch.manual_seed(0)
    network = StudentUNet(2, 1, 2, channels=SIZES["student_channels"])
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    with torch.no_grad():
        logits = network(torch.rand(1, 1, 32, 32))
        network.head.bias[1] -= (logits[:, 1] - logits[:, 0]).median()
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def archive(weights, tmp_path_factory):
    return pack_bundle(ROOT, tmp_path_factory.mktemp("dist"), weights, **SIZES)


@pytest.fixture(scope="module")
def class_weights(tmp_path_factory):
    config = ConfigParser(json.loads((CLASSIFICATION / "configs" / "inference.json").read_text()))
    config.update(CLASS_SIZES)
    path = tmp_path_factory.mktemp("class_weights") / "model.pt"
    torch.save(config.get_parsed_content("network_def").state_dict(), path)
    return path


@pytest.fixture(scope="module")
def stock(archive, class_weights, images, tmp_path_factory):
    """A folder with the results of inference in both archives."""
    folder = tmp_path_factory.mktemp("stock")
    archives = {"masks": archive, "classes": pack_bundle(CLASSIFICATION, folder, class_weights, **CLASS_SIZES)}
    places = [(unpacked(file, folder / "zoo" / name), folder / name) for name, file in archives.items()]
    arguments = [sys.executable, "-c", STOCK, str(images), *(str(path) for pair in places for path in pair)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_stock_monai_draws_the_same_masks(stock, weights, images, tmp_path):
    common = {"dataset_dir": str(images), "checkpoint": str(weights), **SIZES}
    run_bundle("inference", output_dir=str(tmp_path), **common)
    for image in sorted(images.glob("*.png")):
        own, other = (np.asarray(Image.open(folder / image.name)) for folder in (tmp_path, stock / "masks"))
        assert own.dtype == other.dtype and np.array_equal(own, other)
        assert {*np.unique(own)} == {0, 255}


def test_stock_monai_gives_the_same_probabilities(stock, class_weights, images, tmp_path):
    common = {"dataset_dir": str(images), "checkpoint": str(class_weights), **CLASS_SIZES}
    run_bundle("inference", CLASSIFICATION, output_dir=str(tmp_path), **common)
    own, other = (
        list(csv.reader((folder / "predictions.csv").open(newline=""))) for folder in (tmp_path, stock / "classes")
    )
    for (name, *expected), (same, *found) in zip(own[1:], other, strict=True):
        assert name == same
        assert [float(value) for value in found] == pytest.approx([float(value) for value in expected], abs=1e-6)


def test_monai_downloads_and_loads_it(archive, weights, tmp_path, monkeypatch):
    download(name=ROOT.name, bundle_dir=str(tmp_path), url=archive.as_uri(), progress=False)
    monkeypatch.chdir(tmp_path)
    expected = torch.load(weights, weights_only=True)
    monkeypatch.syspath_prepend(str(tmp_path / ROOT.name))
    for workflow_type in ("train", "inference"):
        student = load(ROOT.name, bundle_dir=str(tmp_path), workflow_type=workflow_type, device="cpu")
        assert all(torch.equal(expected[name], value) for name, value in student.state_dict().items())
        module = type(student).__module__
        assert module == {"train": "monai_kd", "inference": "scripts"}[workflow_type] + ".networks.student_unet"
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]


def test_the_name_tells_the_version_and_the_configs_their_sizes(archive, tmp_path):
    metadata = json.loads((ROOT / "configs" / "metadata.json").read_text())
    assert archive.name == f"{ROOT.name}_v{metadata['version']}.zip"
    root = unpacked(archive, tmp_path)
    for name in ("inference", "train", "evaluate"):
        config = json.loads((root / "configs" / f"{name}.json").read_text())
        assert all(config[key] == SIZES[key] for key in ("spatial_size", "student_channels"))
    packed = json.loads((root / "configs" / "metadata.json").read_text())
    assert packed["network_data_format"]["inputs"]["image"]["spatial_shape"] == [32, 32]
    assert packed["required_packages_version"] == {
        name: version for name, version in metadata["required_packages_version"].items() if name != "monai-kd"
    }


def test_a_value_inside_the_networks_definition(weights, tmp_path):
    norm = {"network_def#norm": "batch"}
    batch = open_bundle(ROOT, student_channels=SIZES["student_channels"], **norm).network()
    torch.save(batch.state_dict(), tmp_path / "batch.pt")
    with pytest.raises(ValueError, match="another network"):
        pack_bundle(ROOT, tmp_path, weights, **SIZES, **norm)
    root = unpacked(pack_bundle(ROOT, tmp_path, tmp_path / "batch.pt", **SIZES, **norm), tmp_path / "zoo")
    configs = {
        name: json.loads((root / "configs" / f"{name}.json").read_text())
        for name in ("inference", "train", "train_teacher")
    }
    assert configs["inference"]["network_def"]["norm"] == configs["train"]["network_def"]["norm"] == "batch"
    assert configs["train_teacher"]["network_def"] == "@teacher_def"  # the teacher's network has the same id
    assert configs["train_teacher"]["teacher_def"]["norm"] == configs["train"]["teacher_def"]["norm"] == "INSTANCE"
    own = open_bundle(root).network()
    own.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True))
    image = torch.rand(1, 1, 32, 32)
    assert torch.equal(own(image), batch(image))
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == [32, 32]


def test_the_configs_get_what_the_record_says(weights, archive, tmp_path):
    network = {**BundleFolder(ROOT).config("inference")["network_def"], "channels": SIZES["student_channels"]}
    record = {"network_def": network, "spatial_size": SIZES["spatial_size"], "crop_margins": False}
    state = torch.load(weights, weights_only=True)
    save_checkpoint(state, tmp_path / "model.pt", record)
    teacher = {"teacher_def": SIZES["teacher_def"]}
    root = unpacked(pack_bundle(ROOT, tmp_path / "dist", tmp_path / "model.pt", **teacher), tmp_path / "recorded")
    given = unpacked(archive, tmp_path / "given")
    for file in (given / "configs").rglob("*.json"):
        assert file.read_text() == (root / file.relative_to(given)).read_text(), file.name
    assert load_record(root / "models" / "model.pt") == record
    save_checkpoint(state, tmp_path / "other.pt", {"network_def": unet(4, 8)})
    with pytest.raises(ValueError, match=r"other\.pt' was trained as a UNet, but the 'network_def' of .* is another"):
        pack_bundle(ROOT, tmp_path / "dist", tmp_path / "other.pt")


def test_the_same_bundle_is_the_same_archive(archive, weights, tmp_path):
    assert pack_bundle(ROOT, tmp_path, weights, **SIZES).read_bytes() == archive.read_bytes()


TOLERANT = ("_target_", "collate_fn")


def test_the_stock_config_is_the_other_one_but_for_what_reads_and_writes():
    for root in (ROOT, CLASSIFICATION):
        own, stock = (
            json.loads((root / "configs" / f"{name}.json").read_text()) for name in ("inference", "inference_stock")
        )
        for key in ("network_def", "student_channels", "spatial_size", "inferer", "amp"):
            assert own[key] == stock[key], key
        for key in ("dataloader", "evaluator"):  # ours goes on after an image that cannot be read
            ours, theirs = ({k: v for k, v in c[key].items() if k not in TOLERANT} for c in (own, stock))
            assert ours == theirs, key
        always = [one for one in own["preprocessing"]["transforms"] if "_disabled_" not in one]
        assert always[1:] == stock["preprocessing"]["transforms"][1:]


def test_what_stock_inference_cannot_do_is_not_lost_in_silence(weights, tmp_path):
    with pytest.raises(ValueError, match=r"'crop_margins': true.*remove configs/inference_stock\.json"):
        pack_bundle(ROOT, tmp_path, weights, **SIZES, crop_margins=True)
    assert not list(tmp_path.iterdir())


def test_nothing_of_a_run_is_packed(weights, tmp_path):
    bundle = shutil.copytree(ROOT, tmp_path / ROOT.name, ignore=shutil.ignore_patterns("models", "runs"))
    for name in (
        "runs/x/last.pt",
        "data/patient.png",
        "models/teacher.pt",
        "configs/.secret",
        "docs/__pycache__/a.pyc",
    ):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text("private")
    with zipfile.ZipFile(pack_bundle(bundle, tmp_path / "dist", weights, **SIZES)) as packed:
        assert not [name for name in packed.namelist() if packed.read(name) == b"private"]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"checkpoint": "none.pt"}, r"'none\.pt': there are no weights\. Train .*, name other .*--without-weights"),
        ({"student_channels": [2, 4, 6]}, r"weights of another network than this StudentUNet.*shape|another network"),
        (
            {"students_channels": [2]},
            r"No id 'students_channels' in .*breast_ultrasound_seg.* Closest: 'student_channels'",
        ),
        ({"bundle": "none"}, r"No configs/metadata\.json in '.*none'\. Name a bundle's folder"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_would_not_load_is_not_packed(change, cause, weights, tmp_path):
    given = {"bundle": ROOT, "checkpoint": weights, **SIZES, **change}
    with pytest.raises((ValueError, FileNotFoundError), match=cause):
        pack_bundle(output_dir=tmp_path / "dist", **given)
    assert not (tmp_path / "dist").exists()


@pytest.fixture
def bundle(tmp_path):
    """A copy of the bundle, to be changed."""
    return shutil.copytree(ROOT, tmp_path / ROOT.name, ignore=shutil.ignore_patterns("models", "runs"))


def test_the_teacher_is_packed_where_it_is_asked_for(bundle, weights, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"models/teacher\.pt': there are no teacher's weights.*--with-teacher"):
        pack_bundle(bundle, tmp_path / "dist", weights, teacher=True, **SIZES)
    (bundle / "models").mkdir()
    (bundle / "models" / "teacher.pt").write_bytes(b"weights")
    for teacher in (False, True):
        with zipfile.ZipFile(pack_bundle(bundle, tmp_path / "dist", weights, teacher=teacher, **SIZES)) as packed:
            assert (f"{ROOT.name}/models/teacher.pt" in packed.namelist()) == teacher
    assert not (bundle / "models" / "model.pt").exists()


def test_configs_in_yaml_are_packed_with_their_settings(bundle, weights, tmp_path):
    pytest.importorskip("yaml")
    names = ("inference", "inference_stock", "train", "metadata", "networks/small")
    for file in (bundle / "configs" / f"{name}.json" for name in names):
        write_config(file.with_suffix(".yaml"), json.loads(file.read_text()))
        file.unlink()
    (bundle / "configs" / "datalist.json").write_text('["a.png"]')
    folder = BundleFolder(unpacked(pack_bundle(bundle, tmp_path / "dist", weights, **SIZES), tmp_path / "out"))
    assert not folder.has("inference_stock") and folder.file("inference").suffix == ".yaml"
    inference, metadata = folder.config("inference"), folder.metadata
    assert inference["spatial_size"] == folder.config("train")["spatial_size"] == SIZES["spatial_size"]
    assert inference["network_def"]["_target_"].startswith("scripts.") and "monai_kd" not in repr(inference)
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == SIZES["spatial_size"]
    assert (folder.root / "configs" / "datalist.json").read_text() == '["a.png"]'


def test_a_training_without_a_teacher_has_none_to_pack(bundle, weights, tmp_path):
    path = bundle / "configs" / "train.json"
    config = json.loads(path.read_text())
    for checkpoint, cause in (("/elsewhere/teacher.pt", "from '/elsewhere/teacher.pt'"), (None, "no 'teacher_check")):
        config = {**config, "teacher_checkpoint": checkpoint} if checkpoint else {"network_def": config["network_def"]}
        path.write_text(json.dumps(config))
        with pytest.raises(ValueError, match=cause):
            pack_bundle(bundle, tmp_path / "dist", weights, False, teacher=True)


@pytest.mark.parametrize("name", ["models/teacher.pt", "docs/figure.png", "scripts/table.py"])
def test_no_file_is_too_large_for_the_zoo(name, bundle, weights, tmp_path):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_bytes(bytes(26 * 2**20))
    with pytest.raises(ValueError, match=f"'{name}' has 26 MB, but the Model Zoo takes at most 25 MB a file"):
        pack_bundle(bundle, tmp_path / "dist", weights, teacher="teacher" in name, **SIZES)
    assert not (tmp_path / "dist").exists()


def test_a_version_that_the_changelog_does_not_tell_of_is_refused(weights, tmp_path):
    bundle = shutil.copytree(ROOT, tmp_path / ROOT.name, ignore=shutil.ignore_patterns("models", "runs"))
    path = bundle / "configs" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": "9.9.9"}))
    with pytest.raises(ValueError, match=r"version '9\.9\.9', which is not in its changelog"):
        pack_bundle(bundle, tmp_path / "dist", weights, **SIZES)


def test_what_needs_this_package_beside_the_network_is_named():
    config = {"network_def": {"_target_": "UNet"}, "preprocessing": {"_target_": "monai_kd.data.LoadUltrasoundd"}}
    with pytest.raises(
        ValueError, match=r"needs monai_kd for 'preprocessing', but only the network's code can be copied"
    ):
        network_from_scripts(config)


def test_the_network_comes_with_all_that_it_imports():
    config = {"network_def": {"_target_": "monai_kd.networks.StudentUNet", "spatial_dims": 2}}
    carried, sources = network_from_scripts(config)
    assert carried["network_def"] == {"_target_": "scripts.networks.student_unet.StudentUNet", "spatial_dims": 2}
    assert list(sources) == ["scripts/__init__.py", "scripts/networks/__init__.py"] + [
        f"scripts/networks/{name}.py" for name in ("fast_volumes", "input_checks", "student_unet")
    ]
    assert not [path for path, source in sources.items() if "monai_kd" in source]


def test_a_config_without_a_stock_one_is_carried_where_it_can(weights, tmp_path):
    """As in a bundle whose teacher came from the Model Zoo."""
    bundle = shutil.copytree(ROOT, tmp_path / "students", ignore=shutil.ignore_patterns("models", "runs"))
    (bundle / "configs" / "inference_stock.json").replace(bundle / "configs" / "inference.json")
    (bundle / "scripts").mkdir()
    (bundle / "scripts" / "__init__.py").write_text("OWN = 1\n")
    root = unpacked(pack_bundle(bundle, tmp_path / "dist", weights, **SIZES), tmp_path / "zoo")
    assert "scripts.networks" in (root / "configs" / "inference.json").read_text()
    assert (root / "scripts" / "__init__.py").read_text() == "OWN = 1\n"
    (bundle / "scripts" / "networks").mkdir()
    (bundle / "scripts" / "networks" / "student_unet.py").write_text("")
    with pytest.raises(ValueError, match=r"already has a file 'scripts/networks/student_unet\.py'"):
        pack_bundle(bundle, tmp_path / "dist", weights, **SIZES)


def test_a_config_that_needs_this_package_stays_as_it_is(weights, tmp_path):
    bundle = shutil.copytree(ROOT, tmp_path / ROOT.name, ignore=shutil.ignore_patterns("models", "runs"))
    (bundle / "configs" / "inference_stock.json").unlink()
    root = unpacked(pack_bundle(bundle, tmp_path / "dist", weights, **SIZES), tmp_path / "zoo")
    assert "monai_kd.data" in (root / "configs" / "inference.json").read_text()
    assert "monai-kd" in (root / "configs" / "metadata.json").read_text()


def test_a_network_of_monai_needs_no_scripts():
    config = {"network_def": {"_target_": "UNet", "channels": [4, 8]}}
    assert network_from_scripts(config) == (config, {})


def test_the_command(weights, tmp_path):
    sizes = [part for key, value in SIZES.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    options = ["--output-dir", str(tmp_path), "--checkpoint", str(weights), *sizes]
    result = CliRunner().invoke(command_line.app, ["bundle", "pack", str(ROOT), *options])
    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.glob("breast_ultrasound_segmentation_v*.zip"))) == 1
    result = CliRunner().invoke(command_line.app, ["bundle", "pack", str(ROOT), *options[:2], "--without-weights"])
    assert result.exit_code == 0 and "without weights" in result.output
    with zipfile.ZipFile(next(Path(tmp_path).glob("*.zip"))) as packed:
        assert not [name for name in packed.namelist() if name.endswith(".pt")]


@pytest.mark.parametrize("part", ["configs", "docs/archives", "models"])
def test_the_archive_does_not_lie_among_what_is_packed(weights, tmp_path, part):
    bundle = shutil.copytree(ROOT, tmp_path / ROOT.name, ignore=shutil.ignore_patterns("models", "runs"))
    (bundle / "models").mkdir()
    with pytest.raises(
        ValueError, match=r"output_dir '.*' lies in the bundle's folder '.*'.*Choose a folder beside it"
    ):
        pack_bundle(bundle, bundle / part, weights, **SIZES)
    assert not list(bundle.rglob("*.zip"))
