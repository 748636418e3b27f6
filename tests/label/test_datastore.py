# SPDX-License-Identifier: Apache-2.0
"""The datastore without a server: correct ids, atomic writes, and errors that name the cause."""

from __future__ import annotations

import json
import re
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("monailabel")

from fastapi import HTTPException
from monailabel.interfaces.datastore import DefaultLabelTag
from PIL import Image

from monai_kd.data import LoadUltrasoundd, read_dataset
from monai_kd.label.studies.datastore import StudyDatastore
from tests.data.layout_fixtures import SIZE, lesion, speckle, write_image


@pytest.fixture
def study(tmp_path):
    for number, name in enumerate(("benign (1).png", "case.001.png", "X.PNG", "a.png.png", "é.nii.gz", "e\u0301.bmp")):
        write_image(tmp_path / "study" / name, speckle(number))
    return tmp_path / "study"


@pytest.fixture
def upload(tmp_path):
    """Write a file as the server receives one from a client."""

    def write(values, suffix=".png"):
        return str(write_image(tmp_path / "tmp" / f"tmpabcdefgh{suffix}", values))

    return write


def mask(seed=0, size=SIZE, value=1):
    return lesion(seed, size).astype(np.uint8) * np.uint8(value)


def files(folder):
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def stop(store):
    """Stop watching the folder."""
    store._observer.stop()
    store._observer.join()


def refused(status, detail):
    return pytest.raises(HTTPException, match=f"^{status}: {detail}")


def test_ids_are_names_without_the_suffix(study):
    store = StudyDatastore(study)
    assert sorted(store.list_images()) == sorted(["benign (1)", "case.001", "X", "a.png", "é", "e\u0301"])
    assert all(Path(store.get_image_uri(key)).is_file() for key in store.list_images())
    assert store.get_image_uri("X").endswith("X.PNG") and store.get_image_info("é")["name"] == "é.nii.gz"
    assert sorted(StudyDatastore(study).list_images()) == sorted(store.list_images())


def test_only_files_of_the_given_extensions_are_listed_and_taken(study, upload):
    for name in (".hidden.png", "notes.txt", "bad\nname.png"):
        (study / name).write_bytes(b"x")
    (study / "folder.png").mkdir()
    store = StudyDatastore(study, extensions=["*.png", "*.nii.gz"])
    assert sorted(store.list_images()) == sorted(["X", "a.png", "benign (1)", "case.001", "é"])
    with refused(400, r"Image 'new' is a file with the suffix '\.bmp'\. Convert it to one of \.png, \.nii\.gz\."):
        store.add_image("new", upload(speckle(1), ".bmp"), {})


def test_an_image_that_the_network_cannot_take_is_refused(study, upload):
    """It would end every training as an unlabelled image."""
    store = StudyDatastore(study, loading=LoadUltrasoundd("image", spatial_dims=2, eight_bit=True))
    before = files(study)
    for values, suffix, match in (
        (speckle(9).astype(np.uint16) * 257, ".png", "Image 'x' holds values from 0 to .* expected"),
        (np.zeros((4, 5, 6), np.uint8), ".nii.gz", "Image 'x' has the shape .* images of 2 axes are expected"),
    ):
        with pytest.raises(HTTPException) as caught:
            store.add_image("x", upload(values, suffix), {})
        assert caught.value.status_code == 400 and re.search(match, caught.value.detail), caught.value.detail
    assert files(study) == before
    assert store.add_image("x", upload(speckle(9)), {}) == "x"


def test_a_tag_in_capitals_is_not_taken_for_another_one(study, upload):
    store = StudyDatastore(study)
    with pytest.raises(HTTPException, match="The tag 'Final' is not 'final'"):
        store.save_label("X", upload(mask()), "Final", {})
    assert not (study / "labels" / "Final").exists() and store.save_label("X", upload(mask()), "final_2", {}) == "X"


