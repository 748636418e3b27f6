# SPDX-License-Identifier: Apache-2.0
"""Several requests at once: no one waits, no file is left, and no path is revealed."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("monailabel")

import requests
from PIL import Image

from monai_kd.phantom import write_phantoms
from tests.label.apps import tiny_app
from tests.label.conftest import served

START = (sys.executable, "-m", "monai_kd", "label", "start", "{app}", "--studies", "{studies}", "--port", "{port}",
         "--most-megabytes", "1")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("requests").resolve()
    tiny_app(folder)
    write_phantoms(folder / "phantoms", count=3, seed=0)
    (folder / "phantoms" / "original").rename(folder / "images")
    return folder


@pytest.fixture(scope="module")
def server(place):
    with served(place / "app", place / "images", command=START) as url:
        yield url


def label(server, place, key="000001"):
    with (place / "phantoms" / "GT" / f"{key}.png").open("rb") as file:
        return requests.put(f"{server}/datastore/label?image={key}", files={"label": file}, timeout=60)


def temporary(place):
    """Files that requests have left; the configuration of the log is the server's."""
    return [path for path in (place / "app" / "tmp").iterdir() if path.suffix != ".json"]


def large(side):
    file = io.BytesIO()
    Image.linear_gradient("L").resize((side, side), Image.Resampling.NEAREST).save(file, format="PNG")
    return file.getvalue()


def test_others_are_answered_while_a_large_image_is_segmented(server):
    with ThreadPoolExecutor(1) as pool:
        sent = {"file": ("large.png", large(4000))}
        answer = pool.submit(requests.post, f"{server}/infer/student?output=json", files=sent, timeout=300)
        beside = []
        while not answer.done():
            beside.append(requests.get(f"{server}/info/", timeout=60).status_code)
            beside.append(requests.post(f"{server}/infer/student?image=000001", timeout=60).status_code)
    assert answer.result().status_code == 200 and set(beside) == {200} and len(beside) > 3


def test_nothing_stays_of_a_request_however_it_ends(server, place):
    assert label(server, place).status_code == 200
    archive = requests.get(f"{server}/datastore/dataset", timeout=60)
    assert "image/000001.png" in zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
    image = ("a.png", large(100))
    for answer in (
        requests.put(f"{server}/session/", files={"files": ("a.png", b"no image")}, timeout=60),
        requests.put(f"{server}/session/", files=[("files", image), ("files", image)], timeout=60),
        requests.put(f"{server}/session/?uncompress=true", files={"files": image}, timeout=60),
        requests.post(f"{server}/infer/student", files={"file": image}, data={"params": '{"device": 1}'}, timeout=60),
        requests.put(f"{server}/datastore/image?image=../a", files={"file": image}, timeout=60),
        requests.put(f"{server}/datastore/label?image=nobody", files={"label": image}, timeout=60),
    ):
        assert 400 <= answer.status_code < 500, answer.text
    assert requests.post(f"{server}/infer/student", files={"file": image}, timeout=60).status_code == 200
    requests.get(f"{server}/info/", timeout=60)
    assert temporary(place) == []


def test_the_apps_folder_is_nobodys_business(server, place):
    session = requests.put(f"{server}/session/", files={"files": ("a.png", large(100))}, timeout=60)
    key = session.json()["session_id"]
    requests.post(f"{server}/infer/student?image={place}/app/main.py", timeout=60)
    training = requests.post(f"{server}/train/student", json={"max_epochs": 1}, timeout=60)
    answers = [session, training]
    addresses = ("/logs/?text=true", "/logs/?lines=0", f"/session/{key}", "/train/", "/train/?all=true", "/info/")
    answers += [requests.get(server + address, timeout=60) for address in addresses]
    answers += [
        requests.get(f"{server}/model/info/student", timeout=60),
        requests.delete(f"{server}/train/", timeout=60),
    ]
    for answer in answers:
        assert answer.status_code == 200 and str(place / "app") not in answer.text, answer.url
    assert requests.post(f"{server}/infer/student?session_id={key}", timeout=60).status_code == 200


def test_a_session_is_asked_for_by_its_id_alone(server, place):
    session = requests.put(f"{server}/session/", files={"files": ("a.png", large(100))}, timeout=60).json()
    (path,) = (place / "app" / "sessions" / session["session_id"]).glob("*.png")
    for image in (str(path), f"{path.parent}/../{path.parent.name}/a.png"):
        for arguments in ({"params": {"image": image}}, {"data": {"params": json.dumps({"image": image})}}):
            answer = requests.post(f"{server}/infer/student", timeout=60, **{"params": {"image": "x"}, **arguments})
            assert answer.status_code == 404


def test_a_broken_note_from_elsewhere_and_the_next_image(server, place):
    path = place / "images" / "datastore_v2.json"
    content = json.loads(path.read_text())
    for item in content["objects"].values():
        item["image"]["info"]["strategy"] = [1]
    path.write_text(json.dumps(content))
    for strategy in ("random", "first", "disagreement"):
        answer = requests.post(f"{server}/activelearning/{strategy}", json={}, timeout=60)
        assert answer.status_code == 200 and answer.json()["id"] in content["objects"]


def test_predictions_do_not_replace_the_annotators_labels(server, place):
    assert label(server, place).status_code == 200
    kept = (place / "images" / "labels" / "final" / "000001.png").read_bytes()
    asked = {"params": json.dumps({"save_label": True, "label_tag": "final"})}
    for answer in (
        requests.post(f"{server}/infer/student?image=000001", data=asked, timeout=60),
        requests.post(f"{server}/batch/infer/student?run_sync=true", json={"label_tag": "final"}, timeout=60),
    ):
        assert answer.status_code == 400 and "no prediction replaces" in answer.json()["detail"]
    assert (place / "images" / "labels" / "final" / "000001.png").read_bytes() == kept
