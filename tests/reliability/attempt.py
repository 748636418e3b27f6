# SPDX-License-Identifier: Apache-2.0
"""One bad input: it is tried in a process and a folder of its own, and what came of it is judged."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 120  # of CPU time, after which an attempt has hung
WAIT = 600  # seconds, after which an attempt waits for what does not come
LONGEST = 900  # characters of a message that is still read
# A framework's own words, which tell a user nothing about the input.
FOREIGN = re.compile(
    r"Traceback|KeyError|IndexError|AttributeError|LinAlgError|ZeroDivisionError|RuntimeError|TypeError|"
    r"object has no attribute|not subscriptable|out of bounds|list index|weights_only=False|\[Errno"
)
FRAME = re.compile(r"\x1b\[[\d;]*m|[─│╭╮╰╯]")  # Rich's colors, and the frame of a usage error
HARMLESS = re.compile(r"(^|/)\.lock[^/]*$")  # where nobody holds it, it is in nobody's way


@dataclass(frozen=True)
class Attempt:
    """
    A bad input.

    Args:
        group: the kind of input, a row of the table.
        name: what is wrong with it, in words.
        prepare: writes the input into a folder and gives the words of ``python -m monai_kd``, or a function to call.
        says: what the message must name, in any case of letters, as an id or as the option with dashes.
    """

    group: str
    name: str
    prepare: Callable[[Path], Sequence[object] | Callable[[], object]]
    says: tuple[str, ...]


def command(line: str, fill: Callable[[Path], None]) -> Callable[[Path], list[str]]:
    """What prepares a command: its folder is filled, and its words are given."""

    def prepare(folder: Path) -> list[str]:
        fill(folder)
        return line.split()

    return prepare


def judge(attempt: Attempt) -> list[str]:
    """What is wrong with the answer to a bad input; an empty list if it got one clear error and left nothing."""
    with TemporaryDirectory() as work:
        folder = Path(work, "work")
        folder.mkdir()
        status, said, new = _tried(attempt, folder, Path(work))
    said = " ".join(FRAME.sub(" ", said).split())
    message = _message(said)
    wrong = [] if status in (1, 2) else [f"status {status}"]
    wrong += [f"{found.group()!r} in the output" for found in [FOREIGN.search(said)] if found]
    wrong += [f"{len(message)} characters"] if len(message) > LONGEST else []
    wrong += [] if message else ["no error"]
    wrong += [f"{word!r} is not named" for word in attempt.says if _spelt(word) not in _spelt(message)]
    wrong += [f"left behind: {', '.join(new[:3])}"] if new else []
    return [*wrong, f"it said: {said[-300:]}"] if wrong else []


def _spelt(text: str) -> str:
    return text.lower().replace("-", "_")


def _tried(attempt: Attempt, folder: Path, work: Path) -> tuple[int, str, list[str]]:
    """Exit status, output and new files. A fork: torch and MONAI are imported once for all attempts."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        with (work / "said").open("w") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        os._exit(_child(attempt, folder, work))
    _, ended = os.waitpid(child, 0)
    before = set((work / "before").read_text().splitlines()) if (work / "before").is_file() else set()
    new = [name for name in _files(folder) if name not in before and not HARMLESS.search(name)]
    return os.waitstatus_to_exitcode(ended), (work / "said").read_text(errors="replace"), new


def _child(attempt: Attempt, folder: Path, work: Path) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    signal.alarm(WAIT)  # ends this process
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir(folder)
    os.environ["COLUMNS"] = "400"
    try:
        with _streams():
            action = attempt.prepare(folder)
            (work / "before").write_text("\n".join(_files(folder)))
            if callable(action):
                return _called(action)
            sys.argv = ["monai_kd", *map(str, action)]
            from monai_kd.__main__ import main

            main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Python's own streams onto the file that the descriptors 1 and 2 now lead to."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(1, "w", closefd=False))))
        stack.enter_context(contextlib.redirect_stderr(stack.enter_context(open(2, "w", closefd=False))))
        yield


def _called(action: Callable[[], object]) -> int:
    """A call from Python: an error of the kinds that a caller expects, in words of ours."""
    try:
        action()
    except (ValueError, OSError, ImportError, AttributeError, TypeError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _message(said: str) -> str:
    """The last error that was told: ours, or a usage error in Typer's frame."""
    return re.split(r"Error: | Error +(?=[A-Z])", said)[-1] if "Error" in said else ""


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()
    )
