# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import SaveImaged

from monai_kd.data import AsLabelMapd, SaveMaskd
from monai_kd.data.image_files.reading import read_image
from tests.data.layout_fixtures import lesion, speckle, write_image

SHAPES = [
    ("a.png", (20, 30), (20, 30)),
    ("a.jpg", (20, 30), (20, 30)),
    ("a.nii.gz", (20, 30), (20, 30, 1)),
    ("a.nrrd", (20, 30, 1), (20, 30, 1)),
    ("a.dcm", (20, 30), (20, 30, 1)),
    ("a.nii.gz", (20, 30, 4), (20, 30, 4)),
]


@pytest.mark.parametrize(("name", "size", "expected"), SHAPES)
def test_the_axes_are_those_of_the_images_file(name, size, expected, tmp_path):
    image = read_image(write_image(tmp_path / name, speckle(0, size)))
    inside = torch.as_tensor(np.squeeze(lesion(0, size)))
    mask = torch.zeros_like(image)
    mask[0] = inside
    sample = AsLabelMapd("pred")({"image": image, "pred": mask, "id": "a"})
    label_map = sample["pred"]
    assert label_map.dtype == torch.uint8 and label_map.shape == expected
    assert torch.equal(label_map.as_tensor().squeeze() > 0, inside)
    torch.testing.assert_close(label_map.affine, image.affine)
    assert tuple(sample["image"].meta["spatial_shape"]) == expected and sample["id"] == "a"
    assert tuple(image.meta["spatial_shape"]) == tuple(image.shape[1:])  # the input is unchanged


def test_whoever_takes_savers_out_takes_ours_out(tmp_path):
    assert isinstance(SaveMaskd("pred", tmp_path / "masks"), SaveImaged)
    assert not (tmp_path / "masks").exists()
