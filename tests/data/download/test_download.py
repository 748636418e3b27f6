# SPDX-License-Identifier: Apache-2.0
"""Whole downloads from a publisher on this machine."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.data import read_dataset
from monai_kd.data.download import ON_REQUEST, SOURCES, RemoteFile, Source, download_dataset
from tests.data.download.test_archives import link, zipped
from tests.data.layout_fixtures import make_bus_bra

RUNNER = CliRunner()


@pytest.fixture
def archive(tmp_path_factory):
    """A small data set, packed as its publisher packs it."""
    root = tmp_path_factory.mktemp("made")
    make_bus_bra(root / "BUSBRA", patients=10)
    return zipped(*[(p.relative_to(root).as_posix(), p.read_bytes()) for p in root.rglob("*") if p.is_file()])


@pytest.fixture
def source(publisher, archive, monkeypatch):
    """The publisher's entry among the sources, under the name "small"."""
    publisher.files = {"/small.zip": archive, "/extra.csv": b"a,b"}
    files = (
        RemoteFile(f"{publisher.root}/small.zip", "small.zip", len(archive), hashlib.sha256(archive).hexdigest()),
        RemoteFile(f"{publisher.root}/extra.csv", "extra.csv"),
    )
    entry = Source("Small", "https://example.org/page", "CC BY 4.0", "Any use.", "Someone 2026", files)
    monkeypatch.setitem(SOURCES, "small", entry)
    return entry


def unpinned(monkeypatch, source, **changes):
    changed = replace(source.files[0], size=0, sha256="", **changes)
    monkeypatch.setitem(SOURCES, "small", replace(source, files=(changed, source.files[1])))


def get(out, **options):
    notices = []
    fetched = download_dataset("small", out, tell=notices.append, sleep=lambda _: None, **options)
    return fetched, " ".join(notices)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_data_set_arrives_with_its_receipt(source, archive, tmp_path):
    progress = []
    out = tmp_path / "data" / "small"
    fetched, notices = get(out, progress=lambda *done: progress.append(done))
    assert fetched and len(read_dataset(out)) == 15
    assert names(out) == ["BUSBRA", "download.json", "extra.csv"] and names(out.parent) == ["small"]
    receipt = json.loads((out / "download.json").read_text())
    assert receipt["license"] == "CC BY 4.0" and receipt["files"][0]["address"] == source.files[0].address
    assert receipt["files"][0]["sha256"] == hashlib.sha256(archive).hexdigest()
    assert progress[-1] == ("extra.csv", 3, 3) and ("small.zip", len(archive), len(archive)) in progress
    assert "extra.csv: the publisher gives no checksum" in notices and "small.zip" not in notices


def test_finished_download_is_not_fetched_again(source, publisher, tmp_path):
    get(tmp_path / "out")
    before = len(publisher.requests)
    assert get(tmp_path / "out") == (False, "") and len(publisher.requests) == before


def test_missing_files_are_put_back_and_the_users_own_are_left_alone(source, tmp_path):
    out = tmp_path / "out"
    get(out)
    (out / "splits.json").write_text("mine")
    lost, cut = out / "BUSBRA" / "bus_data.csv", next((out / "BUSBRA" / "Images").iterdir())
    former = {path: path.read_bytes() for path in (lost, cut)}
    lost.unlink()
    cut.write_bytes(b"")
    fetched, notices = get(out)
    assert fetched and "2 files of" in notices
    assert {path: path.read_bytes() for path in former} == former
    assert (out / "splits.json").read_text() == "mine" and names(tmp_path) == ["out"]
    assert get(out)[0] is False


def test_later_download_must_equal_the_first(source, publisher, monkeypatch, tmp_path):
    unpinned(monkeypatch, source)
    assert "it is kept to check later downloads" in get(tmp_path / "out")[1]
    (tmp_path / "out" / "BUSBRA" / "bus_data.csv").unlink()
    publisher.files["/small.zip"] = zipped(("other.txt", b"other"))
    with pytest.raises(ValueError, match=r"has the SHA-256 .* the earlier download has .*publisher has changed"):
        get(tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_what_others_found_is_told(source, archive, monkeypatch, tmp_path):
    unpinned(monkeypatch, source, seen=hashlib.sha256(archive).hexdigest())
    assert "others have found the same" in get(tmp_path / "a")[1]
    unpinned(monkeypatch, source, seen="0" * 64)
    fetched, notices = get(tmp_path / "b")
    assert fetched and "Others have found 000000" in notices


def test_wrong_checksum_leaves_nothing(source, publisher, archive, tmp_path):
    publisher.files["/small.zip"] = archive[:-1] + b"x"
    with pytest.raises(ValueError, match=r"small\.zip .*has the SHA-256 .*the publisher's file has"):
        get(tmp_path / "out")
    assert not names(tmp_path)
    publisher.files["/small.zip"] = archive
    assert get(tmp_path / "out")[0]


@pytest.mark.parametrize(
    "entry",
    [("../evil", b"x"), ("/tmp/evil", b"x"), (link("evil"), "/etc"), ("bomb", bytes(3_000_000))],
    ids=["above", "absolute", "link", "bomb"],
)
def test_hostile_archive_leaves_nothing(source, publisher, monkeypatch, tmp_path, entry):
    unpinned(monkeypatch, source)
    publisher.files["/small.zip"] = zipped(("good", b"1"), entry)
    with pytest.raises(ValueError, match=r"is not unpacked.*It was removed"):
        get(tmp_path / "below" / "out")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "extra.csv"]


