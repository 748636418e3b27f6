# SPDX-License-Identifier: Apache-2.0
"""The Model Zoo's checks of a new bundle that need neither a network run nor training."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import BundleWorkflow, ConfigWorkflow
from monai.utils import OptionalImportError

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import read_file, read_merged
from monai_kd.bundle.config_ids import find
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.student_bundle.student_weights import STUDENT
from monai_kd.utils.messages import first_cause, first_line

__all__ = ["check_bundle", "evaluation_configs"]

CACHING = ("CacheDataset", "SmartCacheDataset")
LEFT_OUT = "not now"  # no config has this id, so nothing is initialized and no seed is set in this process


def check_bundle(root: Path, dataset_dir: str, inference_dir: str) -> None:
    """
    Build every component of the new bundle's workflows, as ``ConfigWorkflow.check_properties()`` does, without images.

    Raises:
        ValueError: When a property that MONAI requires of a bundle is missing, or a component cannot be built.
    """
    workflows = [("train", ["train"]), ("infer", ["inference"])]
    if BundleFolder(root).has("methods/hidden"):
        workflows.append(("train", ["train", "methods/hidden"]))
    evaluation = evaluation_configs(root)
    if evaluation:
        workflows.append(("train" if "train" in evaluation else "infer", evaluation))
    with tempfile.TemporaryDirectory() as scratch, importable_scripts(root):
        logging.disable(logging.WARNING)  # a workflow without a log file warns
        try:
            for kind, names in workflows:
                _check(root, kind, names, inference_dir if names == ["inference"] else dataset_dir, Path(scratch))
        finally:
            logging.disable(logging.NOTSET)


def evaluation_configs(root: Path) -> list[str]:
    """Names of the configs that evaluate: one config, or the training and an overlay; empty if the bundle has none."""
    file = BundleFolder(root).find("evaluate")
    if file is None:
        return []
    return ["evaluate"] if "network_def" in read_file(file) else ["train", "evaluate"]


def _check(root: Path, kind: str, names: Sequence[str], dataset_dir: str, scratch: Path) -> None:
    files = [BundleFolder(root).file(name) for name in names]
    config = read_merged(files)
    values: dict[str, Any] = {"bundle_root": str(root), "dataset_dir": dataset_dir}
    values |= {"output_dir": str(scratch)} if "output_dir" in config else {}
    values |= {STUDENT: str(scratch / "model.pt")} if STUDENT in config else {}
    for name in ("train#dataset", "validate#dataset", "dataset"):
        if str(find(config, f"{name}#_target_")).split(".")[-1] in CACHING:
            values[f"{name}#cache_rate"] = 0.0
    workflow = ConfigWorkflow(
        config_file=[str(file) for file in files],
        workflow_type=kind,
        logging_file=False,
        init_id=LEFT_OUT,
        **values,
    )
    try:
        workflow.initialize()
        missing = _missing(workflow)
    except Exception as error:
        cause = first_cause(error)
        elsewhere = " If its images are elsewhere: --inference-dataset-dir DIR." if names == ["inference"] else ""
        remedy = "Correct the teacher's config, or change its values: --set id=value."
        if isinstance(cause, ImportError | OptionalImportError):
            remedy, elsewhere = "The teacher's own needs it, too: install its package, or a MONAI that has it.", ""
        raise ValueError(
            f"The new bundle's {' with '.join(names)} cannot be built: {type(cause).__name__}: "
            f"{first_line(cause).rstrip('.')}. {remedy}{elsewhere}"
        ) from error
    if missing:
        raise ValueError(
            f"The new bundle's {' with '.join(names)} lacks what MONAI requires of a bundle: {', '.join(missing)}. "
            "Add these to the teacher's config, with MONAI's names."
        )


def _missing(workflow: ConfigWorkflow) -> list[str] | None:
    try:
        return workflow.check_properties()
    except (TypeError, AttributeError):
        # MONAI's check of the optional ids expects only components in the list of handlers, and fails at a reference.
        return BundleWorkflow.check_properties(workflow)
