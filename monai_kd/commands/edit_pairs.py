# SPDX-License-Identifier: Apache-2.0
"""Edit a text in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

__all__ = ["edit_text"]


def edit_text(text: str, suffix: str) -> str:
    """
    Open a text in ``$VISUAL`` or ``$EDITOR``, and return what the user saved.

    Args:
        suffix: the temporary file's, from which editors know the format.

    Raises:
        ValueError: When no editor is set, or it fails.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise ValueError("--edit opens $EDITOR, which is not set. Set it (export EDITOR=nano), or use --pairs FILE.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"pairs{suffix}"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ValueError(f"The editor {editor!r} failed: {error}. Set $EDITOR, or use --pairs FILE.") from error
        return file.read_text(encoding="utf-8")