@pytest.mark.parametrize("suffix", [".png", ".JPG", ".nii.gz", ".dcm"])
def test_an_image_is_added(study, upload, suffix):
    store, file = StudyDatastore(study), upload(speckle(9), suffix)
    assert store.add_image("Ärztin (2).b", file, {"who": "me"}) == "Ärztin (2).b"
    assert (study / f"Ärztin (2).b{suffix.lower()}").is_file()
    for again in (store, StudyDatastore(study)):
        assert again.get_image_info("Ärztin (2).b")["who"] == "me"
    assert store.add_image("Ärztin (2).b", file, {}) == "Ärztin (2).b"


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_an_id_is_not_given_twice(study, upload, suffix):
    store, before = StudyDatastore(study), files(study)
    for key in ("case.001", "é"):
        with refused(409, rf"Image '{key}' is another file of this study\. Choose another id"):
            store.add_image(key, upload(speckle(9), suffix), {})
    assert files(study) == before


def test_an_upload_that_is_no_image_leaves_nothing(study, tmp_path):
    store, before = StudyDatastore(study), files(study)
    for name, status in (("a.png", "cannot be decoded"), ("a.exe", r"suffix '\.exe'"), ("a", "without a suffix")):
        (tmp_path / name).write_bytes(b"MZ this is a program")
        with refused(400, f"Image 'new' .*{status}") as error:
            store.add_image("new", str(tmp_path / name), {})
        assert str(tmp_path) not in str(error.value)
    assert files(study) == before and "new" not in store.list_images()


@pytest.mark.parametrize("suffix", [".png", ".nrrd", ".nii.gz"])
@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_label_is_saved_and_read_as_a_data_set(study, upload, suffix, value):
    store = StudyDatastore(study)
    values = mask(3, value=value)
    slices = values if suffix == ".png" else values[..., None]
    assert store.save_label("benign (1)", upload(slices, suffix), DefaultLabelTag.FINAL, {"who": "me"}) == "benign (1)"
    assert store.get_labeled_images() == ["benign (1)"] and store.get_label_info("benign (1)", "final")["who"] == "me"
    assert Path(store.get_label_uri("benign (1)", "final")).name == f"benign (1){suffix}"
    (study / "e\u0301.bmp").unlink()
    assert [Path(record["label"]).name for record in read_dataset(study)] == [f"benign (1){suffix}"]


def test_a_later_label_replaces_one_of_another_format(study, upload):
    store, final = StudyDatastore(study), study / "labels" / "final"
    store.save_label("X", upload(mask()), "final", {})
    (final / "X.png").rename(final / "X.PNG")
    for suffix in (".nii.gz", ".nrrd", ".png"):
        store.save_label("X", upload(mask()[..., None] if suffix != ".png" else mask(), suffix), "final", {})
        assert files(final) == [f"X{suffix}"]
        assert StudyDatastore(study).get_label_uri("X", "final").endswith(suffix)


@pytest.mark.parametrize(
    ("values", "suffix", "match"),
    [
        (mask(size=(41, 28)), ".png", r"is 41 × 28 pixels but its image is 40 × 28\. Save it on the grid"),
        (mask(size=(28, 40))[..., None], ".nrrd", r"is 28 × 40 pixels but its image is 40 × 28"),
        (np.stack([mask()] * 2, axis=-1), ".nii.gz", r"is 40 × 28 × 2 pixels but its image is 40 × 28"),
        (mask() + mask(1), ".png", r"holds the values 0, 1, 2\. A label is 0 outside .* one segment, 'lesion'"),
        (mask(value=2), ".nii.gz", r"holds the values 0, 2"),
        (np.where(lesion(0), np.float32("nan"), np.float32(0)), ".nii.gz", "holds the values 0, nan"),
        (-mask().astype(np.int16), ".nii.gz", "holds the values -1, 0"),
        (speckle(1), ".png", r"holds the values 0, 1, 2, 3, 4 and \d+ more"),
        (np.dstack([mask(value=255), mask(1, value=127), mask()]), ".png", "holds the values"),
    ],
)
def test_a_label_of_another_size_or_with_other_values_is_refused(study, upload, values, suffix, match):
    store = StudyDatastore(study)
    store.save_label("X", upload(mask(7)), "final", {})
    before, kept = files(study), (study / "labels" / "final" / "X.png").read_bytes()
    with refused(400, f"The label of 'X' {match}"):
        store.save_label("X", upload(values, suffix), "final", {})
    assert files(study) == before and (study / "labels" / "final" / "X.png").read_bytes() == kept


