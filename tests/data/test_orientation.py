# SPDX-License-Identifier: Apache-2.0
"""Pictures are read as viewers show them, whatever their orientation tag says."""

from __future__ import annotations

import struct

import nibabel
import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from monai_kd.data import LoadUltrasoundd, convert_dataset, inspect_dataset, read_dataset, save_mask
from monai_kd.data.image_files.formats import read_header
from monai_kd.data.image_files.pillow import ORIENTATION
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.layout_fixtures import SIZE, lesion, speckle
from tests.data.picture_fixtures import DEFLATE, RAW, TAGS, png_chunks, stored, write_tagged, write_tiff

WAYS = [".png", ".jpg", ".jpeg", ".tif raw", ".tif tiff_lzw", ".tiff tiff_adobe_deflate", ".tif packbits"]


def smooth(size=SIZE):
    """(W, H) values that JPEG keeps, and that are nowhere symmetric."""
    x, y = np.meshgrid(np.linspace(0, 170, size[0]), np.linspace(0, 85, size[1]), indexing="ij")
    return (x + y).astype(np.uint8)


def write(folder, way, values, tag, name="1"):
    suffix, *compression = way.split()
    options = {"compression": compression[0]} if compression else {}
    return write_tagged(folder / f"{name}{suffix}", values, tag, **options)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("way", WAYS)
def test_image_mask_and_size_are_the_shown_ones(tmp_path, way, tag):
    path = write(tmp_path, way, smooth(), tag)
    image = read_image(path).numpy()[0]
    assert image.shape == SIZE == read_header(path).shape
    assert np.abs(image - smooth()).max() <= (4 if ".jp" in way else 0)
    viewed = np.asarray(ImageOps.exif_transpose(Image.open(path.open("rb")))).T
    np.testing.assert_array_equal(image, viewed)
    mask = read_mask(write(tmp_path / "mask", way, (smooth() > 120).astype(np.uint8) * 255, tag))
    assert (mask.numpy()[0] != (smooth() > 120)).mean() <= (0.02 if ".jp" in way else 0)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_is_turned(tmp_path, tag, mode):
    values = speckle(1).astype(np.uint16) * 257 if mode == "I;16" else speckle(1)
    turned = Image.fromarray(np.ascontiguousarray(stored(values.T, tag)))
    turned = turned if mode == "I;16" else turned.convert(mode)
    upright = Image.fromarray(np.ascontiguousarray(values.T))
    (upright if mode == "I;16" else upright.convert(mode)).save(tmp_path / "upright.png")
    for suffix in (".png", ".tif"):
        options = {"tiffinfo": {ORIENTATION: tag}} if suffix == ".tif" else {"exif": _exif(tag)}
        turned.save(tmp_path / f"1{suffix}", **options)
        if mode == "1":  # dithered before it was turned
            assert read_image(tmp_path / f"1{suffix}").shape == (1, *SIZE)
            continue
        expected, found = (read_image(tmp_path / name).numpy() for name in ("upright.png", f"1{suffix}"))
        np.testing.assert_array_equal(found, expected)


def _exif(tag):
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    return exif


@pytest.mark.parametrize("compression", [RAW, DEFLATE])
def test_every_page_has_an_orientation_of_its_own(tmp_path, compression):
    pages = [speckle(seed) for seed in TAGS]
    path = write_tiff(
        tmp_path / "1.tif",
        [stored(page.T, tag) for page, tag in zip(pages, TAGS, strict=True)],
        tags=TAGS,
        compression=compression,
    )
    assert read_header(path).shape == (*SIZE, len(TAGS))
    for frame in (*range(len(TAGS)), 5, 0):
        np.testing.assert_array_equal(read_image(path, frame).numpy()[0], pages[frame])


def test_png_with_its_tag_behind_the_pixels(tmp_path):
    path = write_tagged(tmp_path / "1.png", speckle(1), 6)
    chunks = png_chunks(path.read_bytes())
    late = sorted(chunks, key=lambda chunk: (chunk[4:8] == b"eXIf") + 2 * (chunk[4:8] == b"IEND"))
    assert late != chunks
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(late))
    np.testing.assert_array_equal(read_image(path).numpy()[0], speckle(1))
    assert read_header(path).shape == SIZE


@pytest.mark.parametrize("tag", TAGS)
def test_header_of_png_decodes_no_pixels(tmp_path, monkeypatch, tag):
    path = write_tagged(tmp_path / "1.png", speckle(1), tag)
    if tag == 1:
        Image.fromarray(speckle(1).T).save(path)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("pixels were decoded"))
    assert read_header(path).shape == SIZE


