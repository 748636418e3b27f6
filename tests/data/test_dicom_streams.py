# SPDX-License-Identifier: Apache-2.0
"""Compressed DICOM whose header and stream contradict each other, and syntaxes that are not read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import inspect_dataset, list_images
from monai_kd.data.image_files.reading import read_image
from tests.data.dicom_fixtures import EXPLICIT, JPEG, write_dicom
from tests.data.layout_fixtures import lesion, make_plain, speckle, write_image
from tests.data.test_dicom import gray_of, jpeg, smooth

pytest.importorskip("itk")

JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_LABELS = ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"]


def picture():
    rgb = smooth()
    rgb[4:14, 6:20] = (230, 20, 40)  # saturated: wrong colors give wrong grays
    return rgb


def stream(rgb, kind="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind, **options)
    return file.getvalue()


def without_marker(content, marker):
    """A JPEG without the first of its segments of a kind."""
    place = content.index(b"\xff" + bytes([marker]))
    return content[:place] + content[place + 2 + int.from_bytes(content[place + 2 : place + 4], "big") :]


STREAMS = {
    "JFIF": lambda rgb: stream(rgb, quality=95, subsampling=0),
    "JFIF, fewer samples of color": lambda rgb: stream(rgb, quality=95, subsampling=2),
    "Adobe's RGB": lambda rgb: stream(rgb, quality=95, keep_rgb=True),
    "components R, G, B": lambda rgb: without_marker(stream(rgb, quality=95, keep_rgb=True), 0xEE),
    "fewer samples of color": lambda rgb: without_marker(stream(rgb, quality=95, subsampling=1), 0xE0),
    "a long comment first": lambda rgb: stream(rgb, quality=95, comment=b"x" * 60_000),
    "progressive": lambda rgb: stream(rgb, quality=95, progressive=True),
}


@pytest.mark.parametrize("label", JPEG_LABELS)
@pytest.mark.parametrize("name", STREAMS)
def test_the_streams_own_colors_are_believed(tmp_path, name, label):
    rgb = picture()
    path = write_dicom(tmp_path / "1.dcm", rgb, label, syntax=JPEG, jpegs=[STREAMS[name](rgb)])
    before = path.read_bytes()
    assert np.abs(read_image(path).numpy()[0].T - gray_of(rgb)).mean() < 2
    assert path.read_bytes() == before


@pytest.mark.parametrize("label", JPEG_LABELS)
def test_jpeg_2000_that_transforms_its_colors(tmp_path, label):
    rgb = picture()
    content = stream(rgb, "JPEG2000", mct=1, no_jp2=True, irreversible=False)
    path = write_dicom(tmp_path / "1.dcm", rgb, label, syntax=JPEG_2000, jpegs=[content])
    assert np.abs(read_image(path).numpy()[0].T - gray_of(rgb)).mean() < 1


@pytest.mark.parametrize("label", ["RGB", "YBR_FULL_422"])
def test_loop_of_contradicting_frames(tmp_path, label):
    frames = [np.roll(picture(), shift, axis=0) for shift in (0, 5, 9)]
    jpegs = [STREAMS["Adobe's RGB"](frame) for frame in frames]
    path = write_dicom(tmp_path / "1.dcm", np.stack(frames), label, frames=3, syntax=JPEG, jpegs=jpegs)
    for number, frame in enumerate(frames):
        assert np.abs(read_image(path, number).numpy()[0].T - gray_of(frame)).mean() < 2
    path = write_dicom(
        tmp_path / "2.dcm", np.stack(frames), "YBR_FULL", frames=3, syntax=JPEG, jpegs=[jpegs[0], jpeg(frames[1])] * 2
    )
    assert np.isfinite(read_image(path, 0).numpy()).all()  # parts of pictures; only the first has a header


@pytest.mark.parametrize(
    ("values", "photometric", "content", "message"),
    [
        (np.zeros((56, 80), np.uint8), "MONOCHROME2", lambda: jpeg(speckle(1).T), "80 × 56 .* has 40 × 28 of 1"),
        (np.zeros((14, 20), np.uint8), "MONOCHROME2", lambda: jpeg(speckle(1).T), "20 × 14 .* has 40 × 28 of 1"),
        (speckle(1).T, "MONOCHROME2", lambda: jpeg(picture()), "40 × 28 pixels of 1 channels, .* has 40 × 28 of 3"),
        (picture(), "RGB", lambda: jpeg(speckle(1).T), "40 × 28 pixels of 3 channels, .* has 40 × 28 of 1"),
    ],
)
def test_stream_of_another_size_is_refused(tmp_path, values, photometric, content, message):
    path = write_dicom(tmp_path / "1.dcm", values, photometric, syntax=JPEG, jpegs=[content()])
    with pytest.raises(ValueError, match=rf"1\.dcm cannot be decoded \(its header says {message}"):
        read_image(path)


def test_loop_that_lacks_frames(tmp_path):
    values = np.stack([speckle(seed).T for seed in range(3)])
    path = write_dicom(tmp_path / "1.dcm", values, frames=3, syntax=JPEG, jpegs=[jpeg(v) for v in values[:2]])
    with pytest.raises(ValueError, match=r"1\.dcm cannot be decoded \(it holds 2 pictures, but its header says 3"):
        read_image(path, 0)


@pytest.mark.parametrize("cut", [0, 2, 3, 10, 30, 200])
def test_stream_that_is_cut_off_or_none(tmp_path, cut):
    path = write_dicom(tmp_path / "1.dcm", picture(), "RGB", syntax=JPEG, jpegs=[jpeg(picture())[:cut]])
    with pytest.raises(ValueError, match=r"1\.dcm cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize(
    ("end", "name"),
    [
        (".4.100", "MPEG-2 video"),
        (".4.102", "H.264"),
        (".4.105", "H.264"),
        (".4.107", r"H.265 \(HEVC\)"),
        (".4.201", "HTJ2K"),
        (".4.203", "HTJ2K"),
        (".4.110", "JPEG XL"),
        (".4.94", "JPIP"),
        (".1.99", "deflated"),
        (".9.9", "something unknown"),
    ],
)
def test_syntax_that_is_not_read_is_named_with_what_to_export(tmp_path, end, name):
    make_plain(tmp_path, count=2)
    syntax = f"1.2.840.10008.1.2{end}"
    path = write_dicom(tmp_path / "images" / "v.dcm", speckle(1).T, frames=9, syntax=syntax, jpegs=[b"\0\0\0\1" * 9])
    write_image(tmp_path / "labels" / "v.png", lesion(1))
    with pytest.raises(
        ValueError, match=rf"v\.dcm holds .* {name}.*{syntax}\), which cannot be read\. Export it uncom"
    ) as error:
        read_image(path)
    assert str(error.value) in [problem.message.removeprefix("v: ") for problem in inspect_dataset(tmp_path).problems]
    assert len(list_images(tmp_path / "images")) == 3


def test_uncompressed_is_not_looked_into(tmp_path):
    rgb = picture()
    rgb[0, 0] = (0xFF, 0xD8, 0xFF)
    path = write_dicom(tmp_path / "1.dcm", rgb, "RGB", syntax=EXPLICIT)
    assert np.abs(read_image(path).numpy()[0].T - gray_of(rgb)).max() <= 1
