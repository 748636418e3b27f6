# SPDX-License-Identifier: Apache-2.0
"""A teacher's config that was written for an older MONAI or PyTorch, so that it runs with the installed ones."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from monai.bundle.config_item import ConfigComponent
from monai.utils.module import optional_import

from monai_kd.bundle.config_ids import Config, find, texts

__all__ = ["mended"]

# Arguments that MONAI's classes had once and that change nothing in the weights or the output.
REMOVED = {"SwinUNETR": ("img_size",)}
# Arguments under the names that they have now, where a former one is passed on and fails in the middle of a run.
RENAMED = {"RandZoomd": {"min": "min_zoom", "max": "max_zoom"}}
# Transforms whose result is bool, which losses with squared_pred do not take any more.
BOOL = ("ConvertToMultiChannelBasedOnBratsClassesd",)
CUDA = re.compile(r"""torch\.device\(\s*["']cuda(?::0)?["']\s*\)""")
LOAD = re.compile(r"\btorch\.load\((?![^)]*weights_only)")
SAFE = "monai_kd.teachers.load_arrays("
IMPORT = "$import monai_kd"


def mended(config: Config) -> tuple[Config, list[str]]:
    """
    A config that runs on this machine with the installed MONAI and PyTorch.

    - Arguments that MONAI has removed are left out, and those that it has renamed get their new names.
    - Labels of bool are cast to numbers.
    - ``torch.device('cuda')`` in an expression becomes the config's own ``device``, which is a CPU
      where there is no GPU.
    - ``torch.load`` of PyTorch before 2.6 also read NumPy arrays; :func:`monai_kd.teachers.load_arrays` still does, and
      runs no code of the file.

    Args:
        config: of a training or an inference; not changed.

    Returns:
        The config, and what was mended, a sentence each.

    Example:
        >>> mended({"network_def": {"_target_": "SwinUNETR", "img_size": 96, "in_channels": 1}})[1]
        ["SwinUNETR has no argument 'img_size' any more. It is left out."]
    """
    config = copy.deepcopy(config)
    notes: dict[str, None] = {}
    for component in _components(config):
        name = str(component["_target_"]).rpartition(".")[2]
        for argument in REMOVED.get(name, ()):
            if argument in component and argument not in _arguments(component["_target_"]):
                del component[argument]
                notes[f"{name} has no argument '{argument}' any more. It is left out."] = None
        for former, argument in RENAMED.get(name, {}).items():
            if former in component and argument not in component:
                component[argument] = component.pop(former)
                notes[f"{name} calls its argument '{former}' '{argument}' now."] = None
    config = _with_numbers(config, notes)
    has_device = find(config, "device") is not None
    changed = {key: _expressions(value, has_device and key != "device", notes) for key, value in config.items()}
    if any(SAFE in text for text in texts(changed)):
        changed["imports"] = [*changed.get("imports", []), IMPORT]
    return changed, list(notes)


def _expressions(node: Any, has_device: bool, notes: dict[str, None]) -> Any:
    if isinstance(node, dict):
        return {key: _expressions(value, has_device, notes) for key, value in node.items()}
    if isinstance(node, list):
        return [_expressions(item, has_device, notes) for item in node]
    if not isinstance(node, str) or not node.startswith("$"):
        return node
    if has_device and CUDA.search(node):
        node = CUDA.sub("@device", node)
        notes["torch.device('cuda') in an expression is the config's own 'device'."] = None
    if LOAD.search(node):
        node = LOAD.sub(SAFE, node)
        notes["torch.load in an expression reads tensors and NumPy arrays alone."] = None
    return node


def _with_numbers(node: Any, notes: dict[str, None]) -> Any:
    if isinstance(node, list):
        return [_with_numbers(item, notes) for item in node]
    if not isinstance(node, dict):
        return node
    name = str(node.get("_target_")).rpartition(".")[2]
    if name in BOOL:
        notes[f"{name} gives labels of bool. They are cast to numbers."] = None
        cast = {"_target_": "CastToTyped", "keys": node.get("keys"), "dtype": "$torch.float32"}
        return {"_target_": "Compose", "transforms": [node, cast]}  # one component, for ids name their place in a list
    return {key: _with_numbers(value, notes) for key, value in node.items()}


def _components(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node
        for value in node.values():
            yield from _components(value)
    elif isinstance(node, list):
        for item in node:
            yield from _components(item)


def _arguments(target: str) -> Mapping[str, Any]:
    full = ConfigComponent({"_target_": target}).resolve_module_name()  # type: ignore[no-untyped-call]
    module, _, name = str(full).rpartition(".")
    found, is_found = optional_import(module, name=name) if module else (None, False)
    return inspect.signature(found).parameters if is_found and found is not None else {}
