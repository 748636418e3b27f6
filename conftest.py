# SPDX-License-Identifier: Apache-2.0
"""Doctests of what needs MONAI Label run where it is installed; headless Chromium, for the pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

collect_ignore_glob = [] if find_spec("monailabel") else ["monai_kd/label/*"]

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream"),
    *("--use-fake-ui-for-media-stream", "--auto-select-desktop-capture-source=Entire screen"),
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Headless Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
