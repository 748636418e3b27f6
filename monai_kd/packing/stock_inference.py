# SPDX-License-Identifier: Apache-2.0
"""Make inference need only MONAI and the bundle's own scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import read_file, write_config
from monai_kd.bundle.open_bundle import Bundle
from monai_kd.packing.network_sources import PACKAGE, ids_that_need_the_package, network_from_scripts

__all__ = ["make_stock"]

STOCK = "inference_stock"


def make_stock(copy: Path) -> nn.Module:
    """
    Make a bundle's inference need only MONAI, if it has a config for that, or needs this package only for its network.

    ``copy`` is a copy of the bundle, which is changed. The returned network has this package's class.

    Raises:
        FileNotFoundError: When there is no ``configs/inference.json``.
        ValueError: When it has no ``network_def``, its network cannot be copied, or the stock config lacks an option
            that is on.
    """
    folder = BundleFolder(copy)
    inference, stock, metadata = folder.file("inference"), folder.find(STOCK), folder.file("metadata")
    config = read_file(stock or inference)
    network = Bundle(copy, (stock or inference,)).network()
    if stock is not None:
        _require_nothing_lost(inference, read_file(inference), stock, config)
    if stock is not None or not ids_that_need_the_package(config):
        carried, sources = network_from_scripts(config)
        write_config(inference, carried)
        if stock is not None:
            stock.unlink()
        _write_sources(sources, copy)
        described = read_file(metadata)
        described.get("required_packages_version", {}).pop(PACKAGE.replace("_", "-"), None)
        write_config(metadata, described)
    return network


def _require_nothing_lost(file: Path, own: dict[str, Any], stock_file: Path, stock: dict[str, Any]) -> None:
    """Refuse an option that is on in the bundle's inference and that the stock config would silently drop."""
    lost = [name for name, value in own.items() if value is True and name not in stock]
    if lost:
        raise ValueError(
            f"configs/{file.name} has {lost[0]!r}: true, but {stock_file.name}, which needs only MONAI, cannot do "
            f"this. Train without it, or remove configs/{stock_file.name}: the packed inference then needs monai_kd."
        )


def _write_sources(sources: dict[str, str], copy: Path) -> None:
    for path, source in sources.items():
        target = copy / path
        if target.exists() and target.name == "__init__.py":
            continue
        if target.exists():
            raise ValueError(
                f"'{copy.name}' already has a file '{path}', where its network's source is to be copied. Rename it."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source, encoding="utf-8")
