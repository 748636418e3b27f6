# SPDX-License-Identifier: Apache-2.0
"""Try a new bundle before it is written: run one step of each part."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from monai.utils import misc

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import write_config
from monai_kd.bundle.config_ids import Config, find, replace
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.student_bundle.class_choice import channel_steps
from monai_kd.student_bundle.configs.metadata import RECORD
from monai_kd.student_bundle.teacher.teacher_bundle import TeacherBundle
from monai_kd.student_bundle.teacher.teacher_configs import stock_config
from monai_kd.student_bundle.trial.trial_config import shortened
from monai_kd.student_bundle.trial.zoo_checks import evaluation_configs
from monai_kd.utils.messages import first_cause, first_few, first_line

__all__ = ["try_bundle"]

UNTRIED = "write the bundle without a trial: --no-try"


def try_bundle(root: Path, bundle: TeacherBundle, dataset_dir: str, inference_dir: str) -> list[str]:
    """
    Run one step of training and validation, of evaluation and of inference, each on its first item, in a temporary
    copy.

    Returns:
        Notes for the user, such as a step that found no images.

    Raises:
        ValueError: When a step fails; the message says whether the teacher's own step fails too.
    """
    notes = []
    with tempfile.TemporaryDirectory() as scratch, _unchanged():
        copy = _copied(root, Path(scratch) / "new")
        for what, names in _stages(root).items():
            data = inference_dir if what == "inference" else dataset_dir
            config = BundleFolder(root).config(*names)
            error, empty = _step(config, copy, data, what)
            if empty:
                notes.append(f"The {what} was not tried, because it finds no image in '{data}'.")
            elif error is not None:
                made = BundleFolder(root).metadata[RECORD]
                told = _told(error, what, bundle, data, Path(scratch), made.get("settings", {}))
                steps = list(channel_steps(BundleFolder(root).config(*names))) if "classes" in made else []
                raise ValueError(told + _of_classes(steps)) from error
    return notes


def _stages(root: Path) -> dict[str, Sequence[str]]:
    stages: dict[str, Sequence[str]] = {"training": ["train"]}
    if BundleFolder(root).has("methods/hidden"):
        stages["training with pairs of layers"] = ["train", "methods/hidden"]
    if evaluation_configs(root):
        stages["evaluation"] = evaluation_configs(root)
    return {**stages, "inference": ["inference"]}


def _step(config: Config, root: Path, data: str, what: str) -> tuple[BaseException | None, bool]:
    """Run one step; return its error, if any, and whether there was no image for it."""
    output_dir = root.with_name(f"{root.name}_output")
    config |= {"bundle_root": str(root), "dataset_dir": data, "output_dir": str(output_dir)}
    file = root / "configs" / "trial.json"
    try:
        with importable_scripts(root), contextlib.redirect_stdout(io.StringIO()):
            if shortened(config):
                return None, True
            write_config(file, config)
            kind = "train" if "training" in what else "infer"
            workflow = ConfigWorkflow(config_file=str(file), workflow_type=kind, logging_file=False)
            workflow.initialize()
            workflow.run()
            workflow.finalize()
    except (Exception, SystemExit) as error:
        return error, False
    finally:
        shutil.rmtree(output_dir, ignore_errors=True)
    return None, False


def _told(error: BaseException, what: str, bundle: TeacherBundle, data: str, scratch: Path, settings: Config) -> str:
    stock = stock_config(bundle, what)
    its: BaseException | None = None
    if stock is not None:
        for name, value in settings.items():  # of the same sizes
            if find(stock, name) is not None:
                replace(stock, name, value)
        its, _ = _step(stock, _copied(bundle.root, scratch / "teacher"), data, what)
    if its is not None:
        return (
            f"The teacher's own {what}, in '{bundle.root}', fails in its first step: {_line(its)}. Correct that "
            f"bundle, its data or its packages, or {UNTRIED}."
        )
    runs = " (the teacher's own does not)" if stock is not None else ""
    return (
        f"The new bundle's {what} fails in its first step{runs}: {_line(error)}. Choose another --student or --method, "
        f"change values with --set id=value, or {UNTRIED}."
    )


def _of_classes(steps: Sequence[str]) -> str:
    if not steps:
        return ""
    return (
        f" With --classes the student has other channels than the teacher: {first_few(steps, 5)} may name the "
        "teacher's. Write these steps for the student's channels, by --set or in the teacher's config."
    )


def _line(error: BaseException) -> str:
    cause = first_cause(error)
    if isinstance(cause, SystemExit):  # of a list of images
        return " ".join(str(cause).split()).rstrip(".")
    return f"{type(cause).__name__}: {first_line(cause)}".rstrip(".")


def _copied(root: Path, copy: Path) -> Path:
    """A writable copy whose files are links."""
    shutil.copytree(root.resolve(), copy, copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@contextlib.contextmanager
def _unchanged() -> Iterator[None]:
    """Restore the state of this process, because configs set seeds and engines log."""
    seeds = random.getstate(), np.random.get_state(), misc._seed
    flags = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    logging.disable(logging.CRITICAL)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        logging.disable(logging.NOTSET)
        random.setstate(seeds[0])
        np.random.set_state(seeds[1])
        misc._seed = seeds[2]
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = flags
