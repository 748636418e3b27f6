# SPDX-License-Identifier: Apache-2.0
"""Write a new bundle, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import write_config
from monai_kd.bundle.scripts import uses_scripts
from monai_kd.student_bundle.configs.handler_lists import kind
from monai_kd.student_bundle.configs.metadata import RECORD, new_metadata
from monai_kd.student_bundle.configs.other_configs import other_files
from monai_kd.student_bundle.configs.readme import readme
from monai_kd.student_bundle.configs.train_config import teacher_file
from monai_kd.student_bundle.draft import WEIGHT, Draft
from monai_kd.student_bundle.methods import HIDDEN, logits_pathway
from monai_kd.student_bundle.pairs import Pair, hidden_pathway
from monai_kd.student_bundle.running import commands
from monai_kd.student_bundle.teacher.data_folder import data_folder
from monai_kd.student_bundle.trial.try_bundle import try_bundle
from monai_kd.student_bundle.trial.zoo_checks import check_bundle, evaluation_configs
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.checkpoints import save_checkpoint
from monai_kd.utils.distinct_paths import require_distinct, require_outside

__all__ = ["is_made", "write_bundle"]

LOGGING = """[loggers]
keys=root

[handlers]
keys=console

[formatters]
keys=line

[logger_root]
level=INFO
handlers=console

[handler_console]
class=StreamHandler
level=INFO
formatter=line
args=(sys.stdout,)

[formatter_line]
format=%(asctime)s %(levelname)s %(name)s: %(message)s
datefmt=%H:%M:%S
"""


def is_made(output_dir: Path, made: Mapping[str, Any]) -> bool:
    """
    Whether a folder holds the bundle that is asked for already.

    Args:
        output_dir: of the new bundle.
        made: the record of what is asked for; its pairs count where it has any.

    Returns:
        True where it does, False where there is nothing yet.

    Raises:
        ValueError: When it holds something else.
    """
    if not output_dir.exists() or (output_dir.is_dir() and not any(output_dir.iterdir())):
        return False
    former = BundleFolder(output_dir).metadata.get(RECORD)
    if former is None:
        raise ValueError(
            f"'{output_dir}' holds something that this command did not write. Choose another --output_dir."
        )
    for key, value in json.loads(json.dumps(made)).items():
        if former.get(key) != value:
            raise ValueError(
                f"The bundle in '{output_dir}' was made with another {key}: {_short(former.get(key))} there, "
                f"{_short(value)} here. Give its own arguments to go on with it, or another --output_dir."
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
        draft: what to write.
        pairs: of layers, for the overlay ``configs/methods/hidden.json``.
        output_dir: the folder; must not exist or be empty.
        dataset_dir: the data, for check and trial alone.
        inference_dir: those of the inference, if they are elsewhere.
        tried: one step of everything is run before the folder appears.

    Returns:
        What should be known of the trial.

    Raises:
        ValueError: When the folder is in use or in the data's, "hidden" is asked for without pairs, or the new bundle
            does not stand.
    """
    require_distinct({"output_dir": output_dir}, {"teacher": draft.bundle.root, "dataset_dir": dataset_dir})
    require_outside("output_dir", output_dir, {"dataset_dir": dataset_dir})
    if not pairs and draft.made["method"] == HIDDEN:
        raise ValueError(
            "Method hidden compares layers, and the networks have no resolution in common. Name pairs by --pairs."
        )
    made = {**draft.made, "pairs": [(pair.student.name, pair.teacher.name) for pair in pairs]}
    metadata = new_metadata(draft.bundle, made)
    with atomic_folder(output_dir) as folder:
        configs = folder / "configs"
        for name, config in {**draft.configs, "metadata": metadata}.items():
            write_config(configs / f"{name}.json", config)
        if pairs:
            write_config(configs / "methods" / "hidden.json", _hidden(draft.logits, pairs))
        (configs / "logging.conf").write_text(LOGGING, encoding="utf-8")
        _copy_files(draft, folder)
        (folder / "models").mkdir(exist_ok=True)
        save_checkpoint(draft.state, folder / "models" / teacher_file(draft.bundle))
        parameters = draft.student.parameters, draft.teacher.parameters
        listed = commands(
            Path(), data_folder("DATA", draft.configs.values()), made["method"], bool(pairs), evaluation_configs(folder)
        )
        (folder / "docs").mkdir(exist_ok=True)
        page = readme(draft.bundle, metadata, pairs, parameters, listed)
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
    """What the configs read beside the networks' weights, and the licences."""
    root = draft.bundle.root
    for file in other_files(draft.bundle):
        if file.name != "logging.conf":
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
    """Texts of configs but those of checkpoints, for the teacher's are not the student's."""
    if isinstance(node, Mapping) and kind(node).endswith(("CheckpointLoader", "CheckpointSaver")):
        return
    if isinstance(node, str):
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _read(item)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:99] + "…"
