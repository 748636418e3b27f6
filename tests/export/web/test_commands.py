# SPDX-License-Identifier: Apache-2.0
"""`export --forms web` and `web`: what they write, serve and refuse."""

from __future__ import annotations

import shutil
from http.server import ThreadingHTTPServer
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.bundle.shipped_bundles import shipped_bundles
from monai_kd.export import Options, export_student, open_export
from monai_kd.export.web.npm_packages import PACKAGES
from monai_kd.export.web.serving import page_server
from monai_kd.utils.json_files import read_json
from tests.export.conftest import student
from tests.export.web.conftest import serve


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_the_folder_is_complete(export_with_page):
    folder = export_with_page / "web"
    page = read_json(folder / "page.json")
    assert (folder / "student.onnx").read_bytes() == (export_with_page / "student.onnx").read_bytes()
    assert page["classes"] == {"0": "background", "1": "lesion"} and page["channels"] == 1
    assert len(page["weights"]) == 64 and all((folder / name).is_file() for name in page["examples"])
    for package in PACKAGES:
        assert {file.name for file in (folder / "vendor" / package.folder).iterdir()} == {
            name.rpartition("/")[2] for name in package.files
        }
    assert {"student.onnx", "vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm"} <= set(page["integrity"])
    assert "onnx" in open_export(export_with_page)[1]


def test_the_policy_allows_the_page_alone(export_with_page):
    text = (export_with_page / "web" / "index.html").read_text()
    assert "default-src 'none'" in text and "'unsafe-eval'" not in text and "'unsafe-inline'" not in text
    own = [file for file in (export_with_page / "web").iterdir() if file.suffix in (".js", ".html", ".css")]
    for file in own:
        assert len(file.read_text().splitlines()) < 250, file.name
        assert "SPDX-License-Identifier: Apache-2.0" in file.read_text()
        assert "https://" not in file.read_text().replace("pages of https://", "").replace("at https:// and", "")


def test_the_server_isolates_the_page(export_with_page):
    with serve(export_with_page / "web") as root:
        with urlopen(f"{root}/vendor/onnxruntime-web/ort.wasm.min.mjs") as answer:
            assert answer.headers["Content-Type"].startswith("text/javascript")
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        port = int(root.rpartition(":")[2])
        with pytest.raises(ValueError, match=rf"Port {port} at 127\.0\.0\.1 cannot be used"):
            page_server(export_with_page, port)


def test_web_serves_an_export_until_ctrl_c(export_with_page, monkeypatch):
    def interrupted(server, poll_interval=0.5):
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupted)
    done = run("web", export_with_page, "--port", 18231)
    assert done.exit_code == 0 and "http://127.0.0.1:18231 shows the page" in done.output


def test_web_refuses_a_changed_file_and_an_export_without_a_page(export_with_page, exported, tmp_path):
    folder = shutil.copytree(export_with_page, tmp_path / "changed")
    (folder / "web" / "main.js").write_text("alert()")
    done = run("web", folder)
    assert "main.js' is not the file that was exported" in str(done.exception)
    assert "has no page. Export it again with --forms onnx,web" in str(run("web", exported.folder).exception)
    assert "--network is for a new one" in str(run("web", exported.folder, "--network", "small").exception)


def test_students_that_the_page_cannot_show_are_refused(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r"exported as the network alone.*Leave web out of --forms"):
        export_student(student(), checkpoint, tmp_path / "out", Options(("web",), raw=True))
    assert not (tmp_path / "out").exists()


def test_the_first_run_writes_the_shipped_student(monkeypatch, tmp_path):
    """Up to the export itself, which the other tests do."""
    asked = []
    monkeypatch.setattr("monai_kd.export.export_student", lambda *words: asked.append(words))
    done = run("web", tmp_path / "new", "--network", "small", "--runtime-dir", tmp_path)
    ((bundle, weights, folder, options, _),) = asked
    assert bundle.root == shipped_bundles() / "breast_ultrasound_segmentation"
    assert weights.name == "model_small.pt" and folder == tmp_path / "new"
    assert options.forms == ("onnx", "web") and options.runtime_dir == tmp_path
    assert "Export a student first" in str(done.exception)
