# SPDX-License-Identifier: Apache-2.0
"""
Every bundle of MONAI's Model Zoo as teacher: does its own training run, and is a student distilled by one command?

    git clone https://github.com/Project-MONAI/model-zoo
    python tests/benchmarks/zoo.py --zoo model-zoo/models [--only spleen_ct_segmentation …] [--results zoo.jsonl]

A copy of each bundle gets random weights and tiny synthetic data in its own layout. Then its training (one epoch) and
its inference are run by ``monai.bundle``, the student is distilled by ``python -m monai_kd distill``, and each command
that this prints is run. What is in the file of results is not run again; the table is of all that is there.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import re
import resource
import runpy
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from zoo_cases import CASES, case_of
from zoo_data import Case

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_ids import find, references

ENVIRONMENT = {"COLUMNS": "10000", "CUDA_VISIBLE_DEVICES": ""}
WARM = (
    "torch.utils.tensorboard",
    "torch.optim.lr_scheduler",
    "monai.bundle",
    "monai.engines",
    "monai.handlers",
    "monai.inferers",
    "monai.losses",
    "monai.networks.nets",
    "monai.transforms",
    "nibabel",
    "monai_kd.engines",
    "monai_kd.handlers",
    "monai_kd.losses",
    "monai_kd.networks",
    "monai_kd.student_bundle",
)  # what every command imports
HERE = Path(__file__).resolve().parent
STEPS = ("stock training", "stock inference", "distil", "training", "with layers", "evaluation", "inference")
ERROR = re.compile(r"^(?:[\w.]*(?:Error|Exception|Interrupt)\b.*|Error: .*|╭.*)$", re.M)
COLOR = re.compile(r"\x1b\[[0-9;]*m")
PRINTED = re.compile(r"^(\S.*):\n  python (.+)$", re.M)
LENGTH = 160  # of an error in the table


class Runner:
    """Commands of ``python`` in one folder, with a limit of time and memory each."""

    def __init__(self, folder: Path, seconds: float, gigabytes: float) -> None:
        self.folder, self.seconds, self.bytes = folder, seconds, int(gigabytes * 2**30)

    def __call__(self, words: Sequence[str], folder: Path | None = None) -> tuple[str, str]:
        """``ok`` or the first line of the error, and what was printed."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            sys.stdout.flush()
            process = os.fork()  # what takes longest, the imports, is there already
            if process == 0:
                self._become(words, folder or self.folder, out.fileno(), err.fileno())
            status = self._wait(process)
            out.seek(0)
            err.seek(0)
            said, errors = out.read(), err.read()
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"\n$ python {shlex.join(words)}\n{said}\n{errors}")
        if status is None:
            return f"not finished in {self.seconds:.0f} s", said
        reason = COLOR.sub("", _reason(errors, said, status)).replace(f"{self.folder}/", "")
        return ("ok" if status == 0 else reason), said

    def _wait(self, process: int) -> int | None:
        end, status = time.monotonic() + self.seconds, None
        while time.monotonic() < end:
            done, code = os.waitpid(process, os.WNOHANG)
            if done:
                status = os.waitstatus_to_exitcode(code)
                break
            time.sleep(0.2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)  # workers too
        if status is None:
            os.waitpid(process, 0)
        return status

    def _become(self, words: Sequence[str], folder: Path, out: int, err: int) -> NoReturn:
        """What ``python WORDS`` does, in a process that has imported MONAI."""
        code = 1
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_DATA, (self.bytes, self.bytes))
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.chdir(folder)
            if words[0] == "-m":
                sys.argv, sys.path[0] = list(words[1:]), str(folder)
                runpy.run_module(words[1], run_name="__main__", alter_sys=True)
            else:
                sys.argv = list(words)
                runpy.run_path(words[0], run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _reason(errors: str, said: str, status: int) -> str:
    own = re.findall(r"^Error: .*$", said + "\n" + errors, re.M)
    raised = [line for line in ERROR.findall(errors) if "Caught " not in line]  # which a loader's process says first
    found = own or raised or [f"status {status}"]
    return str(found[0]).strip()


def try_bundle(source: Path, folder: Path, case: Case, run: Runner, classes: str | None = None) -> dict[str, Any]:
    """One row of the table."""
    row: dict[str, Any] = {"bundle": _title(source.name, classes), "smaller": sorted(case.smaller), "dense": case.dense}
    teacher, student = folder / "teacher", folder / "student"
    shutil.copytree(source, teacher, ignore=shutil.ignore_patterns(".git"))
    data, other = case.layout(folder / "data", teacher, case)
    places = {"training": f"{data}/", "inference": f"{other}/"}
    weights, _ = run([str(HERE / "zoo_weights.py"), "."], teacher)
    if case.dense:
        row["weights"] = weights
        for what in ("training", "inference"):
            row[f"stock {what}"] = _stock(what, teacher, places[what], case, run)
        shutil.rmtree(teacher / "cache", ignore_errors=True)
        run([str(HERE / "zoo_weights.py"), "."], teacher)  # the training wrote others
    words = ["-m", "monai_kd", "distill", "--teacher", str(teacher), "--student", "StudentUNet", "--max-epochs", "1"]
    words += ["--dataset-dir", places["training"], "--output-dir", str(student), "--yes", "--no-run"]
    if data != other:
        words += ["--inference-dataset-dir", places["inference"]]
    words += ["--classes", classes] if classes else []
    for name, value in case.smaller.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    row["distil"], said = run(words)
    row["notes"] = re.findall(r"^Note: (.*)$", said, re.M)
    for name, command in PRINTED.findall(said) if row["distil"] == "ok" else ():
        step = "with layers" if "layers" in name else name.split(" (")[0].lower()
        row[step], _ = run(shlex.split(command))
    return row


def _title(bundle: str, classes: str | None) -> str:
    return f"{bundle} ({classes})" if classes else bundle


def _stock(what: str, teacher: Path, data: str, case: Case, run: Runner) -> str:
    folder = BundleFolder(teacher)
    name = "train" if what == "training" else "inference"
    if not folder.has(name):
        return f"no {name} config"
    config, file = folder.config(name), folder.file(name).relative_to(teacher)
    program = next((name for name in ("run", "training", "evaluating", "inference") if name in config), "run")
    words = ["-m", "monai.bundle", "run", program]
    words += ["--config_file", str(file), "--bundle_root", ".", "--dataset_dir", data]
    values = {key: value for key, value in case.smaller.items() if find(config, key) is not None}
    for trainer in ("train#trainer", "trainer"):
        given = find(config, f"{trainer}#max_epochs")
        if given is not None:
            values[(references(given) or [f"{trainer}#max_epochs"])[0]] = 1
    for key, value in values.items():
        words += [f"--{key}", json.dumps(value)]
    return run(words, teacher)[0]


def show(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table in Markdown, and the errors below it."""
    lines = [f"| bundle | {' | '.join(STEPS)} |", "| --- " * (len(STEPS) + 1) + "|"]
    notes: list[str] = []
    for row in sorted(rows, key=lambda row: (not row["dense"], row["bundle"])):
        cells = []
        for step in STEPS:
            said = row.get(step, "–")
            if said not in ("ok", "–"):
                text = said if len(said) <= LENGTH or step == "distil" else said[: LENGTH - 1] + "…"
                notes.append(text)
                said = f"[{len(notes)}]"
            cells.append(said)
        lines.append(f"| {row['bundle']}{'*' if row['smaller'] else ''} | {' | '.join(cells)} |")
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    smaller = [f"{row['bundle']}: {', '.join(row['smaller'])}" for row in rows if row["smaller"]]
    return "\n".join([*lines, "", *([f"\\* with smaller values of: {'; '.join(sorted(smaller))}"] if smaller else [])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, required=True, help="folder of the bundles, model-zoo/models")
    parser.add_argument("--only", nargs="+", default=None, help="names of bundles; default: all")
    parser.add_argument("--classes", default=None, help="of the teacher's that the student learns; default: all")
    parser.add_argument("--results", type=Path, default=Path("zoo.jsonl"), help="JSON lines, which are continued")
    parser.add_argument("--seconds", type=float, default=1800, help="limit of each step")
    parser.add_argument("--gigabytes", type=float, default=12, help="memory of each step")
    parser.add_argument("--keep", type=Path, default=None, help="folder for what is made; default: thrown away")
    arguments = parser.parse_args()
    os.environ |= ENVIRONMENT
    for module in WARM:
        importlib.import_module(module)
    done = (
        [json.loads(line) for line in arguments.results.read_text().splitlines()] if arguments.results.is_file() else []
    )
    names = arguments.only or [name for name in CASES if (arguments.zoo / name / "configs").is_dir()]
    for name in names:
        if any(row["bundle"] == _title(name, arguments.classes) for row in done):
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            folder = arguments.keep / name if arguments.keep else Path(scratch) / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            run = Runner(folder, arguments.seconds, arguments.gigabytes)
            row = try_bundle(arguments.zoo / name, folder, case_of(name), run, arguments.classes)
        row["seconds"] = round(time.monotonic() - started)
        with arguments.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        done.append(row)
    print(show(done))


if __name__ == "__main__":
    main()
