# SPDX-License-Identifier: Apache-2.0
"""A process that must not outlive the one that started it."""

from __future__ import annotations

import os
import threading
import time

__all__ = ["end_with"]


def end_with(parent: int) -> None:
    """
    End this process, at once and without a word, when its parent has ended.

    Args:
        parent: the process id of the parent; this process ends if another is its parent already.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
