# SPDX-License-Identifier: Apache-2.0
"""The student's definition, by name or from a file."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle.config_item import ConfigComponent
from monai.networks import nets
from monai.utils.module import optional_import

import monai_kd.networks
from monai_kd.bundle.config_files import read_file
from monai_kd.bundle.config_ids import references
from monai_kd.networks import plan_strides
from monai_kd.student_bundle.teacher.data_format import DataFormat

__all__ = ["STUDENTS", "student_definition"]

# Networks that need only the data's dimensions and channels.
STUDENTS = {
    "StudentUNet": "monai_kd.networks.StudentUNet",
    "SeparableUNet": "monai_kd.networks.SeparableUNet",
    "BasicUNet": "monai.networks.nets.BasicUNet",
    "SegResNet": "monai.networks.nets.SegResNet",
}


def student_definition(student: str, data_format: DataFormat) -> dict[str, Any]:
    """
    The ``network_def`` of a student.

    Args:
        student: one of :data:`STUDENTS`, or a JSON or YAML file with ``"_target_"`` and arguments, at its top or under
            ``"network_def"``. If the file leaves out dimensions or channels, they are the teacher's.
        data_format: of the teacher.

    Raises:
        FileNotFoundError: When the file does not exist.
        ValueError: When the name is unknown, or the file does not define a network.

    Example:
        >>> data = DataFormat((96, 96, 96), in_channels=1, out_channels=2, classes={})
        >>> student_definition("StudentUNet", data)["spatial_dims"]
        3
    """
    if Path(student).suffix in (".json", ".yaml", ".yml"):
        definition = _from_file(Path(student))
    elif student in STUDENTS:
        definition = {"_target_": STUDENTS[student]}
    else:
        close = difflib.get_close_matches(student, STUDENTS, n=2, cutoff=0.3)
        raise ValueError(
            f"No student '{student}'. {'Closest' if close else 'Choose from'}: {', '.join(close or STUDENTS)}. For any "
            "other network, pass a file with its _target_ and arguments: --student student.json."
        )
    arguments = inspect.signature(_class(definition["_target_"], student)).parameters
    for name in ("spatial_dims", "in_channels", "out_channels"):
        if name in arguments:
            definition.setdefault(name, getattr(data_format, name))
    if definition["_target_"] == STUDENTS["StudentUNet"] and "strides" not in definition:
        definition |= _fit_thin_patches(definition.get("channels", arguments["channels"].default), data_format)
    return definition


def _fit_thin_patches(channels: Sequence[int], data_format: DataFormat) -> dict[str, Any]:
    """Strides, and perhaps fewer levels, for a patch that is too thin to be halved along every axis on every level."""
    if min(data_format.spatial_size) > 2 ** len(channels):
        return {}
    strides = plan_strides(data_format.spatial_size, levels=len(channels))
    return {"channels": list(channels[: len(strides)]), "strides": [list(stride) for stride in strides]}


def _from_file(path: Path) -> dict[str, Any]:
    content = read_file(path)
    definition = content.get("network_def", content)
    if not isinstance(definition, dict) or "_target_" not in definition:
        raise ValueError(
            f"'{path}' does not define a network. Write its class and arguments: "
            '{"_target_": "monai_kd.networks.StudentUNet", "channels": [16, 32, 48]}.'
        )
    if references(definition):
        raise ValueError(
            f"'{path}' refers to @{references(definition)[0]}, which it does not define. Write the value instead."
        )
    target = definition["_target_"]
    if target in monai_kd.networks.__all__:  # a short name would need an import that the inference config lacks
        target = f"monai_kd.networks.{target}"
    return {**definition, "_target_": target}


def _class(target: str, student: str) -> Any:
    full = ConfigComponent({"_target_": target}).resolve_module_name()  # type: ignore[no-untyped-call]
    module, _, name = str(full).rpartition(".")
    found, is_found = optional_import(module, name=name) if module else (None, False)
    if not is_found:
        known = [*monai_kd.networks.__all__, *(name for name in dir(nets) if name[:1].isupper())]
        close = difflib.get_close_matches(target.rpartition(".")[2], known, n=2, cutoff=0.0)
        raise ValueError(
            f"'{student}': no network '{target}'. Closest: {', '.join(close)}. Name your own network with its module, "
            "which Python must find, or which lies in the teacher's scripts."
        )
    return found
