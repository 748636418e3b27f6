# SPDX-License-Identifier: Apache-2.0
"""The app behind a real server, over HTTP and with MONAI Label's own client, as 3D Slicer's plugin has it."""

import io
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("monailabel")

import itk
import nibabel
import requests
from monailabel.client import MONAILabelClient
from monailabel.client.client import MONAILabelClientException

from monai_kd.data.image_files.reading import read_mask
from monai_kd.phantom import write_phantoms
from tests.label.apps import tiny_app
from tests.label.conftest import environment, served

START = (sys.executable, "-m", "monai_kd", "label", "start", "{app}", "--studies", "{studies}", "--port", "{port}",
         "--most-megabytes", "1")  # fmt: skip
QUICK = {"max_epochs": 1, "learning_rate": 1e-6}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An app, a study of 10 images, and their masks elsewhere."""
    folder = tmp_path_factory.mktemp("label")
    tiny_app(folder)
    write_phantoms(folder / "phantoms", count=10, seed=0)
    (folder / "phantoms" / "original").rename(folder / "images")
    (folder / "phantoms" / "GT").rename(folder / "masks")
    (folder / "secret.png").write_bytes((folder / "images" / "000001.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def server(place):
    with served(place / "app", place / "images", command=START) as url:
        yield url


@pytest.fixture
def client(server, tmp_path):
    return MONAILabelClient(server, tmpdir=str(tmp_path))


def post(url, path, status=200, **arguments):
    response = requests.post(url + path, timeout=60, **arguments)
    assert response.status_code == status, response.text
    return response


def detail(response):
    return response.json()["detail"]


def label(client, place, key):
    client.save_label(key, str(place / "masks" / f"{key}.png"), tag="final")


def wait(url, method):
    """The last status of the background task, if there is one."""
    for _ in range(1200):
        response = requests.get(f"{url}/{method}/", timeout=60)
        if response.status_code == 404 or response.json()["status"] not in ("SUBMITTED", "RUNNING"):
            return response.json()
        time.sleep(0.1)
    raise AssertionError(response.text)


def wait_for_images(client, count):
    """The server sees by itself what is put into the study's folder."""
    for _ in range(100):
        if client.info()["datastore"]["total"] == count:
            return
        time.sleep(0.1)
    raise AssertionError(client.info()["datastore"])


def test_the_server_says_what_there_is(client):
    info = client.info()
    assert list(info["models"]) == ["student", "teacher"] and info["models"]["student"]["labels"] == {"lesion": 1}
    assert info["trainers"]["student"]["config"]["pathway"][0] == "logits_kl"
    assert {"disagreement", "random", "first"} == set(info["strategies"]) and info["labels"] == ["lesion"]
    assert info["datastore"]["total"] == 10


def test_an_image_of_the_study_as_3d_slicer_asks(client, place):
    file, params = client.infer("student", "000003", {"result_extension": ".nrrd", "result_dtype": "uint8"})
    mask = itk.imread(file)
    assert tuple(itk.size(mask))[:2] == Image.open(place / "images" / "000003.png").size
    assert params["label_names"] == {"lesion": 1} and params["format"] == ".nrrd"


def test_an_uploaded_image_and_a_session(client, server, place):
    direct, _ = client.infer("student", "000003", {"result_extension": ".png"})
    uploaded, _ = client.infer("student", "", {}, file=str(place / "images" / "000003.png"))
    session = client.create_session(str(place / "images" / "000003.png"))["session_id"]
    of_session, _ = client.infer("student", "", {}, session_id=session)
    masks = [np.array(Image.open(path)) for path in (direct, uploaded, of_session)]
    assert np.array_equal(masks[0], masks[1]) and np.array_equal(masks[0], masks[2])
    for refused in ("/infer/student", "/datastore/image?image=x"):
        method = requests.post if "infer" in refused else requests.put
        assert method(server + refused, files={"file": ("a.png", b"text")}, timeout=60).status_code == 400
    for _ in range(50):  # the server removes what it was sent after its answer
        left = list((place / "app" / "tmp").glob("tmp*.png"))
        time.sleep(0.1 if left else 0)
    assert not left  # nothing of a client stays


