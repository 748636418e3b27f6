# SPDX-License-Identifier: Apache-2.0
"""What keeps the new bundle's runs from going wrong without a word, where the teacher's configs do not ask for it."""

from __future__ import annotations

import re

from monai_kd.bundle.config_ids import Config
from monai_kd.student_bundle.config_parts import components, lines_of
from monai_kd.student_bundle.student_weights import STUDENT

__all__ = ["safe_overlay", "safe_reading", "safe_training"]

VOLATILE = re.compile(r"\bnow\(|\btime\(|\buuid|\brandom\b")
CHECK = "monai_kd.bundle.check_arguments()"
WRITES = f"{{'{STUDENT}': @{STUDENT}, 'last.pt': @output_dir + '/last.pt'}}"
TAKES = "{'teacher_checkpoint': @teacher_checkpoint, 'dataset_dir': @dataset_dir}"
TRAINING = (CHECK, f"monai_kd.utils.atomic_files.claim_outputs(@output_dir, {WRITES}, {TAKES})")
READS = f"{{'{STUDENT}': @{STUDENT}, 'dataset_dir': @dataset_dir}}"
READING = (CHECK, f"monai_kd.utils.atomic_files.claim_outputs(@output_dir, inputs={READS})")
# Where this package is missing, stock MONAI goes on without it; no line of several words may have both import and @.
STOCK = "$importlib.import_module('monai_kd') if importlib.util.find_spec('monai_kd') else None"


def safe_training(config: Config) -> None:
    """
    Let a training check its arguments and claim its folders first, validate its last epoch, and end with the error of
    a loader's thread.

    Args:
        config: by itself, with all that the student's training has; changed in place.
    """
    if VOLATILE.search(str(config.get("output_dir"))):  # a killed run would not find itself again
        config["output_dir"] = "$@bundle_root + '/eval'"
    for handler in components(config, "ValidationHandler"):
        handler["_target_"] = "monai_kd.handlers.FinalValidationHandler"
    _honest_loaders(config)
    config["initialize"] = [*_expressions(TRAINING), *lines_of(config, "initialize")]


def safe_reading(config: Config, base: Config, is_stock: bool = False) -> None:
    """
    The same for an evaluation or an inference, which reads the student's weights.

    Args:
        config: by itself, or an overlay; changed in place.
        base: the same config, or the training that it overlays.
        is_stock: it has to run without this package, too, and is then not checked.
    """
    own = config if "initialize" in config else base
    former = [line for line in lines_of(own, "initialize") if line not in _expressions(TRAINING)]
    added: tuple[str, ...] = READING if "output_dir" in {**base, **config} else READING[:1]
    if is_stock:
        config["imports"] = [*lines_of(config, "imports"), "$import importlib"]
        config["checks"] = STOCK
        added = tuple(line.replace("monai_kd", "@checks and @checks", 1) for line in added)
    elif config is base:
        imports = lines_of(config, "imports")
        config["imports"] = imports if "$import monai_kd" in imports else [*imports, "$import monai_kd"]
        _honest_loaders(config)
    config["initialize"] = [*_expressions(added), *former]


def safe_overlay(config: Config, reads: bool) -> None:
    """
    The same for an overlay whose own ``initialize`` takes the place of the config's that it is laid over.

    Args:
        config: the overlay, changed in place.
        reads: it is laid over an evaluation.
    """
    if "initialize" in config:
        config["initialize"] = [*_expressions(READING if reads else TRAINING), *lines_of(config, "initialize")]


def _expressions(lines: tuple[str, ...]) -> list[str]:
    return [f"${line}" for line in lines]


def _honest_loaders(config: Config) -> None:
    for loader in components(config, "ThreadDataLoader"):
        loader["_target_"] = "monai_kd.data.ThreadDataLoader"
