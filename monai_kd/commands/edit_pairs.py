# SPDX-License-Identifier: Apache-2.0
"""A text in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

__all__ = ["edit_text"]


def edit_text(text: str, suffix: str) -> str:
    """
    Open a text in the editor of the environment, and return it as it was saved.

    Args:
        text: to begin with.
        suffix: of the temporary file, by which editors know the format.

    Returns:
        The text as it was saved.

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