def test_a_whole_day(client, server, place, tmp_path):
    """Next image, mask, correction, training, the new student: what an annotator does in 3D Slicer."""
    served_before = (place / "app" / "bundle" / "models" / "model.pt").stat().st_mtime_ns
    first = client.next_sample("first", {})["id"]
    file, _ = client.infer("student", first, {"result_extension": ".nii.gz"})
    mask = np.asarray(nibabel.load(file).dataobj, dtype=np.uint8)
    corrected = tmp_path / "corrected.nii.gz"  # as Slicer saves it: (W, H, 1)
    nibabel.save(nibabel.Nifti1Image(mask.reshape(*mask.shape[:2], 1), np.eye(4)), corrected)
    client.save_label(first, str(corrected), tag="final")
    for key in ("000005", "000006", "000007"):
        label(client, place, key)
    assert first not in [client.next_sample("random", {})["id"] for _ in range(5)]
    result = post(server, "/train/student?run_sync=true", json={**QUICK, "pathway": "hidden_mse"}).json()
    assert result["training_images"] + result["validation_images"] == 4 and result["pathway"] == "hidden_mse"
    model = place / "app" / "bundle" / "models" / "model.pt"
    assert result["published"] == (model.stat().st_mtime_ns > served_before)
    assert client.info()["train_stats"]["student"]["best_metric"] == result["best_metric"]
    assert client.infer("student", first, {})[1]["format"] == ".png"


def test_batch_inference_scores_and_active_learning(client, server, place):
    (place / "images" / "damaged.png").write_bytes(b"no image")
    wait_for_images(client, 11)
    post(server, "/batch/infer/student?images=all&run_sync=true", json={"multi_gpu": True, "max_workers": 1})
    saved = place / "images" / "labels" / "original"
    assert len(list(saved.glob("*.png"))) == 10  # all but the damaged one
    (place / "images" / "damaged.png").unlink()
    wait_for_images(client, 10)
    label(client, place, "000008")
    assert set(read_mask(saved / "000008.png").unique().tolist()) <= {0.0, 1.0}
    wait(server, "scoring")
    dice = post(server, "/scoring/dice?run_sync=true").json()["dice"]
    assert "000008" in dice and all(0 <= value <= 1 for value in dice.values())
    post(server, "/scoring/disagreement?run_sync=true")
    chosen = client.next_sample("disagreement", {})
    infos = {key: item["image"]["info"] for key, item in client.datastore()["objects"].items()}
    labelled = {key for key, item in client.datastore()["objects"].items() if "final" in item["labels"]}
    scores = {key: info["disagreement"] for key, info in infos.items() if key not in labelled}
    assert chosen["id"] == max(scores, key=scores.get) and chosen["weight"] == scores[chosen["id"]]
    assert client.next_sample("disagreement", {})["id"] != chosen["id"]  # not labelled: skipped for now


def test_two_trainings_at_once_and_one_stopped(client, server, place):
    for key in ("000005", "000006", "000007"):
        label(client, place, key)
    model = place / "app" / "bundle" / "models" / "model.pt"
    kept = model.read_bytes()
    runs = place / "app" / "runs"
    former = set(runs.glob("training-*"))
    post(server, "/train/student", json={"max_epochs": 1000, "learning_rate": 1e-12})
    for _ in range(1800):  # a busy machine needs a minute for the imports alone
        if any((run / "last.pt").is_file() for run in set(runs.glob("training-*")) - former):
            break
        time.sleep(0.1)
    else:
        raise AssertionError(requests.get(server + "/train/", timeout=60).text)
    assert "Already Running" in detail(post(server, "/train/student", 429, json=QUICK))
    # Another process, or another server of the same app, holds the app's lock.
    busy = post(server, "/train/student?run_sync=true&enqueue=true", 400, json=QUICK)
    assert "is being worked on by another process" in detail(busy)
    assert requests.delete(server + "/train/", timeout=60).json()["status"] == "STOPPED"
    assert model.read_bytes() == kept and client.infer("student", "000003", {})[0]
    # The files that it left do not prevent the next training.
    post(server, "/train/student", json=QUICK)
    state = wait(server, "train")
    assert state["status"] == "DONE", state["details"]
    assert len(list(runs.glob("training-*"))) == 1


