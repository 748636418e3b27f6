# SPDX-License-Identifier: Apache-2.0
"""Check the kind of an id's value, by the id's name and by the value that the config itself has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["is_program", "require_kind", "require_kinds"]


def is_program(value: Any) -> bool:
    """
    Whether a value is an expression, a reference or a macro, which gets its own value only when the config runs.

    Example:
        >>> is_program("$2 + 2"), is_program("@seed"), is_program("cpu")
        (True, True, False)
    """
    return isinstance(value, str) and value.strip().startswith(("$", "@", "%"))


@dataclass(frozen=True)
class Kind:
    """A kind of value: its description in messages, a test, and an example for messages if the config has none."""

    words: str
    fits: Callable[[Any], bool]
    example: Any


def _whole(least: int, most: int | None = None, example: int = 20) -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= (most or value)

    return Kind(f"a whole number from {least}" + (f" to {most}" if most else ""), fits, example)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are(fits: Callable[[Any], bool], count: int = 0) -> Callable[[Any], bool]:
    def fit(value: Any) -> bool:
        right = isinstance(value, list | tuple) and len(value) > 0 and (not count or len(value) == count)
        return right and all(is_program(item) or fits(item) for item in value)

    return fit


def _or_none(kind: Kind) -> Kind:
    return Kind(
        f"{kind.words.replace(' or ', ', ')} or None", lambda value: value is None or kind.fits(value), kind.example
    )


BOOLEAN = Kind("True or False", lambda value: isinstance(value, bool), True)
COUNT = _whole(1)
FROM_0 = Kind("a number from 0", lambda value: _is_number(value) and value >= 0, 0.5)
ABOVE_0 = Kind("a number above 0", lambda value: _is_number(value) and value > 0, 0.002)
SHARE = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1, 0.2)
LABELS = Kind(
    "a whole number from 1, or a fraction above 0.0 up to 1.0",
    lambda value: COUNT.fits(value) or (isinstance(value, float) and 0 < value <= 1),
    30,
)
PATH = Kind("a path, as text", _is_path, "some/folder")
PATHS = Kind(
    "a path or a list of paths, as text",
    lambda value: _is_path(value) or _are(_is_path)(value),
    "models/teacher.pt",
)
TEXT = Kind("text", lambda value: isinstance(value, str), "text")
SIDES = Kind("a list of whole numbers from 1", _are(COUNT.fits), [224, 224])
NAMES = Kind("a list of texts", _are(TEXT.fits), ["benign", "malignant"])
ACTION = Kind("refuse or warn", lambda value: value in ("refuse", "warn"), "warn")
PART = Kind("training, validation or test", lambda value: value in ("training", "validation", "test"), "test")

# Ids that have the same meaning in all bundles of this package.
KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        ("max_epochs", "val_interval", "patience", "batch_size", "rounds", "clean_every", "steps_per_epoch"), COUNT
    ),
    "fold": _whole(0, example=0),
    "seed": _whole(0, 2**32 - 1, example=0),
    "learning_rate": ABOVE_0,
    "process_timeout": ABOVE_0,
    **dict.fromkeys(("supervised_weight", "box_jitter"), FROM_0),
    "label_noise": SHARE,
    "labels": _or_none(LABELS),
    **dict.fromkeys(("spatial_size", "student_channels", "teacher_channels"), SIDES),
    "classes": NAMES,
    **dict.fromkeys(("amp", "resume", "use_tensorboard", "use_mlflow", "crop_margins", "balanced"), BOOLEAN),
    **dict.fromkeys(("overlays", "imagenet"), BOOLEAN),
    "quiet": _or_none(BOOLEAN),
    "section": PART,
    "seen_images": ACTION,
    **dict.fromkeys(("bundle_root", "output_dir", "checkpoint", "initial_checkpoint"), PATH),
    **dict.fromkeys(("autoencoder_checkpoint", "target_dir", "mlflow_uri"), PATH),
    "unlabelled_dir": _or_none(PATHS),
    **dict.fromkeys(("split_file", "target_split_file", "teacher_cache"), _or_none(PATH)),
    **dict.fromkeys(("dataset_dir", "teacher_checkpoint"), PATHS),
    **dict.fromkeys(("layout", "target_layout"), _or_none(TEXT)),
}

# Ids under which a bundle of others may keep values by name, such as {"background": 0, "liver": 1}.
NAMED = ("labels", "classes")


def require_kind(where: str, name: str, value: Any, former: Any = None, inside: bool = False) -> None:
    """
    Check a value that an argument or an overlay gives to an id.

    Args:
        where: the argument, or file and id, for the message.
        name: the id, or the one that its former value refers to.
        value: the new value.
        former: the config's own value; None if there is none.
        inside: whether it is the argument of a component, which may also take other kinds: a number instead of a list,
            or a list instead of a number. A boolean must stay a boolean, and a number must not become text.

    Raises:
        ValueError: When it is of another kind, or out of range.

    Example:
        >>> require_kind("--max_epochs", "max_epochs", 20, former=200)
        >>> require_kind("--resume", "resume", "no", former=True)
        Traceback (most recent call last):
        ValueError: --resume must be True or False, got 'no'. Write for instance --resume True.
    """
    if is_program(value) or (value is None and former is None):
        return
    if name == "device":
        _require_device(where, value)
        return
    kind = _kind(name, former, inside)
    if kind is None or kind.fits(value):
        return
    if isinstance(former, Mapping):
        raise ValueError(f"{where} must be {kind.words}, got {value!r}. Set a part of it: {where}#… .")
    example = former if former is not None and not is_program(former) and kind.fits(former) else kind.example
    raise ValueError(f"{where} must be {kind.words}, got {value!r}. Write for instance {_written(where, example)}.")


def require_kinds(config: Mapping[str, Any], where: str) -> None:
    """
    Check those values of a merged config whose ids are known by name; ``where`` names the config in messages.

    Raises:
        ValueError: When one is of another kind, or out of range.
    """
    for name, value in config.items():
        if name in NAMED and isinstance(value, Mapping):
            continue
        if name in KINDS or name == "device":
            require_kind(f"{where}, '{name}'", name, value)


def _kind(name: str, former: Any, inside: bool) -> Kind | None:
    literal = former is not None and not is_program(former)
    named = None if inside else KINDS.get(name)
    if named is not None and (not literal or named.fits(former)):
        # The number of sides is the number of axes; networks may have any number of levels.
        count = len(former) if name == "spatial_size" and literal else 0
        return Kind(f"a list of {count} whole numbers from 1", _are(COUNT.fits, count), former) if count else named
    return _learned(former, inside) if literal else None


def _learned(former: Any, inside: bool) -> Kind | None:
    """The kind of the value before; None if anything is allowed."""
    if isinstance(former, bool):
        return BOOLEAN
    if _is_number(former) and inside:
        return Kind("a number", lambda value: not isinstance(value, str | bool), former)
    if _is_whole(former):
        return Kind("a whole number", _is_whole, former)
    if isinstance(former, float):
        return Kind("a number", _is_number, former)
    if inside:
        return None
    if isinstance(former, str):
        return TEXT
    if isinstance(former, Mapping):
        return Kind("a component or another mapping", lambda value: isinstance(value, Mapping), former)
    if isinstance(former, list | tuple):
        return _learned_list(former)
    return None


def _learned_list(former: list[Any] | tuple[Any, ...]) -> Kind:
    for words, fits in (("whole numbers", _is_whole), ("numbers", _is_number), ("texts", TEXT.fits)):
        if former and not any(map(is_program, former)) and all(map(fits, former)):
            return Kind(f"a list of {words}", _are(fits), former)
    return Kind("a list", lambda value: isinstance(value, list | tuple), former)


def _require_device(where: str, value: Any) -> None:
    import torch

    try:
        device = torch.device(value)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"{where} must be a device of torch, got {value!r}. Write for instance {_written(where, 'cuda:0')} or "
            f"{_written(where, 'cpu')}."
        ) from None
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        there = f"the GPUs are cuda:0 to cuda:{count - 1}" if count else "torch finds no GPU here"
        raise ValueError(f"{where} is {value!r}, but {there}. Write {_written(where, 'cuda:0' if count else 'cpu')}.")


def _written(where: str, value: Any) -> str:
    """A value in the form in which the user writes it."""
    if where.startswith("--set "):
        return f"{where}='{json.dumps(value)}'"
    if where.startswith("--"):
        text = str(value).replace(" ", "") if isinstance(value, list | tuple) else str(value)
        return f"{where} " + (f'"{text}"' if any(sign in text for sign in "[{ '") else text)
    return repr(value)
