# SPDX-License-Identifier: Apache-2.0
"""Pack a bundle's folder as an archive in the layout of MONAI's Model Zoo."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import CONFIGS, read_any, read_file, write_config
from monai_kd.bundle.config_ids import set_values
from monai_kd.bundle.record import NETWORK, load_record, recorded_settings
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.packing.stock_inference import make_stock
from monai_kd.teachers import load_weights
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.checkpoints import save_checkpoint
from monai_kd.utils.distinct_paths import require_distinct, require_outside

__all__ = ["pack_bundle"]

PARTS = ("LICENSE", "large_files.yml", "configs", "docs", "scripts")
LARGEST = 25 * 2**20
DATE = (1980, 1, 1, 0, 0, 0)  # of every file, so that the same bundle gives the same archive


def pack_bundle(
    bundle: str | PathLike[str],
    output_dir: str | PathLike[str],
    checkpoint: str | PathLike[str] | None = None,
    weights: bool = True,
    teacher: bool = False,
    **settings: Any,
) -> Path:
    """
    Pack a bundle as ``<output_dir>/<name>_v<version>.zip``, with ``<name>/configs``, ``docs``, ``models`` and so on.

    If possible, inference in the archive needs only MONAI. Either the bundle has ``configs/inference_stock.json``,
    which becomes ``configs/inference.json``. Or its inference config needs this package only for the network, whose
    sources are then copied into ``scripts``. Training configs still need this package.

    Args:
        bundle: the bundle's folder.
        output_dir: folder of the archive; made if missing.
        checkpoint: the weights to pack. Defaults to the bundle's ``models/model.pt``.
        weights: whether to pack the student's weights. Without them the archive can be trained, but not loaded.
        teacher: whether to pack the teacher's weights, which ``configs/train.json`` loads from the bundle's folder.
        settings: what the network was trained with, by id, such as ``spatial_size`` or ``network_def#norm``, for every
            config that has the id. A checkpoint with a record needs none.

    Returns:
        The path of the archive.

    Raises:
        FileNotFoundError: When the folder is not a bundle, or there are no weights.
        ValueError: When the version is not in the metadata's changelog, no config has a setting's id, the weights
            belong to another network, the training has no teacher in the bundle, ``output_dir`` lies in a packed
            folder, a file is too large for the Model Zoo, or the archive cannot be written.

    Example::

        pack_bundle("bundles/breast_ultrasound_segmentation", "dist", checkpoint="runs/model.pt")
    """
    root = Path(bundle).resolve()
    path = Path(output_dir) / f"{root.name}_v{_version(root)}.zip"
    model = Path(checkpoint) if checkpoint else root / "models" / "model.pt"
    if weights and not model.is_file():
        raise FileNotFoundError(
            f"'{model}': there are no weights. Train the bundle, name other weights (--checkpoint), or pack none "
            "(--without-weights)."
        )
    require_distinct({"The archive": path}, {"checkpoint": model})
    for part in (*PARTS, "models"):
        require_outside("output_dir", output_dir, {"the bundle's folder": root / part})
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / root.name
        _copy(root, copy)
        _set(copy, settings)
        _set(copy, _recorded(copy, model, settings) if weights else {})
        network = make_stock(copy)
        if weights:
            _save(load_weights(network, model), copy, load_record(model))
        if teacher:
            _copy_teacher(root, copy)
        _require_small(copy)
        _zip(copy, path)
    return path


def _version(root: Path) -> str:
    path = BundleFolder(root).file("metadata")
    metadata = read_file(path)
    version = metadata.get("version")
    if not version or version not in metadata.get("changelog", {}):
        raise ValueError(f"'{path}' has version {version!r}, which is not in its changelog. Add an entry there.")
    return str(version)


def _copy(root: Path, copy: Path) -> None:
    copy.mkdir()
    for part in PARTS:
        source = root / part
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        elif source.is_file():
            shutil.copy(source, copy / part)


def _set(copy: Path, settings: dict[str, Any]) -> None:
    files = sorted(BundleFolder(copy).files(), key=lambda file: file.stem != "inference")
    contents = {file: read_any(file) for file in files}
    configs = {file: content for file, content in contents.items() if isinstance(content, dict)}  # skips image lists
    with importable_scripts(copy):
        set_values(configs.values(), settings, f"the configs of '{copy.name}'")
    for path, config in configs.items() if settings else ():
        if path.stem == "metadata" and "spatial_size" in settings:
            _describe(config, settings["spatial_size"])
        write_config(path, config)


def _describe(metadata: dict[str, Any], spatial_size: list[int]) -> None:
    """Set the size of images and masks in the metadata's description of the networks."""
    for network in ("network_data_format", "teacher_data_format"):
        for tensors in metadata.get(network, {}).values():
            for tensor in tensors.values():
                tensor["spatial_shape"] = tensor["spatial_shape"] and spatial_size


def _recorded(copy: Path, model: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The values by id that the record of the weights says, for the configs."""
    folder = BundleFolder(copy)
    with importable_scripts(copy):
        recorded = recorded_settings(folder.config("inference"), model, given=settings, folder=copy / CONFIGS)
    if NETWORK in recorded:
        raise ValueError(
            f"'{model}' was trained as a {recorded[NETWORK]['_target_']}, but the '{NETWORK}' of '{copy.name}' is "
            "another. Write that network into the bundle's configs, or pack other weights."
        )
    return recorded


def _save(network: torch.nn.Module, copy: Path, record: dict[str, Any] | None) -> None:
    (copy / "models").mkdir()
    save_checkpoint(network.state_dict(), copy / "models" / "model.pt", record)


def _copy_teacher(root: Path, copy: Path) -> None:
    folder = BundleFolder(copy)
    config = folder.config("train") if folder.has("train") else {}
    if "teacher_checkpoint" not in config:
        raise ValueError(
            f"'{root}': the training config has no 'teacher_checkpoint', so there are no teacher's weights to pack. "
            "Leave out --with-teacher."
        )
    path = Path(ConfigParser({**config, "bundle_root": str(root)}).get_parsed_content("teacher_checkpoint"))
    if path.parent != root / "models":
        raise ValueError(
            f"The training loads its teacher from '{path}', but only weights in '{root / 'models'}' can be packed. "
            "Move them there, or leave out --with-teacher."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"'{path}': there are no teacher's weights. Put them there, or leave out --with-teacher."
        )
    (copy / "models").mkdir(exist_ok=True)
    shutil.copyfile(path, copy / "models" / path.name)


def _require_small(copy: Path) -> None:
    for file in sorted(file for file in copy.rglob("*") if file.is_file()):
        size = file.stat().st_size
        if size > LARGEST:
            raise ValueError(
                f"'{file.relative_to(copy)}' has {size / 2**20:.0f} MB, but the Model Zoo takes at most 25 MB a file. "
                "Upload it elsewhere, list it with its hash in the bundle's large_files.yml, and leave it out: pack "
                "--without-weights (student), without --with-teacher (teacher), or move any other file."
            )


def _zip(copy: Path, path: Path) -> None:
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for file in copy.rglob("*") if file.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(copy.parent)), DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