def test_a_cine_loop_is_labelled_as_a_whole(study, upload):
    first, *others = (Image.fromarray(np.ascontiguousarray(speckle(frame).T)) for frame in range(3))
    first.save(study / "loop.tiff", save_all=True, append_images=others)
    store, whole = StudyDatastore(study), np.stack([mask(0), mask(1), 0 * mask()], axis=-1)
    assert store.save_label("loop", upload(whole, ".nrrd"), "final", {}) == "loop"
    with refused(400, "The label of 'loop' is 40 × 28 pixels but its image is 40 × 28 × 3"):
        store.save_label("loop", upload(mask()), "final", {})
    assert store.add_image("copy", str(study / "loop.tiff"), {}) == "copy"


def test_a_label_that_is_no_image_is_refused(study, tmp_path):
    store, before = StudyDatastore(study), files(study)
    for name, match in (("a.nrrd", "cannot be decoded"), ("a.txt", "suffix"), ("a", "without a suffix")):
        (tmp_path / name).write_bytes(b"no label")
        with refused(400, f"The label of 'X' .*{match}"):
            store.save_label("X", str(tmp_path / name), "final", {})
    assert files(study) == before


def test_unknown_image_and_label(study, upload):
    store = StudyDatastore(study)
    unknown = r"No image 'nobody' among the study's 6\."
    for call in (
        lambda: store.get_image_uri("nobody"),
        lambda: store.get_image("nobody"),
        lambda: store.get_image_info("nobody"),
        lambda: store.update_image_info("nobody", {}),
        lambda: store.remove_image("nobody"),
        lambda: store.get_labels_by_image_id("nobody"),
        lambda: store.get_label_uri("nobody", "final"),
        lambda: store.save_label("nobody", upload(mask()), "final", {}),
    ):
        with refused(404, unknown):
            call()
    store.save_label("X", upload(mask()), "draft", {})
    for call in (store.get_label_uri, store.get_label, store.get_label_info, store.remove_label):
        with refused(404, r"No label 'final' of image 'X'; it has draft\."):
            call("X", "final")
    assert store.get_label_by_image_id("X", "final") == "" and store.get_label_by_image_id("X", "draft") == "X"


def test_image_and_label_are_removed(study, upload):
    store = StudyDatastore(study)
    for tag in ("final", "original"):
        store.save_label("X", upload(mask()), tag, {})
    store.remove_label("X", "original")
    assert store.get_labels_by_image_id("X") == {"final": "X"}
    store.remove_image("X")
    assert "X" not in store.list_images() and not [name for name in files(study) if Path(name).stem == "X"]


def test_notes_are_kept_and_those_that_cannot_be_read_again_are_refused(study, upload):
    store = StudyDatastore(study)
    store.save_label("X", upload(mask()), "final", {})
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    for notes in ([1], "text", {"a": "\ud800"}, {"a": float("nan")}, {(1, 2): 3}, {"a": deep}):
        for call in (
            lambda notes=notes: store.update_image_info("X", notes),
            lambda notes=notes: store.update_label_info("X", "final", notes),
            lambda notes=notes: store.save_label("X", upload(mask()), "final", notes),
            lambda notes=notes: store.add_image("new", upload(speckle(1)), notes),
        ):
            with refused(400, "The notes"):
                call()
    store.update_image_info("X", {"score": 0.5, "of": Path("x"), "who": "Ärztin"})
    store.update_label_info("X", "final", {"dice": 1})
    for again in (store, StudyDatastore(study)):
        assert {"score": 0.5, "of": "x", "who": "Ärztin"}.items() <= again.get_image_info("X").items()
        assert again.get_label_info("X", "final")["dice"] == 1


