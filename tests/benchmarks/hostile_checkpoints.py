# SPDX-License-Identifier: Apache-2.0
"""
Files that are given as checkpoints and are none: each must be refused in one line, and none may run code or fill
memory.

    python tests/benchmarks/hostile_checkpoints.py

Each kind is given to ``load_weights``, as weights, and to ``ResumeHandler``, as the state of a run. Ends with status 1
if one is taken, ends in another error than a ``ValueError`` of one line, or runs its code.
"""

from __future__ import annotations

import builtins
import copy
import io
import os
import pickle
import random
import resource
import sys
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from ignite.engine import Engine

from monai_kd.handlers import ResumeHandler
from monai_kd.teachers import load_weights
from monai_kd.utils.checkpoints import save_checkpoint

MEMORY = 2**31  # more than all of it may not be taken on top of what the program has


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


class Calls:
    """A pickle that calls a function when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def contents(executed: Path) -> dict[str, Any]:
    """What is saved as it is, by torch."""
    state = network().state_dict()
    nested: Any = []
    for _ in range(100):
        nested = [nested]
    changed = {}
    for name, value in (("NaN", torch.nan), ("infinite", torch.inf), ("minus infinite", -torch.inf)):
        changed[f"weights with one number {name}"] = copy.deepcopy(state)
        changed[f"weights with one number {name}"]["0.weight"][0, 0, 1, 1] = value
    return {
        "a call of os.system": {"model": Calls(os.system, f"touch {executed}")},
        "a call of exec": {"model": Calls(builtins.exec, f"open({str(executed)!r}, 'w')")},
        "a call of eval": {"model": Calls(builtins.eval, f"open({str(executed)!r}, 'w')")},
        "a call of open": {"model": Calls(open, str(executed), "w")},
        "a call of getattr": {"model": Calls(getattr, "", "join")},
        "a call among good weights": {**state, "more": Calls(os.system, f"touch {executed}")},
        "a whole network": network(),
        "a lambda's code": {"model": Calls(eval, "lambda: 0")},
        **changed,
        "statistics that are NaN": {**state, "1.running_var": torch.full((4,), torch.nan)},
        "weights of another shape": {**state, "0.weight": torch.zeros(4, 1, 5, 5)},
        "a weight less": OrderedDict(list(state.items())[:-1]),
        "a weight more": {**state, "3.weight": torch.zeros(1)},
        "other names": {f"other.{name}": value for name, value in state.items()},
        "numbers in place of weights": dict.fromkeys(state, 1.0),
        "NumPy's arrays in place of weights": {name: value.numpy() for name, value in state.items()},
        "one tensor": torch.zeros(3),
        "a number": 3,
        "a list": [1, 2],
        "nothing": None,
        "deep nesting": {"model": nested},
        "a tensor of 4 TiB that is one number": {**state, "0.weight": torch.zeros(1).expand(2**40)},
        "a sparse tensor": {**state, "0.bias": torch.zeros(4).to_sparse()},
        "a quantized tensor": {**state, "0.bias": torch.quantize_per_tensor(torch.zeros(4), 1.0, 0, torch.qint8)},
        "whole numbers in place of weights": {**state, "0.bias": torch.zeros(4, dtype=torch.int8)},
        "a state of a run without its epoch": {"objects": {"network": state}},
        "complex weights": {**state, "0.bias": torch.full((4,), complex(0, float("nan")))},
    }


def damages(good: bytes) -> dict[str, bytes]:
    """What is done to the bytes of a good file."""
    chance = random.Random(0)

    def flipped(place: int, bit: int = 3) -> bytes:
        return good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]

    size = len(good)
    return {
        "no byte": b"",
        "one byte": good[:1],
        "half of it": good[: size // 2],
        "its last byte cut off": good[:-1],
        "its digest cut off": good[:-71],
        "its list of contents cut off": good[: good.rindex(b"PK\1\2")],
        "a byte more": good + b"\0",
        "its end of zeros": good[: size // 2] + bytes(size - size // 2),
        "a bit flipped at its beginning": flipped(2),
        "a bit flipped in the pickle": flipped(good.index(b"collections") + 3),
        "a bit flipped in a weight": flipped(good.index(network()[0].weight.detach().numpy().tobytes()[:16]) + 3),
        "a bit flipped in its list of contents": flipped(good.rindex(b"PK\1\2") + 12),
        "a bit flipped in its digest": flipped(size - 9, 0),
        "bits flipped in 20 places": bytes(b ^ (chance.random() < 20 / size) for b in good),
        "two parts exchanged": good[size // 2 :] + good[: size // 2],
        "random bytes": chance.randbytes(5000),
        "text": b"epoch,dice\n1,0.5\n",
        "a page of HTML": b"<!DOCTYPE html><html><body>404</body></html>",
        "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "a picture's beginning": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "a bare pickle": pickle.dumps({"weight": 1.0}),
        "a bare pickle with a call": pickle.dumps(Calls(os.system, "true")),
        "a pickle of protocol 0": b"cos\nsystem\n(S'true'\ntR.",
    }


def archives(folder: Path, good: Path, executed: Path) -> dict[str, Path]:
    """Archives of other kinds, and archives of torch that were put together by hand."""
    made = {name: folder / f"archive-{index}.pt" for index, name in enumerate(ARCHIVES)}
    with zipfile.ZipFile(good) as source:
        entries = {info.filename: source.read(info) for info in source.infolist()}
    record = next(name for name in entries if name.endswith("data/0"))
    with zipfile.ZipFile(made["a ZIP archive of texts"], "w") as archive:
        archive.writestr("readme.txt", "weights")
    with zipfile.ZipFile(made["a compressed bomb"], "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, bytes(2**28) if name == record else content)
    with zipfile.ZipFile(made["a record that is missing"], "w") as archive:
        for name, content in entries.items():
            if name != record:
                archive.writestr(name, content)
    with zipfile.ZipFile(made["a record that is too short"], "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content[:4] if name == record else content)
    with zipfile.ZipFile(made["a pickle with a call put in by hand"], "w") as archive:
        call = pickle.dumps(Calls(os.system, f"touch {executed}"), protocol=2)
        for name, content in entries.items():
            archive.writestr(name, call if name.endswith("data.pkl") else content)
    with tarfile.open(made["a TAR archive"], "w") as archive:
        archive.addfile(tarfile.TarInfo("../../weights"), io.BytesIO())
    np.savez(made["an archive of NumPy"].open("wb"), weight=np.zeros(3))
    torch.jit.script(network()).save(str(made["TorchScript"]))
    return made


ARCHIVES = (
    "a ZIP archive of texts",
    "a compressed bomb",
    "a record that is missing",
    "a record that is too short",
    "a pickle with a call put in by hand",
    "a TAR archive",
    "an archive of NumPy",
    "TorchScript",
)


def files(folder: Path, executed: Path) -> dict[str, Path]:
    """Every kind, as a file."""
    made = {}
    for name, content in contents(executed).items():
        made[name] = folder / f"content-{len(made)}.pt"
        torch.save(content, made[name])
    made["a call in torch's former format"] = folder / "former.pt"
    call = {"model": Calls(os.system, f"touch {executed}")}
    torch.save(call, made["a call in torch's former format"], _use_new_zipfile_serialization=False)
    good = folder / "good.pt"
    save_checkpoint(network().state_dict(), good)
    for name, content in damages(good.read_bytes()).items():
        made[name] = folder / f"damage-{len(made)}.pt"
        made[name].write_bytes(content)
    made |= archives(folder, good, executed)
    for name in ("a folder", "a pipe", "a link to nowhere", "a link to itself", "a device"):
        made[name] = folder / name.replace(" ", "-")
    made["a folder"].mkdir()
    os.mkfifo(made["a pipe"])
    made["a link to nowhere"].symlink_to(folder / "nowhere")
    made["a link to itself"].symlink_to(made["a link to itself"])
    made["a device"].symlink_to("/dev/zero")
    return made


def resume(path: Path) -> None:
    """Start a run that continues from the file."""
    run = network()
    engine = Engine(lambda engine, batch: None)
    handler = ResumeHandler(path, {"network": run})
    engine.add_event_handler("STARTED", handler._load)
    engine.run([0])


def complaint(use: Callable[[Path], Any], path: Path, executed: Path) -> str:
    """What is wrong with the way in which a file is refused; nothing is."""
    try:
        use(path)
    except (ValueError, FileNotFoundError, OSError) as error:
        text = str(error)
        wrong = "" if "\n" not in text and path.name in text else f"an error that does not say: {text[:200]}"
    except BaseException as error:
        wrong = f"{type(error).__name__}: {str(error)[:200]}"
    else:
        wrong = "it was taken"
    if executed.exists():
        executed.unlink()
        return "its code was run"
    return wrong


def main() -> None:
    torch.set_num_threads(1)
    former = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    refused, uses = 0, {"weights": lambda path: load_weights(network(), path), "the state of a run": resume}
    with tempfile.TemporaryDirectory() as folder:
        executed = Path(folder, "executed")
        kinds = files(Path(folder), executed)
        for name, path in kinds.items():
            # There is no run to continue where there is no file.
            tried = uses if path.is_file() else {"weights": uses["weights"]}
            wrong = {use: text for use, call in tried.items() if (text := complaint(call, path, executed))}
            refused += not wrong
            for use, text in wrong.items():
                print(f"{name}, as {use}: {text}", flush=True)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - former
    print(f"{refused} of {len(kinds)} kinds of hostile and damaged checkpoints were refused in one line each.")
    raise SystemExit(refused < len(kinds) or taken > MEMORY)


if __name__ == "__main__":
    main()
