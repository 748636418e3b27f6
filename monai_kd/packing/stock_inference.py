# SPDX-License-Identifier: Apache-2.0
"""Inference that needs nothing but MONAI and the bundle's own scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import read_file, write_config
from monai_kd.bundle.opened import Bundle
from monai_kd.packing.network_sources import PACKAGE, beyond_network, carry_network

__all__ = ["make_stock"]

STOCK = "inference_stock"


def make_stock(copy: Path) -> nn.Module:
    """
    Let a bundle's inference need MONAI alone, where it has a config of that or its network alone needs this package.

    Args:
        copy: a copy of the bundle, which is changed.

    Returns:
        The network, as this package has it.

    Raises:
        FileNotFoundError: When there is no ``configs/inference.json``.
        ValueError: When it has no ``network_def``, cannot be carried, or does what its stock config cannot.
    """
    folder = BundleFolder(copy)
    inference, stock, metadata = folder.file("inference"), folder.find(STOCK), folder.file("metadata")
    config = read_file(stock or inference)
    network = Bundle(copy, (stock or inference,)).network()
    if stock is not None:
        _require_nothing_lost(inference, read_file(inference), stock, config)
    if stock is not None or not beyond_network(config):
        carried, sources = carry_network(config)
        write_config(inference, carried)
        if stock is not None:
            stock.unlink()
        _write_sources(sources, copy)
        described = read_file(metadata)
        described.get("required_packages_version", {}).pop(PACKAGE.replace("_", "-"), None)
        write_config(metadata, described)
    return network


def _require_nothing_lost(file: Path, own: dict[str, Any], stock_file: Path, stock: dict[str, Any]) -> None:
    """What was switched on in the bundle's inference must not be left out in silence."""
    lost = [name for name, value in own.items() if value is True and name not in stock]
    if lost:
        raise ValueError(
            f"configs/{file.name} has {lost[0]!r}: true, which inference by MONAI alone ({stock_file.name}) does not "
            f"know. Train without it, or remove configs/{stock_file.name}: the released inference then needs monai_kd."
        )


def _write_sources(sources: dict[str, str], copy: Path) -> None:
    for path, source in sources.items():
        target = copy / path
        if target.exists() and target.name == "__init__.py":
            continue
        if target.exists():
            raise ValueError(f"'{copy.name}' has a '{path}' of its own, where its network's source belongs. Rename it.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source, encoding="utf-8")
