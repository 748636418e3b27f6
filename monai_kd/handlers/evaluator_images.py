# SPDX-License-Identifier: Apache-2.0
"""An evaluator's data and output, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ignite.engine import Engine

__all__ = ["images_of"]

ID = {"id": "Give every image its own id."}


def images_of(
    engine: Engine, handler: str, needed: Mapping[str, str] | None = None
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """
    The data and the output of each image in an evaluator's batch.

    Args:
        engine: a MONAI evaluator.
        handler: class name of the caller, for messages.
        needed: keys that the data must hold besides "id", each with the remedy to print where it is missing.

    Raises:
        ValueError: When the output is not decollated, or a key is missing.
    """
    batch: Any = engine.state.batch
    output: Any = engine.state.output
    if not isinstance(output, list):
        raise ValueError(f"{handler} reads one image at a time. Set the evaluator's decollate=True.")
    for key, remedy in {**ID, **(needed or {})}.items():
        if key not in batch[0]:
            raise ValueError(f"{handler} needs '{key}' in the data, which hold {sorted(batch[0])}. {remedy}")
    yield from zip(batch, output, strict=True)