def test_all_that_is_labelled_as_one_archive(study, upload):
    store = StudyDatastore(study)
    with refused(404, r"No image of the study has a final label yet\. Save one first\."):
        store.get_dataset_archive(None)
    store.save_label("X", upload(mask()), "final", {})
    archive = Path(store.get_dataset_archive(None))
    assert set(zipfile.ZipFile(archive).namelist()) == {"image/X.PNG", "label/X.png", "metadata.json"}
    archive.unlink()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"name": "a"}'])
def test_a_damaged_list_is_named(study, content):
    (study / "datastore_v2.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"datastore_v2\.json is damaged .* Move it away"):
        StudyDatastore(study)


def test_a_full_disk_leaves_what_was_there(study, upload, monkeypatch):
    store = StudyDatastore(study)
    store.save_label("X", upload(mask(1)), "final", {"who": "me"})
    before = {name: (study / name).read_bytes() for name in files(study)}

    def full(source, target, **_):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with refused(507, r"Writing .* failed: No space left on device\. Free some space"):
        store.save_label("X", upload(mask(2)), "final", {})
    with refused(507, "Writing .* failed: No space left on device"):
        store.add_image("new", upload(speckle(1)), {})
    monkeypatch.undo()
    monkeypatch.setattr(Path, "replace", lambda path, target: full(path, path))
    for change in (
        lambda: store.update_image_info("X", {"who": "nobody"}),
        lambda: store.save_label("X", upload(mask(2)[..., None], ".nrrd"), "final", {}),
        lambda: store.add_image("new", upload(speckle(1)), {}),
    ):
        with refused(507, "Writing .* failed: No space left on device"):
            change()
    monkeypatch.undo()
    assert {name: (study / name).read_bytes() for name in files(study)} == before
    assert "new" not in store.list_images() and store.get_label_info("X", "final")["who"] == "me"
    assert "who" not in store.get_image_info("X")


@pytest.mark.parametrize("auto_reload", [False, True])
def test_threads_that_save_and_look_at_once(tmp_path, auto_reload):
    keys = [f"case {number}" for number in range(12)]
    for key in keys:
        write_image(tmp_path / "study" / f"{key}.png", speckle(1))
        write_image(tmp_path / "upload" / f"{key}.png", mask())
    store = StudyDatastore(tmp_path / "study", auto_reload=auto_reload)

    def save(key):
        return store.save_label(key, str(tmp_path / "upload" / f"{key}.png"), "final", {"of": key})

    def look(_):
        store.refresh()
        return len(store.list_images()), json.loads((tmp_path / "study" / "datastore_v2.json").read_text())["name"]

    with ThreadPoolExecutor(4) as pool:
        looks, saved = pool.map(look, range(12)), pool.map(save, keys)
        assert list(saved) == keys and set(looks) == {(12, "new-dataset")}
    if auto_reload:
        stop(store)
    for again in (store, StudyDatastore(tmp_path / "study")):
        assert sorted(again.get_labeled_images()) == sorted(keys)
        assert all(again.get_label_info(key, "final")["of"] == key for key in keys)


def test_files_that_others_bring_are_seen(study, tmp_path):
    store = StudyDatastore(study, auto_reload=True)
    try:
        write_image(study / ".unfinished.png", speckle(1)).rename(study / "renamed.png")
        write_image(tmp_path / "moved.png", speckle(2)).rename(study / "moved.png")
        end = time.monotonic() + 20
        while not {"renamed", "moved"} <= set(store.list_images()) and time.monotonic() < end:
            time.sleep(0.05)
        assert {"renamed", "moved"} <= set(store.list_images())
    finally:
        stop(store)
