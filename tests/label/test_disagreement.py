# SPDX-License-Identifier: Apache-2.0
"""Which image comes next."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

pytest.importorskip("monailabel")

from monai_kd.label.studies.datastore import StudyDatastore
from monai_kd.label.studies.disagreement import Disagreement, MostDisagreement, disagreement

SIZE = (20, 16)


def test_disagreement_by_plain_loops():
    student, teacher = torch.rand(2, 5, 7, dtype=torch.float64)
    overlap = 2 * sum(float(s) * float(t) for s, t in zip(student.flatten(), teacher.flatten(), strict=True)) + 1
    total = sum(float(v) ** 2 for v in [*student.flatten(), *teacher.flatten()]) + 1
    assert disagreement(student, teacher) == pytest.approx(1 - overlap / total)
    assert disagreement(student, teacher) == pytest.approx(disagreement(teacher, student))
    assert disagreement(student, student) == 0.0


@pytest.fixture
def datastore(tmp_path):
    for key in "abcd":
        Image.new("L", SIZE, ord(key)).save(tmp_path / f"{key}.png")
    return StudyDatastore(str(tmp_path), extensions=["*.png"])


class Network:
    """Finds a lesion whose width is given for each image."""

    def __init__(self, folder, widths):
        self.weights = folder / "weights.pt"
        self.weights.write_bytes(b"1")
        self.widths = widths
        self.asked = []

    def is_valid(self):
        return self.weights.is_file()

    def probability(self, image, device):
        self.asked.append(key := image[-5])
        if self.widths[key] is None:
            raise ValueError("no image")
        found = torch.zeros(SIZE)
        found[: self.widths[key]] = 1
        return found


@pytest.fixture
def scoring(tmp_path_factory):
    folders = [tmp_path_factory.mktemp(name) for name in ("student", "teacher")]
    student = Network(folders[0], {"a": 10, "b": 2, "c": 8, "d": 10})
    return Disagreement(student, Network(folders[1], dict.fromkeys("abcd", 10)))


def serve(datastore):
    """Note when an image was shown, as the server does."""
    chosen = MostDisagreement()({"strategy": "disagreement"}, datastore)
    datastore.update_image_info(chosen["id"], {"strategy": {"disagreement": {"ts": chosen["ts"]}}})
    return chosen["id"]


def test_the_most_disagreed_upon_comes_first_and_a_skipped_image_last(datastore, scoring):
    scoring({"device": "cpu"}, datastore)
    assert [serve(datastore) for _ in range(3)][:2] == ["b", "c"]


def test_scores_are_kept_until_a_network_changes(datastore, scoring, tmp_path):
    Image.new("L", SIZE).save(tmp_path / "label.png")
    datastore.save_label("a", str(tmp_path / "label.png"), "final", {})
    assert sorted(scoring.missing(datastore)) == ["b", "c", "d"]  # a labelled image needs no score
    scoring({"device": "cpu"}, datastore)
    assert scoring.missing(datastore) == [] and sorted(scoring.student.asked) == ["b", "c", "d"]
    shutil.copy(scoring.student.weights, tmp_path / "new")
    (tmp_path / "new").replace(scoring.student.weights)
    assert len(scoring.missing(datastore)) == 3
    scoring.teacher.weights.unlink()
    assert scoring.missing(datastore) == []


def test_an_unreadable_image_comes_last(datastore, scoring):
    scoring.student.widths["b"] = None
    scoring({"device": "cpu"}, datastore)
    assert serve(datastore) == "c" and scoring.missing(datastore) == []
    assert datastore.get_image_info("b")["disagreement"] == 0


def test_without_scores_any_image_and_without_images_none(datastore):
    assert MostDisagreement()({"strategy": "disagreement"}, datastore)["id"] in "abcd"
    nothing = SimpleNamespace(get_unlabeled_images=list)
    assert MostDisagreement()({"strategy": "disagreement"}, nothing) is None
