# SPDX-License-Identifier: Apache-2.0
"""A checkpoint says which images its training saw, by the content of their files."""

import base64
import hashlib
import json
from types import SimpleNamespace

import pytest
import torch

from monai_kd.bundle.record import load_record, require_out_of_fold, require_unseen, seen_images
from monai_kd.bundle.record.seen_images import digests
from monai_kd.utils.checkpoints import save_checkpoint

NETWORK = {"network_def": {"_target_": "monai_kd.networks.StudentUNet"}}


@pytest.fixture
def records(tmp_path):
    """Six images, as records."""
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        path.write_bytes(b"image %d" % number)
        found.append({"id": str(number), "image": str(path)})
    return found


def trained(path, records, checkpoints=None):
    """A checkpoint whose training saw these images."""
    record = {**NETWORK, "seen_images": seen_images(SimpleNamespace(data=records), checkpoints)}
    save_checkpoint({"weight": torch.ones(1)}, path, record)
    return str(path)


def test_a_digest_is_of_the_content_alone(records, tmp_path):
    text = seen_images(SimpleNamespace(data=records[:1]))
    inner = hashlib.sha256(b"image 0").hexdigest()
    assert base64.b64decode(text) == hashlib.sha256(inner.encode()).digest()[:8]
    copy = tmp_path / "a patient's name.png"
    copy.write_bytes(b"image 0")
    assert seen_images(SimpleNamespace(data=[{"image": copy}, records[0]])) == text
    assert seen_images(SimpleNamespace(data=records)) == seen_images(SimpleNamespace(data=records[::-1]))


def test_channels_frames_and_series_are_images_of_their_own(records, tmp_path):
    first, second = records[0]["image"], records[1]["image"]
    series = tmp_path / "series"
    (series / "inner").mkdir(parents=True)
    (series / "inner" / "1.dcm").write_bytes(b"slice")
    data = [
        {"image": first}, {"image": [first, second]}, {"image": first, "frame": 0}, {"image": first, "frame": 1},
        {"image": str(series)},
    ]  # fmt: skip
    assert len(digests(seen_images(SimpleNamespace(data=data)))) == 5
    in_memory = [{"image": torch.ones(1)}, {"image": str(tmp_path / "none.png")}, {"label": 1}, 7]
    assert seen_images(SimpleNamespace(data=in_memory)) == "" == seen_images(object())


def test_what_a_teacher_saw_counts(records, tmp_path):
    teachers = [trained(tmp_path / f"{place}.pt", records[place : place + 1]) for place in (0, 1)]
    start = trained(tmp_path / "start.pt", records[2:3])
    recorded = {"teacher_member": teachers, "network_def": start, "teacher_def": None}
    student = trained(tmp_path / "student.pt", records[3:4], recorded)
    assert load_record(student)["seen_images"] == seen_images(SimpleNamespace(data=records[:4]))
    require_unseen(student, records[4:])
    with pytest.raises(ValueError, match=r"student.pt' saw 1 of these 3 images in its training: '?3"):
        require_unseen(student, records[3:])
    with pytest.raises(ValueError, match=r"1.pt' saw 1 of these 6 .*--split-file, --fold.*--seen-images warn"):
        require_unseen({"teacher_member": teachers[1:]}, records)


def test_a_warning_on_request(records, tmp_path, caplog):
    student = trained(tmp_path / "student.pt", records)
    require_unseen(student, records[:2], "warn")
    assert "saw 2 of these 2 images" in caplog.text
    with pytest.raises(ValueError, match=r"seen_images is 'ignore'\. Choose 'refuse' or 'warn'"):
        require_unseen(student, records, "ignore")


def test_checkpoints_that_say_nothing_are_skipped(records, tmp_path, caplog):
    torch.save({"weight": torch.ones(1)}, tmp_path / "plain.pt")
    save_checkpoint({"weight": torch.ones(1)}, tmp_path / "recorded.pt", NETWORK)
    require_unseen([tmp_path / "plain.pt", tmp_path / "recorded.pt", tmp_path / "none.pt", None], records, "warn")
    assert not caplog.records


def test_teachers_in_the_order_of_other_folds(records, tmp_path):
    fold_of = {record["id"]: int(record["id"]) % 3 for record in records}
    files = [
        trained(tmp_path / f"{fold}.pt", [one for one in records if fold_of[one["id"]] != fold]) for fold in range(3)
    ]
    require_out_of_fold(files, records, fold_of)
    for order in ([1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0]):
        with pytest.raises(ValueError, match=r"is the teacher of fold \d, but saw 2 of its images: .*in the order"):
            require_out_of_fold([files[place] for place in order], records, fold_of)


def test_digests_of_another_program_are_refused(tmp_path):
    for number, text in enumerate(("no base64!", "AAAA", 7)):
        path = tmp_path / f"{number}.pt"
        save_checkpoint({"weight": torch.ones(1)}, path, {**NETWORK, "seen_images": text})
        with pytest.raises(ValueError, match=r"'seen_images' is no list of digests. Train anew"):
            load_record(path)


def test_a_record_of_many_images_is_read(tmp_path):
    text = base64.b64encode(bytes(8 * 200_000)).decode()
    save_checkpoint({"weight": torch.ones(1)}, tmp_path / "model.pt", {**NETWORK, "seen_images": text})
    record = load_record(tmp_path / "model.pt")
    assert record["seen_images"] == text and len(json.dumps(record)) > 2**21
