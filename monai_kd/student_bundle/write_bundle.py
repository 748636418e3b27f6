# SPDX-License-Identifier: Apache-2.0
"""Write a new bundle completely or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import write_config
from monai_kd.bundle.scripts import uses_scripts
from monai_kd.bundle.shipped_bundles import shipped_bundles
from monai_kd.student_bundle.bundle_draft import WEIGHT, Draft
from monai_kd.student_bundle.config_parts import kind
from monai_kd.student_bundle.configs.metadata import RECORD, new_metadata
from monai_kd.student_bundle.configs.other_configs import other_files
from monai_kd.student_bundle.configs.readme import readme
from monai_kd.student_bundle.configs.train_config import teacher_file
from monai_kd.student_bundle.layer_pairs import Pair, hidden_pathway
from monai_kd.student_bundle.logits_method import HIDDEN, logits_pathway
from monai_kd.student_bundle.nnunet.answers import live_answers
from monai_kd.student_bundle.teacher.data_folder import data_folder
from monai_kd.student_bundle.training_commands import commands
from monai_kd.student_bundle.trial.try_bundle import try_bundle
from monai_kd.student_bundle.trial.zoo_checks import check_bundle, evaluation_configs
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.checkpoints import save_checkpoint
from monai_kd.utils.distinct_paths import require_distinct, require_outside

__all__ = ["is_made", "write_bundle"]

OURS, LOGGING = Path("breast_ultrasound_segmentation", "configs"), "logging.conf"


def is_made(output_dir: Path, made: Mapping[str, Any]) -> bool:
    """
    Whether a folder already has the bundle of this record; False if it is empty or does not exist.

    The pairs of layers are compared only if the new record has any; what only the former one has counts, too.

    Raises:
        ValueError: When the folder has anything else.
    """
    if not output_dir.exists() or (output_dir.is_dir() and not any(output_dir.iterdir())):
        return False
    former = BundleFolder(output_dir).metadata.get(RECORD)
    if former is None:
        raise ValueError(f"'{output_dir}' has files that this command did not write. Choose another --output-dir.")
    wanted = json.loads(json.dumps(made))
    for key in [*wanted, *(former.keys() - wanted.keys() - {"pairs"})]:
        if former.get(key) != wanted.get(key):
            raise ValueError(
                f"The bundle in '{output_dir}' was made with another {key}: {_short(former.get(key))} there, "
                f"{_short(wanted.get(key))} here. Repeat its arguments to continue it, or choose another --output-dir."
            )
    return True


def write_bundle(
    draft: Draft,
    pairs: Sequence[Pair],
    output_dir: Path,
    dataset_dir: str | Path,
    inference_dir: str | Path | None = None,
    tried: bool = True,
) -> list[str]:
    """
    Write a bundle and check it; if anything is wrong, nothing is left behind.

    Args:
        pairs: of layers, for the overlay ``configs/methods/hidden.json``.
        output_dir: the folder; must not exist or be empty.
        dataset_dir: folder of the data, used only for the check and the trial.
        inference_dir: folder of the inference's data, if it is another.
        tried: run one step of every config before the folder appears.

    Returns:
        Sentences for the user about the trial.

    Raises:
        ValueError: When the folder is not empty or lies in the data's folder, "hidden" has no pairs, or the new bundle
            fails the check or the trial.
    """
    require_distinct({"output_dir": output_dir}, {"teacher": draft.bundle.root, "dataset_dir": dataset_dir})
    require_outside("output_dir", output_dir, {"dataset_dir": dataset_dir})
    if not pairs and draft.made["method"] == HIDDEN:
        raise ValueError(
            "Method hidden compares layers, but the networks have no resolution in common. Name pairs with --pairs."
        )
    made = {**draft.made, "pairs": [(pair.student.name, pair.teacher.name) for pair in pairs]}
    metadata = new_metadata(draft.bundle, made, draft.format)
    with atomic_folder(output_dir) as folder:
        configs = folder / "configs"
        for name, config in {**draft.configs, "metadata": metadata}.items():
            write_config(configs / f"{name}.json", config)
        if pairs:
            hidden = _hidden(draft.logits, pairs) | live_answers(draft.configs["train"])
            write_config(configs / "methods" / "hidden.json", hidden)
        shutil.copyfile(shipped_bundles() / OURS / LOGGING, configs / LOGGING)
        _copy_files(draft, folder)
        (folder / "models").mkdir(exist_ok=True)
        save_checkpoint(draft.state, folder / "models" / teacher_file(draft.bundle))
        parameters = draft.student.parameters, draft.teacher.parameters
        listed = commands(
            Path(), data_folder("DATA", draft.configs.values()), made["method"], bool(pairs), evaluation_configs(folder)
        )
        (folder / "docs").mkdir(exist_ok=True)
        page = readme(draft.bundle, draft.format, metadata, pairs, parameters, listed)
        (folder / "docs" / "README.md").write_text(page, encoding="utf-8")
        places = str(dataset_dir), str(inference_dir or dataset_dir)
        check_bundle(folder, *places)
        notes = try_bundle(folder, draft.bundle, *places) if tried else []
        for cache in list(folder.rglob("__pycache__")):
            shutil.rmtree(cache)
    return notes


def _hidden(logits: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    half = WEIGHT / 2
    pathways = {"logits": logits_pathway(logits, half), "hidden": hidden_pathway(pairs, half)}
    return {"pathways": {"_target_": "monai_kd.Pathways", **pathways}}


def _copy_files(draft: Draft, folder: Path) -> None:
    """Copy the files that the configs read, except the networks' weights, and the licences."""
    root = draft.bundle.root
    for file in other_files(draft.bundle):
        if file.name != LOGGING:
            shutil.copyfile(file, folder / "configs" / file.name)
    for name in ("LICENSE", "docs/data_license.txt"):
        if (root / name).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    if uses_scripts(draft.configs) and (root / "scripts").is_dir():
        shutil.copytree(root / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for path, source in draft.sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / path).exists():  # the teacher's scripts/__init__.py
            (folder / path).write_text(source, encoding="utf-8")
    words = " ".join(_read(draft.configs))
    for file in sorted((root / "models").glob("*")):
        is_teacher = file.stem in ("model", "teacher") or (file.is_file() and file.samefile(draft.weights))
        if file.is_file() and file.name in words and not is_teacher:
            (folder / "models").mkdir(exist_ok=True)
            shutil.copyfile(file, folder / "models" / file.name)


def _read(node: Any) -> Iterator[str]:
    """All texts of configs except those of checkpoint handlers, which name the teacher's files."""
    if isinstance(node, Mapping) and kind(node).endswith(("CheckpointLoader", "CheckpointSaver")):
        return
    if isinstance(node, str):
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _read(item)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:99] + "…"
