# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.transforms import class_mix


def batch(spatial, seed, channels=2):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn((3, channels, *spatial), generator=generator)
    return image, torch.randint(0, 3, (3, 1, *spatial), generator=generator).float()


@pytest.mark.parametrize("spatial", [(4, 5), (3, 4, 5)])
def test_every_labelled_pixel_and_nothing_else_is_pasted(spatial):
    (image, label), (onto, onto_label) = batch(spatial, 0), batch(spatial, 1)
    mixed, mixed_label = class_mix(image, label, onto, onto_label)
    for n, *position in torch.cartesian_prod(*(torch.arange(s) for s in (3, *spatial))).tolist():
        at = (n, slice(None), *position)
        pasted = label[at].item() > 0
        assert torch.equal(mixed[at], (image if pasted else onto)[at])
        assert torch.equal(mixed_label[at], (label if pasted else onto_label)[at])


def test_given_images_are_left_alone():
    (image, label), (onto, onto_label) = batch((4, 4), 0), batch((4, 4), 1)
    before = [x.clone() for x in (image, label, onto, onto_label)]
    mixed, mixed_label = class_mix(image, label, onto, onto_label)
    mixed.zero_(), mixed_label.zero_()
    assert all(torch.equal(a, b) for a, b in zip((image, label, onto, onto_label), before, strict=True))


def test_label_keeps_its_type():
    image, label = batch((4, 4), 0)
    mixed = class_mix(image, label, image, label.long())[1]
    assert mixed.dtype == label.dtype


def test_images_of_another_size_are_refused():
    (image, label), (onto, onto_label) = batch((4, 4), 0), batch((4, 5), 1)
    with pytest.raises(ValueError, match=r"\(3, 2, 4, 4\).*\(3, 2, 4, 5\).*Bring both data sets to one size"):
        class_mix(image, label, onto, onto_label)
    with pytest.raises(ValueError, match="number of channels"):
        class_mix(image, label, image[:, :1], label)
