# SPDX-License-Identifier: Apache-2.0
"""The consoles that every command prints to."""

from __future__ import annotations

from rich.console import Console

# Messages are not wrapped: they hold paths that people copy.
console = Console(soft_wrap=True)
error_console = Console(stderr=True, soft_wrap=True)
