# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.data.download.server import serve


@pytest.fixture
def publisher(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as running:
        yield running