@pytest.mark.parametrize("tag", [0, 9, 255, 65535])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_value_that_means_nothing_turns_nothing(tmp_path, suffix, tag):
    path = write_tagged(tmp_path / f"1{suffix}", smooth(), tag)
    assert np.abs(read_image(path).numpy()[0] - smooth()).max() <= 4
    assert read_header(path).shape == SIZE


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0rubbish" * 9])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_damaged_exif_turns_nothing(tmp_path, suffix, exif):
    Image.fromarray(smooth().T).save(tmp_path / f"1{suffix}", exif=exif, quality=100)
    assert np.abs(read_image(tmp_path / f"1{suffix}").numpy()[0] - smooth()).max() <= 4
    assert read_header(tmp_path / f"1{suffix}").shape == SIZE


@pytest.mark.parametrize(("kind", "value"), [(2, b"6\0\0\0"), (5, b"\x08\0\0\0"), (11, b"\0\0\xc0@"), (99, b"6\0\0\0")])
def test_tag_of_another_type_turns_nothing(tmp_path, kind, value):
    """The types: text, a fraction beyond the end, a float, an unknown one."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", ORIENTATION, kind, 1) + value + bytes(4)
    Image.fromarray(smooth().T).save(tmp_path / "1.jpg", exif=exif, quality=100)
    assert read_image(tmp_path / "1.jpg").shape == (1, *SIZE) == (1, *read_header(tmp_path / "1.jpg").shape)


def make_tagged(root, image_tags, mask_tags, suffix=".jpg", mask_suffix=".png"):
    """Plain folders of pictures whose lesion is bright, with tags on images and masks."""
    for number, (tag, mask_tag) in enumerate(zip(image_tags, mask_tags, strict=True)):
        inside = lesion(number, (64, 48))
        write_tagged(root / "images" / f"p{number}{suffix}", np.where(inside, 220, 30).astype(np.uint8), tag)
        write_tagged(root / "labels" / f"p{number}{mask_suffix}", inside.astype(np.uint8) * 255, mask_tag)
    return root


@pytest.mark.parametrize("layout", ["plain", "nnunet", "monailabel", "dataset_a"])
@pytest.mark.parametrize(("suffix", "mask_suffix"), [(".jpg", ".png"), (".tif", ".jpg"), (".png", ".tif")])
def test_converted_pictures_and_masks_are_upright(tmp_path, layout, suffix, mask_suffix):
    root = make_tagged(tmp_path / "data", TAGS, (*TAGS[3:], *TAGS[:3]), suffix, mask_suffix)
    out = tmp_path / "Dataset501_Out"
    for entry in convert_dataset(root, out, layout):
        image, mask = (_without_tags(out / entry[key]) for key in ("image", "label"))
        assert image.shape == mask.shape == (64, 48)
        assert ((image > 128) != (mask > 0)).mean() < 0.02
        np.testing.assert_array_equal(mask > 0, read_mask(root / entry["source_label"][0]).numpy()[0])


def _without_tags(path):
    """The pixels as a program without support for tags reads them."""
    if path.name.endswith(".nii.gz"):
        return nibabel.load(path).get_fdata()[..., 0]
    picture = Image.open(path)
    assert ORIENTATION not in picture.getexif()
    return np.asarray(picture).T


def test_inspection_takes_tagged_pairs_and_finds_their_duplicates(tmp_path):
    root = make_tagged(tmp_path / "data", TAGS, TAGS[::-1], ".tif", ".png")
    for tag, name in ((6, "q6"), (3, "q3")):
        inside = lesion(0, (64, 48))
        write_tagged(root / "images" / f"{name}.tif", np.where(inside, 220, 30).astype(np.uint8), tag)
        write_tagged(root / "labels" / f"{name}.tif", inside.astype(np.uint8) * 255, tag)
    found = inspect_dataset(root)
    assert found.is_trainable
    assert found.duplicates == [("p0", "q3", "q6")]
    assert {item.image.size for item in found.facts} == {(64, 48)}
    assert "turned by its orientation tag 6" in " ".join(found.to_dict()["encodings"])


def test_mask_is_written_for_the_shown_picture(tmp_path):
    for tag in TAGS:
        for suffix in (".jpg", ".png", ".tif"):
            image = read_image(write_tagged(tmp_path / f"{tag}{suffix}", smooth(), tag))
            written = save_mask(image > 120, tmp_path / "masks")
            assert (np.asarray(Image.open(written)).T > 0).shape == SIZE
            assert ((np.asarray(Image.open(written)).T > 0) != (smooth() > 120)).mean() < 0.02


def test_mask_of_another_size_is_told_in_sizes_as_shown(tmp_path):
    write_tagged(tmp_path / "images" / "1.jpg", smooth(), 6)
    write_tagged(tmp_path / "labels" / "1.png", (smooth() > 120).T, 1)
    (record,) = read_dataset(tmp_path)
    with pytest.raises(ValueError, match=r"labels.1\.png is 28 × 40 pixels but .*images.1\.jpg is 40 × 28"):
        LoadUltrasoundd()(record)
