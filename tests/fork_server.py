# SPDX-License-Identifier: Apache-2.0
"""
Starts the Python processes of the tests without importing torch and MONAI in each of them.

A process needs about four seconds of CPU time to import them, which is longer than most tests work. So ``install``
changes ``subprocess.Popen``: a server, which has imported the libraries and nothing of this project, forks
``python -m monai_kd`` and the like. Such a process is a child of the one that asked for it, in the folder and session
and with the environment, files and limits that it asked for. It has a server for its own children. All others start as
usual: ``python -c``, and what the server cannot start alike.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import inspect
import os
import pickle
import resource
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any, NoReturn

MODULES = ("monai_kd", "monai.bundle", "monailabel.interfaces", "torch.distributed.run", "tests.", "pytest")
TOOLS = ("sphinx", "typer")
SCRIPTS = Path(__file__).parent
# What acts at the start of Python or of a library must be as it was at the start of the server.
AT_START = ("PYTHONHASHSEED", "PYTHONWARNINGS", "PYTHONUTF8", "PYTHONHOME", "MPLBACKEND", "MPLCONFIGDIR", "LC_ALL")
STAND_INS = ("torchvision", "timm")  # packages of the tests on the PYTHONPATH of some processes
LABEL = (["monai_kd", "label"], ["monailabel.interfaces.utils.app"])  # only MONAI Label asks for a stand-in, later on
ENDS = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
UNUSUAL = ("preexec_fn", "pass_fds", "executable", "startupinfo", "shell", "gid", "gids", "uid")
# An optimizer imports torch._dynamo, an export onnxscript; onnxruntime would start a thread, which no fork has.
LIBRARIES = ("torch", "monai.bundle", "ignite.engine", "torch._dynamo", "onnxscript", "openpyxl", "typer")
LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
GPUS = ("/proc/driver/nvidia", "/dev/kfd")  # of NVIDIA and AMD
SECONDS = 30  # for a process to be handed to who asked for it
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, an operation of Linux's prctl

_usual = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_server: socket.socket | None = None
_lock = threading.Lock()
SEARCHED: list[str] = []  # by the server: where Python finds packages, without PYTHONPATH


def install() -> None:
    """Let this process start others by a server, where there is Linux and no GPU: its driver does not bear a fork."""
    is_new = subprocess.Popen._execute_child.__name__ != _start.__name__  # type: ignore[attr-defined]
    if is_new and sys.platform == "linux" and not any(Path(place).exists() for place in GPUS):
        subprocess.Popen._execute_child = _start  # type: ignore[attr-defined]
        os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    """A fork has no server: that of its parent would make it a process which is not its child."""
    global _server, _lock
    _server, _lock = None, threading.Lock()  # another thread of the parent may have held the lock


def _start(popen: Any, *values: Any) -> None:
    """In place of ``Popen._execute_child``: give ``popen`` its process."""
    given = inspect.signature(_usual).bind(popen, *values).arguments
    request = _request(given)
    files = [given[name] if given[name] != -1 else own for own, name in enumerate(("p2cread", "c2pwrite", "errwrite"))]
    child = 0 if request is None else _ask(request, files)
    if not child:
        _usual(popen, *values)
        return
    popen.pid, popen._child_created = child, True
    popen._close_pipe_fds(*(given[name] for name in ENDS))


def _request(given: dict[str, Any]) -> dict[str, Any] | None:
    """What the server must know to start a process; None if this process is not for the server."""
    words = [given["args"]] if isinstance(given["args"], (str, bytes)) else [os.fspath(word) for word in given["args"]]
    options, words = (["-u"], [words[0], *words[2:]]) if words[1:2] == ["-u"] else ([], words)
    if words[0] != sys.executable or any(given[name] not in (None, (), False) for name in UNUSUAL):
        return None
    is_module = words[1:2] == ["-m"] and words[2].startswith((*MODULES, *TOOLS))
    is_script = words[1:2] != [] and words[1].endswith(".py") and SCRIPTS in Path(words[1]).parents
    environment = dict(os.environ if given["env"] is None else given["env"])
    folder = Path(given["cwd"] or ".").resolve()
    path = [str(folder / part) for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    alike = all(environment.get(name) == os.environ.get(name) for name in AT_START)
    alike = alike and environment.get("OMP_NUM_THREADS", "").isdigit()
    stands_in = any(Path(part, name).exists() for part in path for name in STAND_INS)
    is_label = is_module and any(words[2 : 2 + len(one)] == one for one in LABEL)
    if not (is_module or is_script) or not folder.is_dir() or not alike or (stands_in and not is_label):
        return None
    return {
        "words": words[1:],
        "unbuffered": bool(options or environment.get("PYTHONUNBUFFERED")),
        "environment": environment,
        "path": path,
        "folder": str(folder),
        "parent": os.getpid(),
        "session": given["start_new_session"],
        "limits": {limit: resource.getrlimit(limit) for limit in LIMITS},
        "ctrl_c": signal.SIG_IGN if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else signal.default_int_handler,
    }


def _ask(request: dict[str, Any], files: list[int]) -> int:
    """
    The id of the new process; 0 where the server has ended.

    The new process is an orphan when the server answers. The kernel gives an orphan to the nearest ancestor that asks
    for orphans, and this process asks for them just now.
    """
    global _server
    prctl = ctypes.CDLL(None).prctl
    with _lock:
        if _server is None:
            _server, its = socket.socketpair()
            with its:
                command = [sys.executable, __file__, str(its.fileno())]
                subprocess.Popen(command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)
        prctl(SUBREAPER, 1)
        try:
            socket.send_fds(_server, [b"+"], files)
            with _server.makefile("wb") as stream:
                pickle.dump(request, stream)
            return int(_server.recv(20) or 0)
        except BrokenPipeError:
            return 0
        finally:
            prctl(SUBREAPER, 0)


def _serve(channel: socket.socket) -> NoReturn:
    """Start processes until the one that asks for them has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        _, files, _, _ = socket.recv_fds(channel, 1, 3)
        if not files:
            os._exit(0)
        with channel.makefile("rb") as stream:
            request = pickle.load(stream)
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                for unused in (reading, writing, channel.detach()):
                    os.close(unused)
                _become(request, files)
            os.write(writing, b"%d" % child)
            os._exit(0)  # now its child is an orphan
        os.waitpid(between, 0)
        channel.sendall(os.read(reading, 20))
        for used in (reading, writing, *files):
            os.close(used)


