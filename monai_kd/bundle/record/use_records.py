# SPDX-License-Identifier: Apache-2.0
"""Configs take a network's definition and the images' size from the checkpoint that they load."""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.utils import ensure_tuple

from monai_kd.bundle.config_files import list_files, read_file
from monai_kd.bundle.config_ids import find, references
from monai_kd.bundle.record.definition import class_of, plain, settings_for, with_own_classes
from monai_kd.bundle.record.training_record import NETWORK, VALUES, load_record, require_network
from monai_kd.bundle.running_config import parser_at_work, start_at_work

__all__ = ["recorded_settings", "use_records"]

SIZES = ("spatial_size", "crop_margins")  # may differ from the training's, with a warning
logger = logging.getLogger(__name__)


def use_records(recorded: Mapping[str, str | Sequence[str] | None]) -> None:
    """
    Set the networks and sizes of the running config to those in the records of checkpoints.

    It is a line of ``initialize`` in a bundle's configs, before anything is built. Of a student (``network_def``) the
    images' size is taken, too; of a teacher it is only compared.

    Args:
        recorded: checkpoints by the ids of their networks; of several files the first counts. Entries that are None,
            and files that do not exist, are skipped.

    Raises:
        ValueError: When a value was given that contradicts a record, or a record was changed.
    """
    parser, start = parser_at_work(), start_at_work()
    if parser is None:
        raise ValueError("use_records must be called by a config, but it was called in Python. Leave it out.")
    resolved, changed = parser.ref_resolver.resolved_content, False
    for network, files in sorted(recorded.items(), key=lambda entry: entry[0] != NETWORK):
        path = ensure_tuple(files)[0]
        if path is None or not Path(path).is_file():
            continue
        given = () if start is None else start.arguments
        folder = None if start is None else start.folder
        for name, value in recorded_settings(parser.get(), path, network, given, folder).items():
            if name.partition("#")[0] in resolved:
                raise ValueError(f"use_records comes too late: '{name}' is in use. Move it up in 'initialize'.")
            parser[name], changed = value, True
    if changed:
        parser.parse(reset=True)
        parser.ref_resolver.resolved_content.update(resolved)


def recorded_settings(
    config: Mapping[str, Any],
    path: str | PathLike[str],
    network: str = NETWORK,
    given: Collection[str] = (),
    folder: Path | None = None,
) -> dict[str, Any]:
    """
    The values by id with which a config builds the network of a checkpoint, for images of the training's size.

    A value that was given wins over a recorded size, with a warning. It cannot win over a recorded network.

    Args:
        config: merged, with all arguments.
        path: the checkpoint.
        network: the id of its network in the config.
        given: the ids of arguments.
        folder: the folder of the config. A value that none of its configs has was given, too: by an overlay of a
            subfolder, or by a program. Overlays of teachers do not count.

    Returns:
        Empty if the file has no record, or everything agrees with it.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When a given value contradicts the recorded network, or the record was changed.
    """
    record = load_record(path)
    if record is None:
        is_bundles_own = folder is not None and folder.parent.resolve() in Path(path).resolve().parents
        if not is_bundles_own:
            _say_once(f"'{path}' has no record of its training: the config's own network and sizes are used.")
        return {}
    parser = ConfigParser(copy.deepcopy(dict(config)))
    places = [] if folder is None else [folder, *(folder.glob("*/") if network != NETWORK else ())]
    found: dict[str, Any] = {}
    for name in VALUES if network == NETWORK else SIZES:
        if name not in record or name not in parser or (current := plain(parser, name)) == record[name]:
            continue
        is_given = _is_given(name, config, given, places)
        if name in SIZES and (is_given or network != NETWORK):
            logger.warning("%s is %s, but '%s' was trained with %s.", name, current, path, record[name])
            continue
        _require_not_given(name, current, record[name], path, is_given)
        parser[name] = found[name] = record[name]
    wanted = with_own_classes(record[NETWORK], parser.get(network))
    require_network(wanted, class_of(parser, network), path)
    shared = () if network == NETWORK else references(find(dict(config), NETWORK))
    for name, value in settings_for(parser, network, wanted, shared).items():
        is_given = _is_given(name, config, given, places)
        _require_not_given(name, find(dict(config), name), value, path, is_given)
        found[name] = value
    if found:
        logger.info("From the record of '%s': %s.", path, ", ".join(f"{name} {value}" for name, value in found.items()))
    return found


@cache
def _say_once(text: str) -> None:
    logger.info(text)


def _require_not_given(name: str, current: Any, wanted: Any, path: str | PathLike[str], is_given: bool) -> None:
    if is_given:
        raise ValueError(
            f"'{name}' is {current!r}, but '{path}' was trained with {wanted!r}. Leave out the argument or overlay "
            "that sets it, or name another checkpoint."
        )


def _is_given(name: str, config: Mapping[str, Any], given: Collection[str], places: Sequence[Path]) -> bool:
    """Whether a user chose the value of an id, by an argument or so that no config in these folders has it."""
    ids = [one.replace("::", "#") for one in given]
    if any(one == name or one.startswith(f"{name}#") or name.startswith(f"{one}#") for one in ids):
        return True
    value = find(dict(config), name)
    if value is None or not places:
        return False
    if all(find(other, name) != value for place in places for other in _configs(place)):
        return True
    return any(_is_given(other, config, given, places) for other in references(value))


def _configs(folder: Path) -> Iterator[dict[str, Any]]:
    for file in list_files(folder):
        with suppress(OSError, ValueError, ImportError):  # a list of images, or a file that this run does not use
            yield read_file(file)
