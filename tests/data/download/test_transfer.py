# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from collections import namedtuple

import pytest

from monai_kd.data.download.transfer import ATTEMPTS, LONGEST_WAIT, fetch

BODY = random.Random(0).randbytes(1_000_000)
HALF = len(BODY) // 2


@pytest.fixture
def get(publisher, tmp_path):
    """Fetch the publisher's file; returns its content and the waits."""
    publisher.files["/a.zip"] = BODY

    def run(size=0, progress=None):
        waits = []
        fetch(f"{publisher.root}/a.zip", tmp_path / "a.zip", size, progress, waits.append)
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
        return (tmp_path / "a.zip").read_bytes(), waits

    return run


def test_file_arrives_and_progress_counts(get, publisher):
    counted = []
    body, waits = get(progress=lambda done, total: counted.append((done, total)))
    assert body == BODY and not waits and len(publisher.requests) == 1
    assert counted[0] == (0, len(BODY)) and counted[-1] == (len(BODY), len(BODY))
    assert counted == sorted(counted)


def test_broken_transfer_goes_on_where_it_stopped(get, publisher):
    publisher.faults = ["breaks off"]
    body, waits = get()
    assert body == BODY and waits == [1]
    assert [asked for _, asked in publisher.requests] == ["", f"bytes={HALF}-"]
    assert publisher.sent == [HALF, len(BODY) - HALF]


def test_interrupted_transfer_goes_on_in_the_next_run(get, publisher, tmp_path):
    def interrupt(done, total):
        if done > HALF:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(progress=interrupt)
    there = (tmp_path / "a.zip.part").stat().st_size
    assert not (tmp_path / "a.zip").exists() and there > HALF
    assert get()[0] == BODY
    assert publisher.requests[1][1] == f"bytes={there}-" and publisher.sent[1] == len(BODY) - there


def test_file_that_changed_meanwhile_is_fetched_from_the_beginning(get, publisher):
    publisher.faults = ["breaks off"]
    changed = BODY[::-1]
    fault = iter([lambda: publisher.files.update({"/a.zip": changed})])
    body, _ = get(progress=lambda done, total: done == HALF and next(fault, lambda: None)())
    assert body == changed and publisher.sent == [HALF, len(BODY)]


@pytest.mark.parametrize("attribute", ["ranges", "tags"])
def test_server_that_cannot_resume_sends_all_again(get, publisher, attribute):
    setattr(publisher, attribute, False)
    publisher.faults = ["breaks off"]
    assert get()[0] == BODY
    assert publisher.sent == [HALF, len(BODY)]


@pytest.mark.parametrize("fault", ["unsatisfiable", "other range"])
def test_server_that_resumes_wrongly_is_asked_from_the_beginning(get, publisher, fault):
    publisher.faults = ["breaks off", fault]
    assert get()[0] == BODY
    assert [asked for _, asked in publisher.requests] == ["", f"bytes={HALF}-", ""]


def test_file_that_was_all_there_is_not_fetched_again(get, publisher, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(BODY)
    state = f'{{"address": "{publisher.root}/a.zip", "validator": "x", "size": {len(BODY)}}}'
    (tmp_path / "a.zip.part.json").write_text(state)
    assert get()[0] == BODY and not publisher.requests


@pytest.mark.parametrize("state", ["", "{}", '{"address": "http://127.0.0.1/other", "validator": "x", "size": 9}'])
def test_part_of_unknown_origin_is_not_used(get, publisher, tmp_path, state):
    (tmp_path / "a.zip.part").write_bytes(b"of another file")
    (tmp_path / "a.zip.part.json").write_text(state)
    assert get()[0] == BODY and publisher.requests[0][1] == ""


@pytest.mark.parametrize("status", ["500", "503", "429"])
def test_failure_that_may_pass_is_tried_again_after_a_wait(get, publisher, status):
    publisher.faults = [status, status]
    body, waits = get()
    assert body == BODY and waits == [7, 7]  # as the server's Retry-After says


def test_failure_that_does_not_pass_ends_and_says_how_to_go_on(get, publisher, tmp_path):
    publisher.faults = ["breaks off"] * ATTEMPTS
    with pytest.raises(ValueError, match=rf"failed {ATTEMPTS} times.*984375 of 1000000 bytes.*run the same command"):
        get()
    assert len(publisher.requests) == ATTEMPTS and not (tmp_path / "a.zip").exists()
    assert get()[0] == BODY and publisher.sent[-1] == 15625


def test_server_that_announces_too_much_gives_no_file(get, publisher, tmp_path):
    publisher.faults = ["announces more"] * 99
    with pytest.raises(ValueError, match=f"failed {ATTEMPTS} times"):
        get()
    assert not (tmp_path / "a.zip").exists()


def test_waits_grow_and_are_bounded(publisher, tmp_path):
    waits = []
    with pytest.raises(ValueError, match=r"failed 6 times.*refused"):
        fetch("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", sleep=waits.append)
    assert waits == [1, 2, 4, 8, 16] and max(waits) <= LONGEST_WAIT


def test_length_that_is_not_the_files_is_refused(get, publisher, tmp_path):
    publisher.faults = ["announces less"]
    with pytest.raises(ValueError, match=r"offers 999900 bytes.*has 1000000"):
        get(size=len(BODY))
    assert not list(tmp_path.iterdir())


def test_short_file_of_known_size_without_announced_length(get, publisher):
    publisher.faults = ["no length"]
    publisher.files["/a.zip"] = BODY[:10]
    with pytest.raises(ValueError, match="offers 10 bytes"):
        get(size=len(BODY))


def test_missing_file_names_the_remedy(get, publisher, tmp_path):
    publisher.files.clear()
    with pytest.raises(ValueError, match=r"a\.zip answers HTTP 404 .*publisher's page"):
        get()
    assert len(publisher.requests) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["http://example.org/a.zip", "file:///etc/passwd", "ftp://example.org/a.zip", "a"])
def test_only_https_is_fetched(publisher, tmp_path, address):
    with pytest.raises(ValueError, match="not an https address"):
        fetch(address, tmp_path / "a.zip")


@pytest.mark.parametrize("address", ["http://example.org/a.zip", "file:///etc/passwd", "ftp://example.org/a.zip"])
def test_redirection_to_anything_but_https_is_refused(get, publisher, tmp_path, address):
    publisher.faults = [f"redirect {address}"]
    with pytest.raises(ValueError, match=r"not an https address|HTTP 302"):
        get()
    assert not list(tmp_path.iterdir())


def test_redirection_is_followed_and_resumed(get, publisher):
    publisher.files["/b.zip"] = BODY
    target = f"{publisher.root}/b.zip"
    publisher.faults = [f"redirect {target}", "breaks off", f"redirect {target}"]
    assert get()[0] == BODY
    assert publisher.requests[-1] == ("/b.zip", f"bytes={HALF}-")


def test_full_disk_is_found_before_anything_is_written(get, publisher, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(0, 0, 999_999)
    monkeypatch.setattr("monai_kd.data.download.transfer.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"1 MB of free space, but 1 MB are needed.*Free some space"):
        get()
    assert not list(tmp_path.iterdir())


def test_proxy_of_the_environment_is_used(publisher, tmp_path, monkeypatch):
    publisher.files["http://localhost:1/a.zip"] = BODY
    monkeypatch.setenv("http_proxy", publisher.root)
    monkeypatch.setenv("no_proxy", "")
    fetch("http://localhost:1/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
