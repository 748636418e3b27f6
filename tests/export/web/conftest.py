# SPDX-License-Identifier: Apache-2.0
"""The page of the small shipped student, served on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monai_kd.export import Options, export_student, open_bundle
from monai_kd.export.web.npm_packages import fetch_packages
from monai_kd.export.web.serving import page_server
from tests.bundles.conftest import ROOT


@pytest.fixture(scope="session")
def export_with_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shipped student, exported with its page."""
    try:
        fetch_packages()
    except ValueError as error:
        pytest.skip(f"the page's npm packages are not here: {error}")
    folder = tmp_path_factory.mktemp("web") / "exported"
    weights = ROOT / "models" / "model_small.pt"
    export_student(open_bundle(ROOT, ("networks/small",)), weights, folder, Options(("onnx", "web")))
    return folder


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address of a folder that is served."""
    with page_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def address(export_with_page: Path) -> Iterator[str]:
    """Where the page is served."""
    with serve(export_with_page / "web") as root:
        yield root


class Page:
    """A tab that shows the page, and what it asked for."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.requests: list[str] = []
        self.errors: list[str] = []
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def start(self, address: str) -> Page:
        """Open the page and wait until it is ready."""
        self.tab.goto(address)
        self.says("status", "Ready.")
        return self

    def open(self, *files: Any) -> None:
        """Choose files, and wait for the first one's mask or a problem."""
        self.tab.set_input_files("#files", [str(file) if isinstance(file, Path) else file for file in files])
        self.wait()

    def wait(self) -> None:
        """Wait until nothing is being segmented."""
        self.tab.wait_for_selector("#stage[aria-busy=false]")

    def says(self, id: str, words: str) -> None:
        """Wait until an element's text holds some words."""
        self.tab.locator(f"#{id}", has_text=words).wait_for()

    def text(self, id: str) -> str:
        """The text of an element."""
        return str(self.tab.locator(f"#{id}").inner_text())

    def mask(self) -> tuple[str, Path]:
        """The name and file of the mask that the page saves."""
        with self.tab.expect_download() as waiting:
            self.tab.click("#savemask")
        return waiting.value.suggested_filename, Path(waiting.value.path())


@pytest.fixture
def new_page(chromium: Any) -> Iterator[Any]:
    """Make pages, each in an empty profile; options are Playwright's."""
    contexts = []

    def make(**options: Any) -> Page:
        contexts.append(chromium.new_context(**options))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(60_000)
        return Page(tab)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Any, address: str) -> Page:
    """The page, ready."""
    return new_page().start(address)
