# SPDX-License-Identifier: Apache-2.0
"""The device and the versions that a run was trained with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import monai
import torch
from monai.bundle import ConfigParser

from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.cpu_name import cpu_name

__all__ = ["describe_machines", "record_machine"]


def record_machine(folder: Path, config: Mapping[str, Any]) -> None:
    """Write ``machine.json`` into a run's folder: its device, and its versions of torch and MONAI."""
    device = torch.device(ConfigParser(dict(config)).get_parsed_content("device") if "device" in config else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    content = {"device": name, "torch": torch.__version__, "monai": monai.__version__}
    with atomic_write(folder / "machine.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def describe_machines(folders: Iterable[Path]) -> str:
    """
    The devices and versions of runs, each with its number of runs if they differ.

    Raises:
        ValueError: When a ``machine.json`` is damaged.
    """
    files = [folder / "machine.json" for folder in folders]
    found = [_read(file) for file in files if file.is_file()]
    kinds = Counter(found)
    if len(found) < len(files):
        kinds["unknown"] = len(files) - len(found)
    return "; ".join(f"{kind} ({count} runs)" if len(kinds) > 1 else kind for kind, count in kinds.items())


def _read(file: Path) -> str:
    try:
        one = json.loads(file.read_text(encoding="utf-8"))
        return f"{one['device']}, torch {one['torch']}, MONAI {one['monai']}"
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"'{file}' is damaged ({error!r}). Remove it: the report then lists this run's machine as unknown."
        ) from error