@pytest.mark.parametrize(
    ("path", "arguments", "status", "message"),
    [
        ("/infer/nobody?image=000003", {}, 404, "No model 'nobody' here. Choose from student, teacher."),
        ("/infer/student?image=999", {}, 404, "No image '999' among the study's 10."),
        ("/infer/student", {"files": {"file": ("a.txt", b"text")}}, 400, "the uploaded image is in no known format"),
        ("/infer/student", {"files": {"file": ("a.png", b"text")}}, 400, "the uploaded image"),
        ("/infer/student?image=000003", {"data": {"params": '{"result_extension": ".exe"}'}}, 400, "No answer in the"),
        ("/train/student?run_sync=true", {"json": {"pathway": "logits"}}, 400, "No pathway 'logits'. Closest:"),
        ("/train/student?run_sync=true", {"json": {"max_epochs": -1}}, 400, "max_epochs must be a whole number"),
        ("/train/nobody?run_sync=true", {"json": {}}, 404, "No model 'nobody' here. Choose from student"),
        ("/scoring/nothing?run_sync=true", {"json": {}}, 404, "No method 'nothing' here."),
        ("/activelearning/nothing", {"json": {}}, 404, "No strategy 'nothing' here."),
        ("/infer/student?image=000003.png", {}, 404, "Closest: '000003'."),
        ("/infer/student?image=000003&probability=true", {}, 400, "It takes: image, session_id, output. Send options"),
        ("/train/student", {"data": '{"max_epochs": 1}'}, 422, "Send JSON with the header Content-Type"),
    ],
)
def test_errors_name_their_cause(server, path, arguments, status, message):
    wait(server, "scoring")
    assert message in detail(post(server, path, status, **arguments))


def test_without_a_teacher_no_training_starts(server, place):
    teacher = place / "app" / "bundle" / "models" / "teacher.pt"
    teacher.rename(place / "teacher.pt")
    try:
        told = detail(post(server, "/train/student", 404, json=QUICK))
    finally:
        (place / "teacher.pt").rename(teacher)
    assert "a training needs one. Copy its weights to 'app/bundle/models/teacher.pt'" in told


def test_a_label_with_another_tag_is_said_not_to_train(server, place):
    for tag, noted in (("second", True), ("final", False)):
        with (place / "masks" / "000001.png").open("rb") as file:
            address = f"{server}/datastore/label?image=000001&tag={tag}"
            answer = requests.put(address, files={"label": file}, timeout=60).json()
        assert answer["label"] == "000001" and ("note" in answer) == noted
        requests.delete(f"{server}/datastore/label?id=000001&tag={tag}", timeout=60).raise_for_status()


def test_labels_that_do_not_fit(client, server, place, tmp_path):
    width, height = Image.open(place / "images" / "000009.png").size
    Image.new("L", (width + 1, height)).save(tmp_path / "large.png")
    Image.fromarray(np.arange(width * height, dtype=np.uint8).reshape(height, width) % 7).save(tmp_path / "seven.png")
    for name, message in (("large.png", f"{width + 1} × {height}"), ("seven.png", "000009")):
        with pytest.raises(MONAILabelClientException, match="400") as caught:
            client.save_label("000009", str(tmp_path / name))
        assert message in str(caught.value.msg)
    Image.new("L", (width, height)).save(tmp_path / "none.png")
    client.save_label("000009", str(tmp_path / "none.png"))  # no lesion is an answer, too
    client.download_label("000009", "final")


def files(place):
    """All files but those that the server itself is about to remove."""
    return sorted(path for path in place.rglob("*") if path.is_file() and "tmp" not in path.parts[-2] + path.name)


def png():
    file = io.BytesIO()
    Image.new("L", (224, 224)).save(file, format="PNG")
    return file.getvalue()


