# SPDX-License-Identifier: Apache-2.0
"""Check the ids and values that a run is given before anything is built."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow, create_workflow
from monai.bundle.reference_resolver import ReferenceResolver
from monai.bundle.utils import DEFAULT_EXP_MGMT_SETTINGS, merge_kv

from monai_kd.bundle.component_arguments import require_components
from monai_kd.bundle.config_files import list_files, read_file
from monai_kd.bundle.known_ids import require_known, require_value, used_ids
from monai_kd.bundle.running_config import Start, parser_at_work, start_at_work
from monai_kd.bundle.value_kinds import require_kinds
from monai_kd.utils.messages import first_few, option

__all__ = ["check_arguments", "check_start"]

META = "_meta_"
MONAI_ARGUMENTS = (
    *inspect.signature(ConfigWorkflow.__init__).parameters,
    *inspect.signature(create_workflow).parameters,
)
MONAI_IDS = ("imports", "initialize", "run", "finalize", META)


@dataclass(frozen=True)
class Change:
    """A value that an overlay or an argument gives to an id; ``where`` is its place for messages."""

    where: str
    name: str
    value: Any
    is_argument: bool


def check_arguments() -> None:
    """
    Refuse ids that have no effect and values of the wrong kind; the first line of ``initialize`` in a bundle's configs.

    An id is refused if no file of the run defines it and no expression uses it; the message names the closest one. A
    value is refused if the config needs another kind (True or False, not a text; one size for each axis). A file is
    refused if it has a name twice. An argument that a component's config leaves out is allowed if the component takes
    it.

    If the workflow was made in Python, all configs in its folder together define the known ids.

    Raises:
        ValueError: The message names the argument or the file, what came, and what to do.

    Example:
        >>> parser = ConfigParser({"imports": ["$import monai_kd"], "start": "$monai_kd.bundle.check_arguments()"})
        >>> parser.get_parsed_content("start")
        >>> parser["max_epochs"] = "many"
        >>> try:
        ...     parser.get_parsed_content("start")
        ... except RuntimeError as error:
        ...     print(error.__cause__)
        The config, 'max_epochs' must be a whole number from 1, got 'many'. Write for instance 20.
    """
    parser = parser_at_work()
    if parser is None:
        raise ValueError("check_arguments must be called by a config, but it was called in Python. Leave it out.")
    start = start_at_work()
    if start is not None and start.files:
        check_start(start)
        return
    if start is not None:
        _check_by_folder(parser, start.folder)
    require_kinds(parser.get(), "The config")


def check_start(start: Start) -> None:
    """
    Check the files and arguments of a run.

    Raises:
        FileNotFoundError: When a file is missing.
        ValueError: When an id is unknown or a value is of the wrong kind.
    """
    _require_monais(start)
    base, *overlays = [(file, read_file(file)) for file in start.files]
    state = ConfigParser(config={META: _metadata(start)})
    _apply(state, base[1])
    arguments = {key: value for key, value in start.arguments.items() if key not in MONAI_ARGUMENTS}
    changes = [
        Change(f"{file}, '{key}'", key, value, False) for file, content in overlays for key, value in content.items()
    ]
    changes += [Change(option(key), key, value, True) for key, value in arguments.items()]
    final = ConfigParser(copy.deepcopy(state.get()))
    for change in changes:  # quietly, because an unknown id may have no place
        _apply(final, {change.name: copy.deepcopy(change.value)}, quietly=True)
    for key in ("init_id", "run_id", "final_id"):  # MONAI silently does nothing if it does not find the id
        wanted = start.arguments.get(key)
        if wanted is not None and wanted not in final:
            raise ValueError(
                f"{option(key)}: no config of this run has the id '{wanted}'. Choose from {_runnable(final)}."
            )
    # The overlays count too: one may replace the only use of another one's id.
    used = used_ids(final.get()).union(*(used_ids(content) for _, content in overlays))
    free = (*MONAI_IDS, *_tracked(start.arguments.get("tracking")), *_of_monai(start.arguments))
    for change in changes:
        name = change.name.replace("::", "#")
        if change.is_argument and name.startswith("+"):
            raise ValueError(
                f"{change.where}: an argument cannot extend a list. Write an overlay instead, a JSON file with "
                f'"{name}": […].'
            )
        name = name.removeprefix("+")
        if name not in free:
            if change.is_argument and name in start.shared and name not in used and _is_shared(start, name, state):
                continue
            monais = MONAI_ARGUMENTS if change.is_argument else ()
            try:
                require_known(change.where, name, state, used, change.is_argument, monais)
            except ValueError as error:
                raise ValueError(f"{error}{_other_files(start, name)}") from None
        if not change.name.startswith("+"):
            require_value(change.where, name, change.value, state)
        require_components(change.where, change.value, state.locator)
        _apply(state, {change.name: copy.deepcopy(change.value)})


def _require_monais(start: Start) -> None:
    """Refuse missing files that MONAI would silently do without."""
    for key in ("meta_file", "logging_file"):
        given = start.arguments.get(key) or ()
        for file in [given] if isinstance(given, str | Path) else given:
            if not Path(file).is_file():
                raise FileNotFoundError(f"{option(key)}: no file '{file}'. Correct the path.")


def _apply(state: ConfigParser, content: Mapping[str, Any], quietly: bool = False) -> None:
    for key, value in content.items():
        try:
            if key.startswith("+") and key[1:] not in state:
                key = key[1:]  # as MONAI does, with a warning
            merge_kv(state, key, value)
        except (KeyError, IndexError, ValueError, TypeError):
            if not quietly:
                raise


def _metadata(start: Start) -> dict[str, Any]:
    given = start.arguments.get("meta_file") or start.folder / "metadata.json"
    files = [given] if isinstance(given, str | Path) else list(given)
    return {key: value for file in files if Path(file).is_file() for key, value in read_file(file).items()}


def _tracked(tracking: Any) -> Iterator[str]:
    """Ids that MONAI's experiment tracking uses."""
    if isinstance(tracking, str):
        tracking = DEFAULT_EXP_MGMT_SETTINGS.get(tracking) or read_file(tracking)
    yield from (tracking or {}).get("configs", {})


