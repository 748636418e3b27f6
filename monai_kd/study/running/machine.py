# SPDX-License-Identifier: Apache-2.0
"""The device and the versions that a run was trained with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import monai
import torch
from monai.bundle import ConfigParser

from monai_kd.utils.json_files import read_json, write_json
from monai_kd.utils.processes import cpu_name

__all__ = ["describe_machines", "record_machine"]


def record_machine(folder: Path, config: Mapping[str, Any]) -> None:
    """Write ``machine.json`` into a run's folder: its device, and its versions of torch and MONAI."""
    device = torch.device(ConfigParser(dict(config)).get_parsed_content("device") if "device" in config else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    content = {"device": name, "torch": torch.__version__, "monai": monai.__version__}
    write_json(folder / "machine.json", content)


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
    remedy = "Remove it: the report then calls that run's machine unknown."
    one = read_json(file, remedy)
    try:
        return f"{one['device']}, torch {one['torch']}, MONAI {one['monai']}"
    except (KeyError, TypeError) as error:
        raise ValueError(f"'{file}' is damaged ({error!r}). {remedy}") from error
