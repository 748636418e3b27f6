# SPDX-License-Identifier: Apache-2.0
"""A run's command line: read it, with short names of bundle, config and overlays, into MONAI's arguments; write it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import CONFIGS, is_config_file, read_file
from monai_kd.bundle.finding import bundles, find_bundle
from monai_kd.bundle.value_kinds import is_program
from monai_kd.utils.messages import option

__all__ = ["chosen_bundle", "place_weights", "plain_values", "read_command", "run_words", "shell_line"]


def chosen_bundle(name: str | None) -> BundleFolder | None:
    """
    The folder of the bundle with this name or path, or else the current folder if it is a bundle, or else None.

    Raises:
        FileNotFoundError: When a name is given and no such bundle exists.
    """
    if name is not None:
        return BundleFolder(find_bundle(name))
    return BundleFolder(Path()) if Path(CONFIGS).is_dir() else None


def read_command(config: str, bundle: str | None, overlays: Sequence[str], words: Sequence[str]) -> dict[str, Any]:
    """
    The arguments of ``monai.bundle.run`` that a command stands for.

    Args:
        config: a config's name or file.
        bundle: the bundle's name or folder; None if the config is a file, or the bundle is the current folder.
        overlays: names or files, merged last.
        words: the rest of the command: overlays by their folder's name (``--method logits_kl``), ids and values.

    Returns:
        ``config_file``, ``bundle_root`` and the given ids.

    Raises:
        FileNotFoundError: When a bundle or a file does not exist.
        ValueError: When a word is out of place, or the config is an overlay.

    Example:
        >>> words = ["--views", "shared", "--max_epochs", "20", "--spatial_size", "[64,64]", "--resume"]
        >>> found = read_command("train", "breast_ultrasound_segmentation", [], words)
        >>> [Path(file).stem for file in found["config_file"]]
        ['train', 'shared']
        >>> {name: value for name, value in found.items() if name not in ("config_file", "bundle_root")}
        {'max_epochs': 20, 'spatial_size': [64, 64], 'resume': True}
    """
    if config.startswith("-"):
        raise ValueError(f"The config must come first, got '{config}'. Write: run train {config} …")
    pairs = list(_pairs(words))
    settings = next((str(value) for name, value in pairs if name == "args_file"), None)
    defaults = {} if settings is None else read_file(settings)
    root = defaults.get("bundle_root")
    folder = chosen_bundle(bundle or (None if root is None else str(root)))
    if folder is None and not is_config_file(Path(config)):
        raise ValueError(f"The bundle is missing. Add --bundle with a folder or a name: {', '.join(bundles())}.")
    files = [Path(config) if folder is None else folder.find_config(config)]
    given: dict[str, Any] = {}
    for name, value in pairs:
        overlay = None if folder is None else _overlay(folder, name, value)
        if overlay is not None:
            files.append(overlay)
        elif name in given:
            raise ValueError(f"{option(name)} is given twice. Keep one of them.")
        else:
            given[name] = value
    files += [Path(name) if folder is None else folder.find_overlay(name) for name in overlays]
    # A config from a former run (train_config.json) already has its bundle_root.
    where = {} if root is not None or folder is None or bundle is None else {"bundle_root": str(folder.root)}
    return {"config_file": [str(file) for file in files], **where, **given}


def place_weights(arguments: dict[str, Any]) -> dict[str, Any]:
    """
    Add ``checkpoint``, ``output_dir/model.pt``, to a training's arguments that name ``output_dir`` alone.

    So the weights of a run lie beside its results, and no other run's are written over.

    Args:
        arguments: those of ``monai.bundle.run``. A config that writes no ``checkpoint`` leaves them as they are. So
            does an overlay that names the ``checkpoint`` itself; a place in the bundle is only a default.
    """
    defaults = read_file(arguments["args_file"]) if "args_file" in arguments else {}
    given = {**defaults, **arguments}
    folder = given.get("output_dir")
    if "checkpoint" in given or not isinstance(folder, str) or folder.startswith(("$", "@", "%")):
        return arguments
    configs = [read_file(file) for file in arguments["config_file"]]
    named = [str(overlay["checkpoint"]) for overlay in configs[1:] if "checkpoint" in overlay]
    written = [config.get("output_files") for config in configs]
    if (named and "@bundle_root" not in named[-1]) or not any(
        isinstance(files, dict) and "checkpoint" in files for files in written
    ):
        return arguments
    return {**arguments, "checkpoint": str(Path(folder, "model.pt"))}


def run_words(
    config: str, bundle: str | Path | None, values: Mapping[str, Any], overlays: Sequence[str] = ()
) -> list[str]:
    """
    The words of a run's command after ``python``, from which :func:`read_command` reads the same.

    Args:
        config: a config's name or file.
        bundle: the bundle's name or folder; None leaves it out.
        values: by id.
        overlays: names, such as ``"methods/logits_kl"``.

    Example:
        >>> shell_line(run_words("train", "students/spleen", {"spatial_size": [96, 96]}, ["methods/logits_kl"]))
        "python -m monai_kd run train --bundle students/spleen --method logits_kl --spatial-size '[96,96]'"
    """
    words = ["-m", "monai_kd", "run", config, *([] if bundle is None else ["--bundle", str(bundle)])]
    for name in overlays:
        folder, _, overlay = name.rpartition("/")
        words += [f"--{folder.removesuffix('s') or 'overlay'}", overlay]
    for name, value in values.items():
        words += [option(name), _written(value)]
    return words


def shell_line(words: Sequence[str]) -> str:
    """One line for the shell: ``python`` with these words."""
    return " ".join(["python", *map(_quoted, words)])


def plain_values(config: Mapping[str, Any], other: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    """
    The plain values of a config whose ids another config has, too, with another value.

    Args:
        config: merged, with all arguments.
        other: the other config, which would be given these values.
        without: further ids to leave out. Where a run's results go is always left out.

    Example:
        >>> plain_values({"fold": 1, "seed": 0, "device": "$mine"}, {"fold": 0, "seed": 0, "device": "cpu"})
        {'fold': 1}
    """
    left_out = {"bundle_root", "output_dir", "checkpoint", "quiet", *without}
    return {
        name: value
        for name, value in config.items()
        if name in other and name not in left_out and value != other[name] and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or (isinstance(value, bool | int | float | str) and not is_program(value))


def _written(value: Any) -> str:
    """A value as :func:`_pairs` reads it, by Python's rules: the folder "2024" without quotes would become a number."""
    from fire.parser import DefaultParseValue

    if isinstance(value, str):
        return value if DefaultParseValue(value) == value else json.dumps(value)
    return repr(value).replace(", ", ",") if isinstance(value, list) else repr(value)


