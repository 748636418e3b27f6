# SPDX-License-Identifier: Apache-2.0
"""The exported names of a package, from its import lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["exported"]


def exported(namespace: Mapping[str, Any]) -> list[str]:
    """
    The classes and functions that a package imports from its own modules, in alphabetical order.

    So that a new class needs one line in ``__init__.py``, written ``from package.module import Name as Name``. Type
    checkers and editors take such a line for an export.

    Args:
        namespace: ``globals()`` of the package. Names that begin with an underscore are left out.

    Example:
        >>> import monai_kd.losses
        >>> exported(vars(monai_kd.losses))[0]
        'AffinityLoss'
    """
    package = f"{namespace['__name__']}."
    homes = {name: getattr(value, "__module__", None) for name, value in namespace.items()}
    return sorted(name for name, home in homes.items() if name[0] != "_" and str(home).startswith(package))