def test_failed_transfer_leaves_no_data_set(source, publisher, tmp_path):
    publisher.files.clear()
    with pytest.raises(ValueError, match="HTTP 404"):
        get(tmp_path / "out")
    assert not names(tmp_path)


@pytest.mark.parametrize("during", ["transfer", "unpacking", "end"])
def test_interrupted_download_is_finished_by_the_next_run(source, publisher, archive, monkeypatch, tmp_path, during):
    def interrupt(*_):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if during == "unpacking":
            patch.setattr("monai_kd.data.download.archives._write", interrupt)
        if during == "end":
            patch.setattr("monai_kd.data.download._put", interrupt)
        get(out, progress=interrupt if during == "transfer" else None)
    assert names(tmp_path) == [".out.download"]
    assert get(out)[0] and len(read_dataset(out)) == 15 and names(tmp_path) == ["out"]
    assert sum(publisher.sent) <= len(archive) + 3 + (len(archive) if during == "transfer" else 0)


def test_folder_in_use_is_left_alone(source, publisher, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "download.json").write_text('{"name": "busi"}')
    for name, reason in (("", "is not empty and has no"), ("mine", "is not empty and has no"), ("other", "holds busi")):
        with pytest.raises(ValueError, match=rf"{reason}.*another --output-dir"):
            get(tmp_path / name)
    assert not publisher.requests and names(tmp_path) == ["mine", "other"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder_is_named(source, publisher, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="Permission denied"):
        get(tmp_path / "out")
    tmp_path.chmod(0o700)
    assert not publisher.requests


def test_command_shows_the_license_and_says_what_comes_next(source, tmp_path):
    out = str(tmp_path / "out")
    result = RUNNER.invoke(
        app, ["data", "download", "small", "--output-dir", out, "--accept-license"], catch_exceptions=False
    )
    assert result.exit_code == 0
    for text in (
        "License: CC BY 4.0",
        "Any use.",
        "Someone 2026",
        f"15 images with lesion masks in {out}",
        f"data check {out}",
    ):
        assert text in result.output
    again = RUNNER.invoke(app, ["data", "download", "small", "--output-dir", out, "--accept-license"])
    assert "downloaded before" in again.output


def test_command_without_consent_fetches_nothing(source, publisher, tmp_path):
    result = RUNNER.invoke(app, ["data", "download", "small", "--output-dir", str(tmp_path / "out")])
    assert result.exit_code == 1 and "--accept-license" in str(result.exception)
    assert "License: CC BY 4.0" in result.output and not publisher.requests and not names(tmp_path)


def test_consent_can_be_given_at_a_terminal(source, publisher, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "monai_kd.commands.data.download.sys", type("Sys", (), {"stdin": type("T", (), {"isatty": lambda: True})})
    )
    arguments = ["data", "download", "small", "--output-dir", str(tmp_path / "out")]
    assert RUNNER.invoke(app, arguments, input="n\n").exit_code == 1 and not publisher.requests
    assert RUNNER.invoke(app, arguments, input="y\n").exit_code == 0 and (tmp_path / "out").exists()


def test_data_set_on_request_tells_how_to_ask(tmp_path):
    result = RUNNER.invoke(app, ["data", "download", "dataset_a"])
    assert result.exit_code == 1
    assert ON_REQUEST["dataset_a"] in str(result.exception) and "helward.mmu.ac.uk" in ON_REQUEST["dataset_a"]


def test_unknown_data_set_is_told_the_known_ones():
    with pytest.raises(ValueError, match=r"No data set 'bus'.*busbra, busi, busuclm; on request: dataset_a"):
        download_dataset("bus", "out")


def test_every_source_is_complete_and_encrypted():
    for source in SOURCES.values():
        assert source.license and source.terms and "doi" in source.citation
        for address in (source.page, *(file.address for file in source.files)):
            assert address.startswith("https://")
        for file in source.files:
            assert "/" not in file.name and len(file.sha256) in (0, 64) and len(file.seen) in (0, 64)
