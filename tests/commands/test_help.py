# SPDX-License-Identifier: Apache-2.0
"""The help of every command: one spelling, short lines, whole summaries, an example, and one meaning for each name."""

import re
from collections import defaultdict

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from monai_kd import __main__ as command_line

LONGEST = 60
WIDTH = 80
# Other names of --output-dir, --bundle, --teacher-checkpoint, --max-epochs and --threads.
OTHERS = {"--out", "--output", "--outdir", "--dest", "--bundle-root", "--weights", "--epochs", "--workers"}


def walk(command, path=()):
    yield path, command
    for name, member in getattr(command, "commands", {}).items():
        yield from walk(member, (*path, name))


COMMANDS = dict(walk(get_command(command_line.app)))
LEAVES = {path: command for path, command in COMMANDS.items() if not hasattr(command, "commands")}
GROUPS = {path: command for path, command in COMMANDS.items() if path not in LEAVES}


def name(path):
    return " ".join(path) or "monai_kd"


def shown(path):
    result = CliRunner().invoke(command_line.app, [*path, "--help"], env={"COLUMNS": str(WIDTH), "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return result.output


def spellings(parameter):
    return [*parameter.opts, *parameter.secondary_opts]


def kind(annotation):
    """As the help shows it; of an option that may be repeated, the kind of each."""
    return f"<{getattr(annotation, '__args__', (annotation,))[0].__name__.lower()}>"


def options(command):
    return [one for one in command.params if one.param_type_name == "option"]


def test_all_commands_are_walked():
    assert {("run",), ("segment",), ("data", "phantom"), ("study", "run"), ("bundle", "pack")} <= set(LEAVES)
    assert {(), ("data",), ("study",), ("label",), ("bundle",)} == set(GROUPS)


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_an_option_has_one_spelling_with_dashes(path):
    for option in options(LEAVES[path]):
        assert len(option.opts) == 1 and not option.secondary_opts, spellings(option)
        assert all(re.fullmatch(r"--[a-z]+(-[a-z]+)*", one) for one in spellings(option)), spellings(option)
        assert not OTHERS & set(spellings(option))
    assert not re.search(r"--[a-z]+_", shown(path)), "an underscore in the help"


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_help_lines_are_short(path):
    for parameter in LEAVES[path].params:
        assert parameter.help and len(parameter.help) < LONGEST, (parameter.name, len(parameter.help or ""))
        assert "\n" not in parameter.help and parameter.help.endswith("."), parameter.help


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_nothing_is_cut_or_lost(path):
    """At 80 columns, each option stands whole on one line; an underscore or a bracket of its help is not markup."""
    help_text = shown(path)
    words = re.sub(r"[│╭╮╰╯─\s]+", "", help_text)
    assert "…" not in help_text
    for option in options(LEAVES[path]):
        assert all(f" {one} " in help_text for one in spellings(option)), spellings(option)
    for word in re.findall(r"`([^`]+)`", LEAVES[path].help):
        assert re.sub(r"\s", "", word) in words, word
    for parameter in LEAVES[path].params:
        assert all(word in words for word in parameter.help.replace("`", "").split()), parameter.help


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_a_default_is_told(path):
    """By typer where it is a value, by the help line where it is none; a list is empty."""
    for option in options(LEAVES[path]):
        has_value = option.required or option.is_flag or (option.default is not None and option.show_default)
        assert has_value or "may be repeated" in option.help or "Default: " in option.help, option.name


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=name)
def test_a_summary_is_short_and_not_cut(path):
    summary = COMMANDS[path].short_help
    assert summary and summary.endswith(".") and len(summary) < LONGEST, (summary, len(summary or ""))
    line = next(line for line in shown(path[:-1]).splitlines() if line.strip("│| ").startswith(f"{path[-1]} "))
    assert summary in line


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_an_example_calls_the_command(path):
    text = " ".join(LEAVES[path].help.split())
    assert f"Example: `python -m monai_kd {name(path)}" in text
    known = {one for command in LEAVES.values() for option in options(command) for one in spellings(option)}
    known_here = {one for option in options(LEAVES[path]) for one in spellings(option)}
    calls = re.findall(r"`python -m monai_kd ([^`]+)`", text)
    for call in calls:
        assert call.startswith(f"{name(path)} ")
        given = set(re.findall(r"--[a-z-]+", call))
        assert given <= (known_here if path != ("run",) else known | {"--method"}), call


def test_a_name_has_one_meaning():
    helps, types = defaultdict(set), defaultdict(set)
    for command in LEAVES.values():
        for option in options(command):
            helps[option.opts[0]].add(option.help)
            types[option.opts[0]].add(option.metavar or kind(option.type_descriptor.annotation))
    assert not [key for key in helps if len(helps[key]) > 1 and len(types[key]) > 1]


@pytest.mark.parametrize(
    "words",
    [
        ["data", "phantom", "--output_dir", "OUT", "--normal_fraction", "0.5", "--count", "2"],
        ["data", "phantom", "--output-dir", "OUT", "--normal-fraction", "0.5", "--count", "2"],
        ["data", "phantom", "--output_dir=OUT", "--normal_fraction=0.5", "--count=2"],
    ],
    ids=["underscores", "dashes", "equals"],
)
def test_underscores_are_taken_and_values_stay(words, tmp_path):
    out = tmp_path / "a_folder-of_mine"
    result = CliRunner().invoke(command_line.app, [word.replace("OUT", str(out)) for word in words])
    assert result.exit_code == 0, result.output
    assert (out / "original" / "000002.png").is_file()