def _runnable(config: ConfigParser) -> str:
    return ", ".join(key for key, node in config.get().items() if isinstance(node, list) and key != "imports")


def _of_monai(arguments: Mapping[str, Any]) -> Sequence[str]:
    return [str(arguments[key]) for key in ("init_id", "run_id", "final_id") if arguments.get(key) is not None]


def _is_shared(start: Start, name: str, state: ConfigParser) -> bool:
    """Whether an id from a file of arguments belongs to other configs of the bundle than this run's."""
    return name not in state and any(name in ids for ids in _folder_ids(start.folder).values())


def _other_files(start: Start, name: str) -> str:
    """Say which other configs have an id that this run's files lack."""
    run = {file.resolve() for file in start.files}
    others = [file for file, ids in _folder_ids(start.folder).items() if name in ids and file.resolve() not in run]
    if not others:
        return ""
    others.sort(key=lambda file: len(file.parts))  # configs before overlays
    named = first_few((file.relative_to(start.folder) for file in others), 3)
    return f" It is an id of {named}, which this run does not use."


def _check_by_folder(parser: ConfigParser, folder: Path) -> None:
    ids = {name for names in _folder_ids(folder).values() for name in names}
    known = {ReferenceResolver.split_id(name)[0] for name in ids} | {*MONAI_IDS, *_tracked("mlflow")}
    state = ConfigParser(config=dict.fromkeys(known))
    used = used_ids(parser.get())
    for key in parser.get():
        require_known(f"'{key}'", key, state, used)


def _folder_ids(folder: Path) -> dict[Path, set[str]]:
    """The top-level ids of every config in a folder and in the folders directly below."""
    found = {}
    for file in [file for place in (folder, *sorted(folder.glob("*/"))) for file in list_files(place)]:
        try:
            found[file] = {key.removeprefix("+").replace("::", "#") for key in read_file(file)}
        except (OSError, ValueError, ImportError):  # this run does not use the file
            continue
    return found