def _become(request: dict[str, Any], files: list[int]) -> NoReturn:
    """Turn this fork of the server into the process that was asked for, and run it to its end."""
    global _server
    end = time.monotonic() + SECONDS
    while os.getppid() != request["parent"]:
        if time.monotonic() > end:  # who asked has been killed; this process would keep its pipes open
            os._exit(1)
        time.sleep(0.001)
    if request["session"]:
        os.setsid()
    ours, its = socket.socketpair()
    if os.fork() == 0:
        for unused in (ours.detach(), *files):
            os.close(unused)
        _serve(its)
    its.close()
    _server = ours
    for own, file in enumerate(files):
        os.dup2(file, own)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for limit, values in request["limits"].items():
        resource.setrlimit(limit, values)
    signal.signal(signal.SIGINT, request["ctrl_c"])
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=request["unbuffered"])  # type: ignore[union-attr]
    _set_libraries(request["environment"])
    status = _run(request["words"], request["path"])
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def _set_libraries(environment: dict[str, str]) -> None:
    """What the libraries do when they are imported by a new process."""
    import numpy as np
    import torch

    np.random.seed()
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    importlib.invalidate_caches()


def _run(words: list[str], path: list[str]) -> int:
    """Run ``-m module`` or a script as Python does; the exit status, or minus the number of the signal that ends it."""
    sys.modules["__main__"] = types.ModuleType("__main__")
    first = str(Path.cwd()) if words[0] == "-m" else str(Path(words[0]).resolve().parent)
    sys.path[:] = [first, *path, *SEARCHED]
    sys.argv = words[words[0] == "-m" :]
    try:
        if words[0] == "-m":
            runpy._run_module_as_main(words[1])  # type: ignore[attr-defined]
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        return end.code & 255 if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _import_libraries() -> None:
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    importlib.import_module("remembered").remember_components()  # beside this script
    gc.collect()
    gc.freeze()  # the memory of these objects stays shared


if __name__ == "__main__":
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    SEARCHED = [part for part in sys.path[1:] if part not in own]
    _import_libraries()
    install()
    _serve(socket.socket(fileno=int(sys.argv[1])))
