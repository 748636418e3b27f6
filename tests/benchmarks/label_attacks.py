# SPDX-License-Identifier: Apache-2.0
"""Hostile requests to the server of the Label app: every endpoint, every kind of word that might become a path."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

SESSION = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@dataclass(frozen=True)
class Attack:
    """One request that must be refused."""

    kind: str
    method: str
    path: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {str(self.arguments)[:200]}"


def words(app: Path, images: Path, secret: Path) -> list[str]:
    """What a client may write in place of a name, hoping that it becomes a path."""
    relative = [
        "..",
        ".",
        "../..",
        "../secret",
        "../secret.png",
        "a/../../secret.png",
        "..\\secret.png",
        "./000001.png",
    ]
    coded = ["%2e%2e", "..%2f..%2fsecret.png", "%252e%252e%252fsecret.png", "..%c0%afsecret.png", "．．／secret.png"]
    temporary = ["tmp", "tmp/", "tmp/.", "tmp/..", "tmp/../bundle", "tmp/tmpabcdefgh/..", "tmp/tmpplanted1.png"]
    own = [
        *temporary,
        "tmp/tmplinked01.png",
        "tmp/tmplinked02",
        "",
        "main.py",
        "bundle/models/model.pt",
        "logs/app.log",
    ]
    absolute = ["/", "/etc/passwd", str(secret), f"file://{secret}", str(images), f"{images}/000001.png", f"//{secret}"]
    strange = ["\0", "a\0b.png", "000001\0", "x" * 300, "é" * 150, "/".join("x" * 50 for _ in range(80)), "~", "~root"]
    strange += ["$HOME", "$(id)", "|id", ";id", "*", "-rf", "\u202e000001", "\n", "a\r\nX: y", "%00", "%ff"]
    return [*relative, *coded, *(f"{app}/{name}" for name in own), *absolute, *strange]


def by_words(app: Path, images: Path, secret: Path) -> Iterator[Attack]:
    """Each endpoint that takes a name, with each of the words in its place."""
    file = {"files": {"file": ("x.png", png())}}
    label = {"files": {"label": ("x.png", png())}}
    for word in words(app, images, secret):
        name = {"params": {"image": word}}
        yield Attack("name", "POST", "/infer/student", {**name, "data": {"params": "{}"}})
        yield Attack("name", "POST", "/infer/student?image=000001", {"data": {"params": json.dumps({"image": word})}})
        yield Attack("name", "POST", "/infer/student?image=000001", {"data": {"params": json.dumps({"model": word})}})
        yield Attack("name", "POST", "/infer/student", {"params": {"session_id": word}})
        yield Attack("name", "POST", "/infer/wsi/student", {**name, "json": {}})
        yield Attack("name", "POST", "/infer/wsi/student?image=000001", {"json": {"params": {"image": word}}})
        yield Attack("name", "POST", "/infer/wsi_v2/student", name)
        yield Attack(
            "name", "POST", "/infer/wsi_v2/student", {"data": {"wsi": json.dumps({"params": {"image": word}})}}
        )
        yield Attack("name", "PUT", "/datastore/label", {**label, **name})
        yield Attack("name", "PUT", "/datastore/label", {**label, "params": {"image": "000001", "tag": word + "/"}})
        yield Attack("name", "PUT", "/datastore/image/info", {**name, "data": {"info": "{}"}})
        yield Attack("name", "PUT", "/datastore/label/info", {"params": {"label": word, "tag": "final"}})
        yield Attack("name", "PUT", "/datastore/updatelabelinfo", {"params": {"label": word, "tag": "final"}})
        yield Attack("name", "DELETE", "/datastore/image", {"params": {"id": word}})
        yield Attack("name", "DELETE", "/datastore/", {"params": {"id": word}})
        yield Attack("name", "DELETE", "/datastore/label", {"params": {"id": word, "tag": "final"}})
        yield Attack("name", "DELETE", "/datastore/label", {"params": {"id": "000001", "tag": word + "/"}})
        for path in ("/datastore/image", "/datastore/image/info"):
            yield Attack("name", "GET", path, name)
        for path in ("/datastore/label", "/datastore/label/info"):
            yield Attack("name", "GET", path, {"params": {"label": word, "tag": "final"}})
        yield Attack("name", "POST", "/batch/infer/student", {"json": {"label_tag": word + "/"}})
        yield Attack("name", "POST", "/train/student", {"json": {"pathway": word}})
        yield Attack("name", "POST", "/train/student", {"json": {"device": word + "$"}})
        if "/" in word or "\\" in word or "\0" in word or len(word) > 200:
            yield Attack("name", "PUT", "/datastore/image", {**file, **name})
        for prefix in ("/session", "/model", "/model/info", "/infer", "/train", "/scoring", "/activelearning", "/ohif"):
            for path in (f"{prefix}/{quoted(word)}", f"{prefix}/{quoted(quoted(word))}"):
                method = "GET" if prefix in ("/session", "/model", "/model/info", "/ohif") else "POST"
                if word.strip("./\\") or word.startswith(".."):  # else it is the folder of all
                    yield Attack("address", method, path, {"json": {}} if method == "POST" else {})
        yield Attack("address", "DELETE", f"/session/{quoted(word)}x")
        yield Attack("address", "GET", f"/proxy/dicom/wado/{quoted(word)}")


def by_types() -> Iterator[Attack]:
    """Values of the wrong kind wherever JSON is taken."""
    wrong = [[1], {"a": 1}, "x", -1, 1e400, True, None, [[[]]], "\ud800"]
    for name in ("device", "probability", "largest_component", "result_extension"):
        for value in (value for value in wrong if not (value is None or (value is True and name != "device"))):
            if not (name == "device" and value in ([],)):
                sent = {"data": {"params": json.dumps({name: value})}}
                yield Attack("type", "POST", "/infer/student?image=000001", sent)
    for name in ("max_epochs", "learning_rate", "supervised_weight", "unlabelled", "pretrained", "pathway", "gpus"):
        for value in ([1], {"a": 1}, "x", -1, "\0", [[[]]]):
            yield Attack("type", "POST", "/train/student", {"json": {name: value}})
    for name in ("max_workers", "max_batch_size", "multi_gpu", "images", "label_tag", "gpus", "logging"):
        for value in ({"a": 1}, "x" * 70, -1, 1.5, [1]):
            yield Attack("type", "POST", "/batch/infer/student", {"json": {name: value}})
    for body in ("[]", "1", "[NaN]", '"x"', "{", "[" * 100_000, '["\\ud800"]', "nul"):
        for path in ("/train/student", "/scoring/dice", "/batch/infer/student", "/activelearning/first", "/train/"):
            sent = {"data": body, "headers": {"Content-Type": "application/json"}}
            yield Attack("type", "POST", path, sent)
        sent = {"data": {"params": body}}
        yield Attack("type", "POST", "/infer/student?image=000001", sent)
        yield Attack("type", "PUT", "/datastore/image?image=new", {**sent, "files": {"file": ("x.png", png())}})
        yield Attack("type", "PUT", "/datastore/label?image=000001", {**sent, "files": {"label": ("x.png", png())}})
        yield Attack("type", "POST", "/infer/wsi_v2/student?image=000001", {"data": {"wsi": body}})
    for path in ("/datastore/dataset?limit_cases=x", "/logs/?lines=x", "/datastore/?output=x", "/train/?all=x"):
        yield Attack("type", "GET", path)
    yield Attack("type", "HEAD", "/datastore/image?image=000001&check_sum=MD4:1")
    yield Attack("type", "PUT", "/session/?expiry=x", {"files": {"files": ("x.png", png())}})


def by_notes() -> Iterator[Attack]:
    """Notes that the server writes itself, and notes that could not be read again."""
    notes = [{"strategy": [1]}, {"strategy": {"first": 1}}, {"disagreement": "high"}, {"disagreement": 1.0}, {"ts": 0}]
    notes += [{"name": "x"}, {"path": "/etc/passwd"}, {"id": "000002"}, {"user": "me"}, {"disagreement_networks": 1}]
    notes += [{"a": "\ud800"}, {"a": "x" * 70_000}, {"dice": "high"}, {"dice_ts": 1}, {"params": 1}, {"model": 1}]
    texts = [json.dumps(note) for note in notes] + ['{"a": NaN}', '{"a": ' + "[" * 300 + "]" * 300 + "}"]
    for text in texts:
        info, params = {"data": {"info": text}}, {"data": {"params": text}}
        yield Attack("note", "PUT", "/datastore/image/info?image=000001", info)
        yield Attack("note", "PUT", "/datastore/label/info?label=000001&tag=final", info)
        yield Attack("note", "PUT", "/datastore/updatelabelinfo?label=000001&tag=final", params)
        yield Attack("note", "PUT", "/datastore/image?image=new", {**params, "files": {"file": ("x.png", png())}})
        yield Attack("note", "PUT", "/datastore/label?image=000001", {**params, "files": {"label": ("x.png", png())}})
    for client in ([1], {"a": 1}, "x" * 300, 7):
        yield Attack("note", "POST", "/activelearning/first", {"json": {"client_id": client}})


def by_files() -> Iterator[Attack]:
    """Files that are none, too large when they are decoded, or called so that they would be written elsewhere."""
    contents = [
        ("x.png", b"no image"), ("x.png", b""), ("x.nii.gz", gzip.compress(b"x" * 400)), ("x.dcm", b"\0" * 200),
        ("x.exe", b"MZ"), ("x", b"x"), ("x.tar", b"x"), ("x.svg", b"<svg/>"),
        ("x.nrrd", b"NRRD0004\ndata file: /etc/passwd\n\n"), ("x.pt", b"cos\nsystem\n(S'id'\ntR."),
        ("x.mha", b"NDims = 2\nElementDataFile = /etc/passwd\n"), ("x." + "y" * 300, png()), ("x\0.exe", b"x"),
        ("bomb.png", png_bomb(30_000)), ("bomb.nii.gz", nifti_bomb()), ("../../x.exe", b"MZ"),
    ]  # fmt: skip
    for name, content in contents:
        yield Attack("file", "POST", "/infer/student", {"files": {"file": (name, content)}})
        yield Attack("file", "POST", "/infer/wsi_v2/student", {"files": {"file": (name, content)}})
        yield Attack("file", "PUT", "/datastore/image?image=new", {"files": {"file": (name, content)}})
        yield Attack("file", "PUT", "/datastore/", {"files": {"file": (name, content)}})
        yield Attack("file", "PUT", "/datastore/label?image=000001", {"files": {"label": (name, content)}})
        yield Attack("file", "PUT", "/session/", {"files": {"files": (name, content)}})
        yield Attack("file", "PUT", "/model/student", {"files": {"file": (name, content)}})
    image = ("x.png", png())
    yield Attack("file", "PUT", "/session/?uncompress=true", {"files": {"files": image}})
    yield Attack("file", "PUT", "/session/", {"files": [("files", image), ("files", ("y.png", png()))]})
    for name in ("..", ".", "/", "..png/..", "\0", "x" * 250 + ".png", ".hidden.png", "$x.png", "meta.info"):
        yield Attack("file", "PUT", "/session/", {"files": {"files": (name, png())}})
    for label in (png(223), png(value=7), nifti(np.diag([2.0, 2, 2, 1])), nifti(np.diag([-1.0, 1, 1, 1]))):
        name = "x.png" if label[:4] == b"\x89PNG" else "x.nii.gz"
        image_id = "000001" if name == "x.png" else "placed"
        yield Attack("file", "PUT", f"/datastore/label?image={image_id}", {"files": {"label": (name, label)}})


def by_origin() -> Iterator[Attack]:
    """Other hosts, foreign pages, requests without end, and what is closed."""
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for path in ("/info/", "/datastore/dataset", "/logs/"):
            yield Attack("origin", "GET", path, {"headers": headers})
    yield Attack("origin", "POST", "/reload")
    yield Attack("origin", "DELETE", "/model/student")
    yield Attack("origin", "POST", "/infer/student", {"data": iter([b"endless"])})
    yield Attack("origin", "POST", "/train/student", {"data": b" " * (2**20 + 1)})
    yield Attack("origin", "PUT", "/datastore/image?image=new", {"files": {"file": ("x.png", bytes(2**21))}})
    for path in ("/proxy/dicom/x", "/ohif/", "/logs/gpu", f"/session/{SESSION}", "/auth/", "/nothing"):
        yield Attack("origin", "GET", path)
    for method in ("TRACE", "PATCH", "PUT", "DELETE", "OPTIONS"):
        yield Attack("origin", method, "/info/")


def attacks(app: Path, images: Path, secret: Path) -> list[Attack]:
    """All of them."""
    found = (by_words(app, images, secret), by_types(), by_notes(), by_files(), by_origin())
    return [attack for kind in found for attack in kind]


def quoted(word: str) -> str:
    """A word as one part of an address, each of its bytes as %XX."""
    return "".join(f"%{byte:02X}" for byte in word.encode("utf-8", "surrogatepass"))


def png(side: int = 224, value: int = 0) -> bytes:
    """A picture of one gray."""
    file = io.BytesIO()
    Image.new("L", (side, side), value).save(file, format="PNG")
    return file.getvalue()


def png_bomb(side: int) -> bytes:
    """A small file of a large picture, by its header."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def nifti_bomb() -> bytes:
    """A gigabyte by its header; less of it is sent, and would be packed in a megabyte."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float64)
    header.set_data_shape((8192, 8192, 2))
    file = io.BytesIO()
    header.write_to(file)
    return gzip.compress(file.getvalue() + bytes(300_000), compresslevel=0)


def nifti(affine: np.ndarray, side: int = 224) -> bytes:
    """A label in a place."""
    values = np.zeros((side, side, 1), dtype=np.uint8)
    return gzip.compress(nibabel.Nifti1Image(values, affine).to_bytes())