TOUCH = "$__import__('pathlib').Path('{secret}.pwned').touch() or 'cpu'"
ATTACKS = [
    ("PUT", "/datastore/image?image=../outside/x", {"files": {"file": ("x.png", png())}}, (400,)),
    ("PUT", "/datastore/image?image=$x", {"files": {"file": ("x.png", png())}}, (400,)),
    ("PUT", "/datastore/label?image=000001&tag=../../outside/t", {"files": {"label": ("x.png", png())}}, (400,)),
    ("PUT", "/datastore/label?image=../000001&tag=final", {"files": {"label": ("x.png", png())}}, (400, 404)),
    ("POST", "/infer/student?image=000001", {"data": {"params": f'{{{{"device": "{TOUCH}"}}}}'}}, (400,)),
    ("POST", "/train/student?run_sync=true", {"json": {"device": TOUCH, "max_epochs": 1}}, (400,)),
    ("POST", "/train/student?run_sync=true", {"json": {"pathway": TOUCH}}, (400,)),
    ("POST", "/reload", {}, (403,)),
    ("GET", "/datastore/dataset", {"headers": {"Sec-Fetch-Site": "cross-site"}}, (403,)),
    ("PUT", "/session/", {"files": {"files": ("x.png", b"no image")}}, (400,)),
    ("GET", "/session/3f2504e0-4f89-11d3-9a0c-0305e82c3301", {}, (404,)),
    ("GET", "/session/no-id", {}, (400,)),
    ("POST", "/infer/student?image={secret}", {}, (404,)),
    ("POST", "/infer/student?image=000001", {"data": {"params": '{{"image": "{secret}"}}'}}, (404,)),
    ("POST", "/infer/student?image=../secret", {}, (404,)),
    ("POST", "/infer/wsi/student?image={secret}", {"json": {}}, (404, 405)),
    ("GET", "/datastore/image?image=../secret", {}, (400, 404)),
    ("GET", "/datastore/label?label=../secret&tag=final", {}, (400, 404)),
    ("PUT", "/model/student", {"files": {"file": ("x.pt", b"x")}}, (403,)),
    ("DELETE", "/model/student", {}, (403,)),
    ("GET", "/info/", {"headers": {"Origin": "http://evil.example"}}, (403,)),
    ("GET", "/info/", {"headers": {"Host": "evil.example"}}, (400,)),
    ("PUT", "/datastore/image?image=big", {"files": {"file": ("x.png", bytes(2**20 + 1))}}, (413,)),
    ("POST", "/infer/student", {"data": iter([b"endless"])}, (411,)),
]


@pytest.mark.parametrize(("method", "path", "arguments", "statuses"), ATTACKS)
def test_attacks_are_turned_away(server, place, method, path, arguments, statuses):
    secret = str(place / "secret.png")
    if isinstance(arguments.get("data"), dict):
        arguments = {"data": {"params": arguments["data"]["params"].format(secret=secret)}}
    before = files(place)
    response = requests.request(method, server + path.format(secret=secret), timeout=60, **arguments)
    assert response.status_code in statuses, response.text
    assert files(place) == before and not list(place.glob("*.pwned"))
    assert not folders_left(place)


def folders_left(place):
    """Folders of requests; they are removed after the answer, so the client may have to wait a moment."""
    for _ in range(100):
        left = [path for path in (place / "app" / "tmp").glob("tmp*") if path.is_dir()]
        if not left:
            break
        time.sleep(0.05)
    return left


def test_only_the_apps_own_models_load(server, place):
    evil = place / "evil.pt"
    torch.save({"model": {}}, evil)
    asked = {"params": json.dumps({"model_filename": "../../../evil.pt", "path": str(evil)})}
    assert post(server, "/infer/student?image=000003&output=json", data=asked).json()["label_names"]


def test_a_pickle_in_place_of_the_weights_is_not_run(server, place, tmp_path):
    model = place / "app" / "bundle" / "models" / "model.pt"
    kept = model.read_bytes()
    model.write_bytes(f"cos\nsystem\n(S'touch {tmp_path}/pwned'\ntR.".encode())
    answer = detail(post(server, "/infer/student?image=000003", 400))
    assert "is not a checkpoint of plain tensors" in answer and not list(tmp_path.iterdir())
    model.unlink()
    assert "No checkpoint at" in detail(post(server, "/infer/student?image=000003", 404))
    assert "student" not in requests.get(server + "/info/", timeout=60).json()["models"]
    model.write_bytes(kept)
    post(server, "/infer/student?image=000003")


def test_a_port_in_use(place, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        command = [
            part.format(app=place / "app", studies=place / "images", port=other.getsockname()[1]) for part in START
        ]
        run = subprocess.run(
            command, env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=180
        )
    assert run.returncode == 1 and re.search(r"Error: Port \d+ at 127.0.0.1 cannot be used", run.stderr)
    assert "Traceback" not in run.stderr


def test_a_folder_without_an_app(tmp_path):
    shutil.copytree(Path(__file__).parent, tmp_path / "no_app")
    command = [part.format(app=tmp_path / "no_app", studies=tmp_path, port=1) for part in START]
    run = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=180)
    assert run.returncode == 1 and "Error: No main.py in" in run.stderr
