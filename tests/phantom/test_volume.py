# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_kd.data import LoadUltrasoundd, read_dataset
from monai_kd.phantom import PhantomSettings, phantom_volume, write_phantom_volumes
from monai_kd.phantom.beam import blur
from monai_kd.phantom.scanner import Scanner
from monai_kd.phantom.tissue import Tissue
from monai_kd.phantom.volumes.sweep import ELEVATION, sweep
from monai_kd.phantom.volumes.tissue import Block

SIZE = (48, 40, 32)


@pytest.fixture(scope="module")
def volumes():
    return [phantom_volume(index, 2, SIZE) for index in range(1, 7)]


def test_shape_types_and_millimeters(volumes):
    for volume in volumes:
        assert volume.image.shape == volume.mask.shape == SIZE
        assert volume.image.dtype == np.uint8 and volume.mask.dtype == np.bool_
        assert [n * mm for n, mm in zip(SIZE, volume.spacing, strict=True)] == pytest.approx([40, 36, 40])
        assert volume.pathology in ("Benign", "Malignant")
    assert len({volume.image.tobytes() for volume in volumes}) == len(volumes)


def test_same_arguments_give_the_same_volume(volumes):
    again = phantom_volume(3, 2, SIZE)
    assert np.array_equal(again.image, volumes[2].image) and np.array_equal(again.mask, volumes[2].mask)


def test_a_lesion_is_one_body_that_begins_and_ends_along_every_axis(volumes):
    for volume in volumes:
        sizes = np.bincount(ndimage.label(volume.mask)[0].ravel())[1:]
        assert sizes.max() > 0.95 * volume.mask.sum()
        for axis in (0, 2):
            areas = volume.mask.sum(axis=tuple({0, 1, 2} - {axis}))
            shown = areas[areas > 0]
            assert 3 < len(shown) < 0.9 * len(areas)
            assert shown[0] < 0.8 * shown.max() and shown[-1] < 0.8 * shown.max()  # slices differ


def test_lesions_are_darker_than_around(volumes):
    darker = []
    for volume in volumes:
        ring = ndimage.binary_dilation(volume.mask, iterations=3) & ~volume.mask
        darker.append(volume.image[volume.mask].mean() < volume.image[ring].mean())
    assert np.mean(darker) > 0.8


def test_the_skin_is_on_top_of_the_second_axis(volumes):
    assert np.mean([volume.image[:, 1].mean() > volume.image[:, 10:].mean() + 20 for volume in volumes]) > 0.8


@pytest.fixture(scope="module")
def speckle():
    """Amplitudes (W, H, D) in tissue that is the same everywhere, 0.2, 0.3 and 0.3 mm from voxel to voxel."""
    block = Block((160, 60, 60), (0.15, 0.2, 0.3))
    tissue = Tissue(*(np.zeros(block.shape, np.float32) for _ in range(3)), block.pitch)
    scanner = Scanner(focus=12, depth_of_field=60, noise=-90, smoothing=0, fading=(0, 0), dynamic_range=80, gain=0.6)
    gray = sweep(scanner, tissue, np.random.default_rng(0), block).swapaxes(0, 1)
    return 10 ** (gray[5:-5, 5:-5, 5:-5] * (80 / 255 / 20))


def alike(speckle, axis, steps):
    """Correlation between slices so many steps apart along an axis."""
    moved = np.moveaxis(speckle, axis, 0)
    return np.corrcoef(moved[:-steps].ravel(), moved[steps:].ravel())[0, 1]


def test_neighboring_slices_are_as_alike_as_the_beam_is_wide(speckle):
    for steps in (1, 2, 3, 4):
        # The squared correlation of Gaussian beams of standard deviation s that are d apart: exp(-d² / 2s²).
        expected = np.exp(-np.square(steps * 0.3 / ELEVATION) / 2)
        assert alike(speckle, 2, steps) == pytest.approx(expected, abs=0.07)
    assert abs(alike(speckle, 2, 10)) < 0.05


def test_the_beam_is_narrowest_in_depth_and_widest_along_the_sweep(speckle):
    in_depth, across, along = alike(speckle, 1, 2), alike(speckle, 0, 3), alike(speckle, 2, 2)  # each 0.6 mm
    assert in_depth < 0.1 and across < 0.2 and along > 0.5
    assert (
        alike(speckle, 1, 1) < (alike(speckle, 0, 1) + alike(speckle, 0, 2)) / 2
    )  # 0.3 mm in depth, 0.2 and 0.4 across


def test_the_envelope_of_a_volume_is_rayleighs():
    block = Block((200, 60, 40), (0.2, 0.4, 0.6))
    echo = np.random.default_rng(0).standard_normal((*block.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    for axis, deviation in enumerate((0.8, 1.2, 1.5)):
        echo = blur(echo, np.full((1, 1, 1), deviation, np.float32), axis)
    envelope = np.abs(echo)[8:-8, 8:-8, 8:-8]
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.06)
    assert np.square(envelope).mean() == pytest.approx(2, rel=0.06)


def test_written_volumes_are_read_as_plain_folders(tmp_path):
    done = []
    settings = PhantomSettings(scanner="handheld", normal_fraction=0.5)
    write_phantom_volumes(tmp_path / "out", 4, seed=1, progress=done.append, settings=settings, size=(32, 24, 20))
    records = read_dataset(tmp_path / "out")
    assert done == [1, 2, 3, 4] and [record["id"] for record in records] == ["000001", "000002", "000003", "000004"]
    with (tmp_path / "out" / "patients.csv").open() as stream:
        table = list(csv.DictReader(stream))
    for index, (record, row) in enumerate(zip(records, table, strict=True), start=1):
        loaded, volume = LoadUltrasoundd(spatial_dims=3)(record), phantom_volume(index, 1, (32, 24, 20), settings)
        assert torch.equal(loaded["image"][0], torch.from_numpy(volume.image.astype(np.float32)))
        assert torch.equal(loaded["label"][0], torch.from_numpy(volume.mask.astype(np.float32)))
        assert loaded["image"].pixdim.tolist() == pytest.approx(volume.spacing)
        assert row == {"id": record["id"], "patient": record["id"], "pathology": volume.pathology.lower()}
    assert {row["pathology"] for row in table} > {"normal"}


def test_normals_have_an_empty_mask_and_scanners_a_look_of_their_own():
    assert not phantom_volume(1, 0, SIZE, PhantomSettings(normal_fraction=1)).mask.any()
    crisp, smooth = (phantom_volume(1, 0, SIZE, PhantomSettings(scanner=name)) for name in ("crisp", "smooth"))
    assert np.array_equal(crisp.mask, smooth.mask)
    assert smooth.image.mean() > crisp.image.mean() + 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": -1}, "index and seed"),
        ({"size": (8, 32, 32)}, "16 voxels or more"),
        ({"settings": PhantomSettings(probe="curved")}, "linear probe"),
        ({"settings": PhantomSettings(depth=40)}, "Leave out"),
        ({"settings": PhantomSettings(margins=True)}, "Leave out"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        phantom_volume(**{"index": 1, "size": SIZE, **arguments})


def test_nothing_is_left_where_settings_do_not_suit_volumes(tmp_path):
    with pytest.raises(ValueError, match="Leave out"):
        write_phantom_volumes(tmp_path / "out", 2, settings=PhantomSettings(probe="curved"))
    assert not list(tmp_path.iterdir())
