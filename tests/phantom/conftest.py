# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from monai_kd.phantom import drawing, writing


@pytest.fixture(scope="module", autouse=True)
def _each_is_drawn():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "draw_phantom", drawing.draw_phantom)
        yield
