# SPDX-License-Identifier: Apache-2.0
"""What an evaluator's data and output hold, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ignite.engine import Engine

__all__ = ["images_of"]

ID = {"id": "Give every image a name of its own."}


def images_of(
    engine: Engine, handler: str, needed: Mapping[str, str] | None = None
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """
    The data and the output of each image of an evaluator's batch.

    Args:
        engine: a MONAI evaluator.
        handler: which one asks, for messages.
        needed: what the data must hold besides "id", and the remedy where they do not. Defaults to nothing.

    Yields:
        The record of an image and what the evaluator made of it.

    Raises:
        ValueError: When the output is not decollated, or the data lack something.
    """
    batch: Any = engine.state.batch
    output: Any = engine.state.output
    if not isinstance(output, list):
        raise ValueError(f"{handler} reads image by image. Give the evaluator decollate=True.")
    for key, remedy in {**ID, **(needed or {})}.items():
        if key not in batch[0]:
            raise ValueError(f"{handler} needs '{key}' in the data, which hold {sorted(batch[0])}. {remedy}")
    yield from zip(batch, output, strict=True)
