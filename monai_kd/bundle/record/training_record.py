# SPDX-License-Identifier: Apache-2.0
"""The record itself: how it is made, read from a checkpoint, and checked."""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from monai.bundle import ComponentLocator
from monai.bundle.config_item import ConfigComponent
from torch import nn

from monai_kd.bundle.config_ids import components, texts
from monai_kd.bundle.record.definition import DOWNLOAD, plain
from monai_kd.bundle.record.seen_images import SEEN, digests
from monai_kd.bundle.running_config import parser_at_work
from monai_kd.bundle.value_kinds import is_program, require_kind
from monai_kd.utils.checkpoints import MARK, RECORD, load_checkpoint

__all__ = ["NETWORK", "VALUES", "load_record", "require_network", "training_record"]

NETWORK = "network_def"
MOST = 2**25  # bytes, with the digests of three million images
VALUES = ("spatial_size", "crop_margins", "classes")
ROOMS = ("monai.networks.", "monai_kd.networks.")  # of the networks that a record may name besides the config's own


def training_record(network: str = NETWORK, **values: Any) -> dict[str, Any] | None:
    """
    The record of the training whose config calls this, for the checkpoint saver.

    Args:
        network: the id of the network that is trained.
        values: ``spatial_size``, ``crop_margins`` and ``classes``, as far as the config has them, and ``seen_images``
            of :func:`seen_images`.

    Returns:
        Plain values; the network's are under ``network_def``. None if JSON cannot hold them.

    Raises:
        ValueError: When a Python program, not a config, calls it.

    Example:
        >>> from monai.bundle import ConfigParser
        >>> config = {
        ...     "imports": ["$import monai_kd"],
        ...     "spatial_size": [64, 64],
        ...     "network_def": {"_target_": "UNet", "channels": "$[4] * 2"},
        ...     "record": "$monai_kd.bundle.training_record(spatial_size=@spatial_size)",
        ... }
        >>> ConfigParser(config).get_parsed_content("record")
        {'network_def': {'_target_': 'UNet', 'channels': [4, 4]}, 'spatial_size': [64, 64]}
    """
    parser = parser_at_work()
    if parser is None:
        raise ValueError("training_record must be called by a config, but it was called in Python. Leave it out.")
    try:
        text = json.dumps({NETWORK: _without_download(plain(parser, network)), **values})
    except (TypeError, ValueError):
        return None
    record: dict[str, Any] = json.loads(text)
    return record


def load_record(path: str | PathLike[str]) -> dict[str, Any] | None:
    """
    The record in a checkpoint; None if the file has none.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file was changed after it was saved, or the record is not one that a training writes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file '{path}'. Correct the path.")
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.partition("/")[2] == RECORD), None)
            if name is None:
                return None
            load_checkpoint(path, mapped=True)  # which refuses a file that was changed under its digest
            record = _parsed(archive.open(name).read(MOST)) if archive.comment.startswith(MARK) else None
    except zipfile.BadZipFile:
        return None  # load_checkpoint will say what is wrong with it
    if not isinstance(record, dict) or not _is_record(record):
        raise ValueError(
            f"The record of the training in '{path}' is not as it was saved: another program has written the file "
            "again. Copy the original file, or train anew."
        )
    for key in VALUES:
        if key in record:
            require_kind(f"In the record of '{path}', '{key}'", key, record[key])
    try:
        digests(record.get(SEEN, ""))
    except ValueError as error:
        raise ValueError(f"In the record of '{path}', {error} Train anew.") from None
    return record


def require_network(definition: Mapping[str, Any], own: str | None, path: str | PathLike[str]) -> None:
    """
    Refuse a definition that builds anything but networks, because a checkpoint must not choose which code is run.

    Args:
        definition: of the record.
        own: the class of the config's own network, which may be any.
        path: of the checkpoint, for the message.

    Raises:
        ValueError: Naming what is no network of MONAI or of this package.
    """
    for target in {str(one["_target_"]) for one in components(definition)} - {own}:
        component = ConfigComponent({"_target_": target}, locator=ComponentLocator())
        name = str(component.resolve_module_name())  # type: ignore[no-untyped-call]
        if not (name.startswith(ROOMS) and _is_network(*name.rsplit(".", 1))):
            raise ValueError(
                f"'{path}' says that it holds the weights of a '{target}', which is no network of MONAI or monai_kd, "
                "and not the config's own. Use the bundle and the overlay that trained it."
            )


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_record(record: dict[str, Any]) -> bool:
    network = record.get(NETWORK)
    return isinstance(network, dict) and "_target_" in network and not any(map(is_program, texts(record)))


def _is_network(module: str, kind: str) -> bool:
    try:
        found = getattr(importlib.import_module(module), kind, None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, nn.Module)


def _without_download(definition: Any) -> Any:
    """The definition of a network that starts with random weights, because those of the checkpoint replace them."""
    return {**definition, DOWNLOAD: False} if DOWNLOAD in definition else definition