def _quoted(word: str) -> str:
    """A word quoted for the shell, with double quotes if possible, because some paths contain single quotes."""
    quoted = shlex.quote(word)
    return quoted if quoted == word or "'" not in word or set(word) & set('"$`!\\') else f'"{word}"'


def _overlay(folder: BundleFolder, name: str, value: Any) -> Path | None:
    kind = folder.overlay_folder(name)
    is_name = isinstance(value, str) and not value.startswith(("$", "@", "%"))  # else "views", say, is an id
    return folder.find_overlay(value, kind) if kind is not None and is_name else None


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Ids and values, parsed as Python Fire does, on which MONAI's command line is built."""
    from fire.parser import DefaultParseValue

    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_flag(word):
            name = "--overlay" if is_config_file(Path(word)) else "--id"
            raise ValueError(f"'{word}' belongs to no id. Write {name} {word}, and put quotes around text with spaces.")
        name, equals, text = word.lstrip("-").partition("=")
        name = name.replace("-", "_")
        if equals:
            yield name, DefaultParseValue(text)
        elif rest and not _is_flag(rest[0]):
            yield name, DefaultParseValue(rest.pop(0))
        elif name.startswith("no"):
            yield name.removeprefix("no"), False
        else:
            yield name, True


def _is_flag(word: str) -> bool:
    return word.startswith("--") or re.match(r"-[a-zA-Z]", word) is not None
