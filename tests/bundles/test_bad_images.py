# SPDX-License-Identifier: Apache-2.0
"""One bad image among good ones: inference goes on with the others, lists the bad ones, and ends with an error."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from monai_kd.engines import ImagesLeftOutError
from monai_kd.handlers import ScoresHandler
from tests.bundles.conftest import CLASSIFICATION, ROOT, run_bundle, run_classification

PARTS = {"segmentation": (run_bundle, ROOT), "classification": (run_classification, CLASSIFICATION)}
NAMES = [f"a{k}.png" for k in range(4)]


def picture(path, seed=0):
    Image.fromarray(np.random.default_rng(seed).integers(20, 220, (40, 48), dtype=np.uint8)).save(path)


def cut(path):
    path.write_bytes(path.read_bytes()[:700])


def sixteen_bits(path):
    Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * 257).save(path)


def nan(path):
    image = np.full((8, 8), np.nan, dtype=np.float32)
    path.unlink()
    Image.fromarray(image).save(path.with_suffix(".tif"))


def three_axes(path):
    nibabel = pytest.importorskip("nibabel")
    path.unlink()
    nibabel.save(nibabel.Nifti1Image(np.ones((8, 8, 3), dtype=np.uint8), np.eye(4)), path.with_suffix(".nii"))


def nowhere(path):
    path.unlink()
    path.symlink_to("gone.png")


def loop(path):
    path.unlink()
    path.symlink_to(path.name)


def folder(path):
    path.unlink()
    path.mkdir()


def text(path):
    path.write_text("no image")


def empty(path):
    path.write_bytes(b"")


DAMAGES = [cut, sixteen_bits, nan, three_axes, nowhere, loop, folder, text, empty]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The weights of untrained networks."""
    from monai.bundle import ConfigParser

    from tests.bundles.conftest import tiny

    found = {}
    for name, (_, root) in PARTS.items():
        parser = ConfigParser()
        parser.read_config(str(root / "configs" / "inference.json"))
        small = {
            **tiny(["inference"], root),
            **({"student_channels": [2, 4, 4, 6]} if name == "classification" else {}),
        }
        parser.update({key: value for key, value in small.items() if key in parser})
        found[name] = tmp_path_factory.mktemp(name) / "model.pt"
        torch.save(parser.get_parsed_content("network_def").state_dict(), found[name])
    return found


def infer(tmp_path, checkpoints, part="segmentation", **arguments):
    """The images that have a result, and what the run ended with."""
    out, error = tmp_path / "out", None
    settings = {"dataset_dir": str(tmp_path / "images"), "output_dir": str(out), "checkpoint": str(checkpoints[part])}
    run = PARTS[part][0]
    try:
        run("inference", **settings, **arguments)
    except ImagesLeftOutError as left_out:
        error = left_out
    if part == "segmentation":
        return sorted(path.name for path in out.glob("*.png")), error
    table = out / "predictions.csv"
    rows = list(csv.DictReader(table.open(newline=""))) if table.is_file() else []
    return [f"{row['id']}.png" for row in rows], error


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for seed, name in enumerate(NAMES):
        picture(tmp_path / "images" / name, seed)
    return tmp_path / "images"


def assert_listed(error, bad):
    """The last lines are the bad files, each with a reason."""
    assert error.code not in (0, None)
    lines = str(error).splitlines()
    assert lines[0].startswith(f"{len(bad)} of {len(NAMES)} images ")
    assert len(lines) == 1 + len(bad)
    for name, line in zip(bad, lines[1:], strict=True):
        assert name.split(".")[0] in line
        assert len(line.split()) > 3, line


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_damage_costs_its_image_alone(damage, images, tmp_path, checkpoints):
    damage(images / NAMES[1])
    done, error = infer(tmp_path, checkpoints)
    assert done == [name for name in NAMES if name != NAMES[1]]
    assert_listed(error, [NAMES[1]])


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("places", [[0], [3], [0, 2], [0, 1, 2, 3], []], ids=str)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_wherever_it_is(part, places, batch_size, images, tmp_path, checkpoints):
    for place in places:
        cut(images / NAMES[place])
    done, error = infer(tmp_path, checkpoints, part, **{"dataloader#batch_size": batch_size})
    assert done == [name for k, name in enumerate(NAMES) if k not in places]
    if places:
        assert_listed(error, [NAMES[place] for place in places])
    else:
        assert error is None


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_mask_that_cannot_be_written_costs_its_image_alone(batch_size, images, tmp_path, checkpoints):
    (tmp_path / "out" / NAMES[2]).mkdir(parents=True)  # a folder where the mask should be
    (tmp_path / "out" / NAMES[2] / "file").touch()
    done, error = infer(tmp_path, checkpoints, **{"dataloader#batch_size": batch_size})
    assert [name for name in done if (tmp_path / "out" / name).is_file()] == [n for n in NAMES if n != NAMES[2]]
    assert_listed(error, [NAMES[2]])


def test_in_processes_of_the_loader_too(images, tmp_path, checkpoints):
    cut(images / NAMES[0])
    done, error = infer(tmp_path, checkpoints, **{"dataloader#num_workers": 2})
    assert done == NAMES[1:]
    assert_listed(error, NAMES[:1])


def test_a_link_out_of_the_folder_is_refused_as_before(images, tmp_path, checkpoints):
    picture(tmp_path / "secret.png")
    (images / NAMES[0]).unlink()
    (images / NAMES[0]).symlink_to("../secret.png")
    with pytest.raises(Exception, match=r"evaluat|lead out of it"):
        infer(tmp_path, checkpoints)


def test_a_test_image_that_fails_after_the_check_ends_the_evaluation(tmp_path, checkpoints, monkeypatch):
    """Nothing is scored twice, no table is written."""
    from monai_kd.phantom import write_phantoms

    write_phantoms(tmp_path / "data", count=10, seed=1)
    drawn = []

    def fail(handler, engine):
        drawn.append(engine.state.iteration)
        for path in (tmp_path / "data").rglob("*.png"):
            path.write_bytes(b"")

    monkeypatch.setattr(ScoresHandler, "_collect", fail)
    with pytest.raises(Exception, match="evaluator"):
        run_bundle(
            "evaluate",
            dataset_dir=str(tmp_path / "data"),
            output_dir=str(tmp_path / "scores"),
            checkpoint=str(checkpoints["segmentation"]),
            section="training",
        )
    assert drawn == list(range(1, len(drawn) + 1))
    assert not {path.name for path in (tmp_path / "scores").iterdir()} & {"scores.csv", "summary.json"}
