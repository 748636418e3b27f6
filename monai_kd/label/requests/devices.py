# SPDX-License-Identifier: Apache-2.0
"""The device that a client asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monailabel.utils.others.generic import device_list, device_map, name_to_device

__all__ = ["chosen_device"]


def chosen_device(request: Mapping[str, Any]) -> str:
    """
    The device that a request names, or the first one.

    Args:
        request: ``device`` is a name of ``device_list()``, a list that begins with one, "cpu" or "cuda".

    Raises:
        ValueError: When this machine does not have the device. The check matters, because the name becomes part of a
            config, which can be program text.

    Example:
        >>> chosen_device({"device": "cpu"})
        'cpu'
    """
    given = request.get("device") or device_list()
    name = given[0] if isinstance(given, list) and given else given
    known = {*device_list(), *device_map().values(), "cpu", "cuda"}
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"No device {name!r} here. Choose from {', '.join(sorted(known))}.")
    return str(name_to_device(name))
