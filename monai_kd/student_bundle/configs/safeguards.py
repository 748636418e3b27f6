# SPDX-License-Identifier: Apache-2.0
"""Checks that the new bundle's runs need and that the teacher's configs lack."""

from __future__ import annotations

import re

from monai_kd.bundle.config_ids import Config
from monai_kd.student_bundle.config_parts import add_handler, components, lines_of
from monai_kd.student_bundle.student_weights import STUDENT

__all__ = ["ONCE", "count_images", "safe_overlay", "safe_reading", "safe_training"]

VOLATILE = re.compile(r"\bnow\(|\btime\(|\buuid|\brandom\b")
CHECK = "monai_kd.bundle.check_arguments()"
WRITES = f"{{'{STUDENT}': @{STUDENT}, 'last.pt': @output_dir + '/last.pt'}}"
TAKES = "{'teacher_checkpoint': @teacher_checkpoint, 'dataset_dir': @dataset_dir}"
TRAINING = (CHECK, f"monai_kd.utils.atomic_files.claim_outputs(@output_dir, {WRITES}, {TAKES})")
READS = f"{{'{STUDENT}': @{STUDENT}, 'dataset_dir': @dataset_dir}}"
READING = (CHECK, f"monai_kd.utils.atomic_files.claim_outputs(@output_dir, inputs={READS})")
RECORDS = f"monai_kd.bundle.use_records({{'network_def': @{STUDENT}}})"  # it also compares the file's digest
ONCE = "each_image_once"
# Without this package, MONAI runs the config without the checks. A line may not contain both "import" and "@".
STOCK = "$importlib.import_module('monai_kd') if importlib.util.find_spec('monai_kd') else None"


def safe_training(config: Config) -> None:
    """
    Let a training check its arguments and claim its folders before anything else.

    It also validates the last epoch, and ends with an error if a loader's thread fails. ``config`` is complete, with
    all that the student's training has; it is changed in place."""
    if VOLATILE.search(str(config.get("output_dir"))):  # a killed run would not find its own folder again
        config["output_dir"] = "$@bundle_root + '/eval'"
    for handler in components(config, "ValidationHandler"):
        handler["_target_"] = "monai_kd.handlers.FinalValidationHandler"
    _honest_loaders(config)
    config["initialize"] = [*_expressions(TRAINING), *lines_of(config, "initialize")]


def safe_reading(config: Config, base: Config, is_stock: bool = False) -> None:
    """
    Let an evaluation or an inference check its arguments and its weights, and claim its folder, before anything else.

    Args:
        config: a whole config or an overlay; changed in place.
        base: the same config, or the training that it overlays.
        is_stock: it must also run without this package; then it runs without the checks.
    """
    own = config if "initialize" in config else base
    former = [line for line in lines_of(own, "initialize") if line not in _expressions(TRAINING)]
    added: tuple[str, ...] = READING if "output_dir" in {**base, **config} else READING[:1]
    added = (*added, RECORDS) if STUDENT in {**base, **config} else added
    if is_stock:
        config["imports"] = [*lines_of(config, "imports"), "$import importlib"]
        config["checks"] = STOCK
        added = tuple(line.replace("monai_kd", "@checks and @checks", 1) for line in added)
    elif config is base:
        imports = lines_of(config, "imports")
        config["imports"] = imports if "$import monai_kd" in imports else [*imports, "$import monai_kd"]
        _honest_loaders(config)
    config["initialize"] = [*_expressions(added), *former]


def count_images(config: Config, evaluator: str) -> None:
    """
    Let an engine that evaluates, of this id, end with an error if it scored an image twice or not at all.

    Args:
        config: changed in place.
    """
    config[ONCE] = {"_target_": "monai_kd.handlers.EachImageOnceHandler"}
    add_handler(config, f"{evaluator}#val_handlers", f"@{ONCE}", is_first=True)


def safe_overlay(config: Config, reads: bool) -> None:
    """
    Keep the checks in an overlay whose own ``initialize`` replaces that of its base.

    Args:
        config: the overlay, changed in place.
        reads: its base is an evaluation, not a training.
    """
    if "initialize" in config:
        config["initialize"] = [*_expressions(READING if reads else TRAINING), *lines_of(config, "initialize")]


def _expressions(lines: tuple[str, ...]) -> list[str]:
    return [f"${line}" for line in lines]


def _honest_loaders(config: Config) -> None:
    for loader in components(config, "ThreadDataLoader"):
        loader["_target_"] = "monai_kd.data.ThreadDataLoader"
