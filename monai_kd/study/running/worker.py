# SPDX-License-Identifier: Apache-2.0
"""The process of one run: trains and evaluates with the configs in its folder."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from monai_kd.study.running.runs import DONE
from monai_kd.utils.folder_lock import locked
from monai_kd.utils.messages import first_cause
from monai_kd.utils.processes import end_with

__all__ = ["work"]

# Seconds. The former process of a run that is started again still ends, about one second after its study.
WAIT = 30.0


def work(folder: Path) -> None:
    """Train or resume, and evaluate if there is ``evaluate.json``, as ``python -m monai.bundle run`` does."""
    with locked(folder, WAIT):
        from monai.bundle import run

        from monai_kd.bundle.bundle import BundleFolder
        from monai_kd.bundle.config_files import CONFIGS, read_file
        from monai_kd.study.running.machine import record_machine

        record_machine(folder, read_file(folder / "train.json"))
        paths = [path for kind in ("train", "evaluate") if (path := folder / f"{kind}.json").is_file()]
        for path in paths:
            bundle = BundleFolder(Path(read_file(path)["bundle_root"]))
            given = {"logging_file": bundle.root / CONFIGS / "logging.conf", "meta_file": bundle.find("metadata")}
            run(config_file=str(path), **{key: str(file) for key, file in given.items() if file and file.is_file()})
        (folder / DONE).touch()


def main() -> None:
    """Run the folder of the first argument; if it fails, the last line says what the user can correct."""
    # A run must end with its study: the next start of the study would run it a second time.
    end_with(int(sys.argv[2]))
    try:
        work(Path(sys.argv[1]))
    except Exception as error:
        traceback.print_exc()
        cause = first_cause(error, (ValueError, ImportError))
        print(f"Error: {type(cause).__name__}: {cause}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
