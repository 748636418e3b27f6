# SPDX-License-Identifier: Apache-2.0
"""Files of tensors and NumPy arrays, such as the architecture that a search of DiNTS found."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import torch

__all__ = ["load_arrays"]

# A file of NumPy 1 names the function by its former module.
PLACES = ("numpy.core.multiarray", "numpy._core.multiarray")


def load_arrays(path: str | PathLike[str], map_location: Any = "cpu") -> Any:
    """
    What ``torch.save`` wrote of tensors and NumPy arrays, without executing code from the file.

    ``torch.load`` reads tensors alone since PyTorch 2.6.

    Args:
        path: of the file.
        map_location: the device of the tensors.

    Raises:
        FileNotFoundError: When there is no such file.
        pickle.UnpicklingError: When it holds other objects.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     torch.save({"code": np.ones((1, 2))}, f"{folder}/code.pt")
        ...     load_arrays(f"{folder}/code.pt")
        {'code': array([[1., 1.]])}
    """
    rebuild = np.empty(0).__reduce__()[0]
    kinds = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    safe = [np.ndarray, np.dtype, *kinds, *((rebuild, f"{place}._reconstruct") for place in PLACES)]
    with torch.serialization.safe_globals(safe):
        return torch.load(path, map_location=map_location, weights_only=True)
