# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are complete and unchanged; anything else is refused."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.digest import sha256_of_open

__all__ = ["RECORD", "CheckpointError", "first_not_finite", "load_checkpoint", "require_finite", "save_checkpoint"]

MARK = b"sha256="
LENGTH = len(MARK) + 64
END = b"PK\5\6"  # starts a ZIP archive's last record: 22 bytes; the last two give the length of the comment after it
END_LENGTH = 22
RECORD = "record.json"  # an entry of the archive beside torch's own, which other readers ignore
DATE = (1980, 1, 1, 0, 0, 0)  # of this entry, so that the same content gives the same file


class CheckpointError(ValueError):
    """
    A file that is not a checkpoint, or is damaged.

    Args:
        message: with the file and what to do.
        reason: what is wrong, in a few words, for callers that write their own message.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def save_checkpoint(content: Any, path: str | PathLike[str], record: Mapping[str, Any] | None = None) -> None:
    """
    ``torch.save`` in one step, with a SHA-256 of the bytes: after a failure, the earlier file is unchanged.

    The digest is the comment of the ZIP archive, and the record is one more entry of it. Other readers ignore both:
    ``torch.load`` and MONAI's ``CheckpointLoader`` read the file as usual.

    Args:
        content: what ``torch.save`` takes.
        path: of the file; its folder is made if missing.
        record: plain values that say how the content was made, as JSON. Defaults to None: no record.

    Raises:
        ValueError: When the file cannot be written (no space, no permission). An earlier file is unchanged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     save_checkpoint({"weight": torch.ones(1)}, f"{folder}/model.pt")
        ...     torch.load(f"{folder}/model.pt", weights_only=True)
        {'weight': tensor([1.])}
    """
    # An open file, not its path: torch hides the reason when opening or writing a path fails.
    with atomic_write(path) as temporary, temporary.open("w+b") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # closing the unfinished archive hides the cause
            raise error.__context__ if isinstance(error.__context__, OSError) else error  # noqa: B904
        if record is not None:
            with zipfile.ZipFile(file, "a") as archive:
                folder = archive.namelist()[0].partition("/")[0]
                archive.writestr(zipfile.ZipInfo(f"{folder}/{RECORD}", DATE), json.dumps(record))
        file.seek(-END_LENGTH, 2)
        if file.read(4) != END:
            raise ValueError(
                f"'{path}' was not written as a ZIP archive, so it cannot hold its digest. Use torch.save's defaults."
            )
        file.seek(-2, 2)
        file.write(LENGTH.to_bytes(2, "little"))
        digest = sha256_of_open(file, file.seek(0, 2))
        file.seek(0, 2)
        file.write(MARK + digest.encode())


def load_checkpoint(path: str | PathLike[str], mapped: bool = False, checked: bool = False) -> Any:
    """
    Read what ``torch.save`` or :func:`save_checkpoint` wrote, onto the CPU, without executing code from the file.

    All bytes are compared with the SHA-256 if the file has one, otherwise with the archive's own checksums.

    Args:
        mapped: map tensors into memory instead of reading them.
        checked: skip the comparison, because the caller has done it.

    Raises:
        FileNotFoundError: When there is no such file.
        CheckpointError: When it is damaged, or holds anything but tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file '{path}'. Correct the path.")
    try:
        if not checked:
            _require_as_saved(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        _require_real(content, path.stat().st_size)
    except Exception as error:
        reason = str(error) if isinstance(error, _DamagedError) else "torch cannot read it"
        raise CheckpointError(f"'{path}' is not a checkpoint of plain tensors. {_remedy(error)}", reason) from None
    return content


def first_not_finite(content: Any, own: Any = None) -> str | None:
    """
    Name the first tensor that holds NaN or infinite numbers, and how many; None if all numbers are finite.

    Args:
        content: tensors in nested dictionaries and lists.
        own: tensors of the same names in the network itself. Where these are infinite, ``content`` may be infinite too:
            an attention mask, or the range of a quantizer that has seen no data. Defaults to None: all numbers must be
            finite.

    Example:
        >>> first_not_finite({"a": torch.ones(2), "b": [torch.tensor([1.0, torch.nan])]})
        "'b#0' (1 of 2)"
    """
    tensors = {name: tensor for name, tensor in _tensors(content) if _has_real_numbers(tensor)}
    by_device: dict[torch.device, list[torch.Tensor]] = {}
    for tensor in tensors.values():
        by_device.setdefault(tensor.device, []).append(tensor.isfinite().all())
    if all(bool(torch.stack(flags).all()) for flags in by_device.values()):  # one wait for each device
        return None
    allowed = dict(_tensors(own or {}))
    for name, tensor in tensors.items():
        bad = ~tensor.isfinite()
        if name in allowed and allowed[name].shape == tensor.shape:
            bad &= tensor != allowed[name].to(tensor.device)
        if bad.any():
            return f"'{name}' ({int(bad.sum())} of {tensor.numel()})"
    return None


def require_finite(content: Any, path: str | PathLike[str], own: Any = None) -> None:
    """
    Refuse a file whose tensors hold NaN or infinite numbers.

    Args:
        path: of the file, for the message.
        own: as in :func:`first_not_finite`.

    Raises:
        ValueError: Naming the first such tensor.
    """
    found = first_not_finite(content, own)
    if found is not None:
        raise ValueError(
            f"'{path}' holds numbers that are not finite, first in {found}. Its training failed, or the file was "
            "changed later. Use the file of another run."
        )


class _DamagedError(Exception):
    """The bytes are not those that were saved."""


def _require_as_saved(path: Path) -> None:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size == 0:
            raise _DamagedError("it is empty")
        file.seek(max(0, size - 2 * LENGTH))
        tail = file.read()
        end = tail.rfind(END)
        behind = tail[end + END_LENGTH :]
        if end >= 0 and len(behind) != int.from_bytes(tail[end + END_LENGTH - 2 : end + END_LENGTH], "little"):
            raise _DamagedError("it is damaged: its end is cut off, or something was appended")
        if (end >= 0 and len(behind) == LENGTH) or tail[-LENGTH:].startswith(MARK):
            if tail[-LENGTH:] != MARK + sha256_of_open(file, size - LENGTH).encode():
                raise _DamagedError("it is damaged: its bytes are not those that were saved (SHA-256)")
            return
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                return  # TorchScript, which torch.load refuses by name
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise _DamagedError("it is a compressed archive, which torch.save does not write")
            wrong = archive.testzip()
        if wrong is not None:
            raise _DamagedError(f"it is damaged: the checksum of '{wrong}' in it is wrong")


def _require_real(content: Any, size: int) -> None:
    """Refuse a tensor that is larger than its file: a few bytes can describe one that fills all memory."""
    for name, tensor in _tensors(content):
        if tensor.numel() * tensor.element_size() > size:
            raise _DamagedError(f"its '{name}' is {tuple(tensor.shape)}, more than the file holds")


def _tensors(content: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, torch.Tensor):
        yield name, content.detach()
    items: Any = ()
    if isinstance(content, Mapping):
        items = content.items()
    elif isinstance(content, Sequence) and not isinstance(content, str | bytes):
        items = enumerate(content)
    for key, item in items:
        yield from _tensors(item, f"{name}#{key}".lstrip("#"))


def _has_real_numbers(tensor: torch.Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and tensor.layout is torch.strided


def _remedy(error: Exception) -> str:
    if isinstance(error, _DamagedError):
        text = str(error)
        return f"{text[0].upper()}{text[1:]}. Copy it again, or train anew."
    if "TorchScript" in str(error):
        return "It is TorchScript: torch.jit.load reads it, network and weights in one."
    if isinstance(error, pickle.UnpicklingError) and "Unsupported operand" not in str(error):  # that is no pickle
        return "It holds Python objects, perhaps a whole network. Save torch.save(network.state_dict(), path) instead."
    return "It is damaged, or was written by something other than torch.save."
