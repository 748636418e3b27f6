# SPDX-License-Identifier: Apache-2.0
"""
The notebooks of the docs run, and hold the outputs of a run from top to bottom.

``python -m tests.test_notebooks`` runs them at their written size and stores what came out.
"""

import math
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted(Path(__file__).parents[1].joinpath("docs", "notebooks").glob("*.ipynb"))
SMALL = {"COUNT": 16, "LABELS": 4, "SIZE": 64, "STEPS": 2, "EPOCHS": 2}
FURTHER = {"compare_pathways": {"TEACHER_EPOCHS": 2}}
MACHINE_PATH = re.compile(r"(?<![\w.<>/:])/(?:tmp|home|root|Users|usr|opt|var|mnt|builds)\b|[A-Z]:\\")
KEPT = {"tags", "mystnb"}  # of a cell's metadata


def execute(path, parameters):
    """Run a notebook with other values in its cell tagged "parameters", where the notebook lies."""
    notebook = nbformat.read(path, as_version=4)
    (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    for name, value in parameters.items():
        cell.source, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value!r}", cell.source)
        assert found == 1, f"{path.name} has no parameter {name}"
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=900, record_timing=False, resources=place).execute()
    return notebook


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook, kind):
    """What the cells show, of one MIME type."""
    data = (output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs)
    return [shown[kind] for shown in data if kind in shown]


def tables(notebook):
    """Each table as a dictionary of rows by their first cell."""
    found = []
    for text in outputs(notebook, "text/markdown"):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
        found.append({row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows})
    return found


def check_dice(row):
    cells = [cell for column, cell in row.items() if column.startswith("Dice")]
    assert cells
    for cell in cells:
        dice = float(cell.split(" ± ")[0])
        assert math.isfinite(dice) and 0 <= dice <= 100, row


def check_results(notebook):
    """What holds at any size: which rows there are, and what belongs to networks and losses."""
    first, *others = tables(notebook)
    for row in first.values():
        check_dice(row)
    if not others:
        assert list(first) == ["teacher", "student alone", "student distilled"]
        sizes = [int(row["parameters"].replace(",", "")) for row in first.values()]
        assert sizes[0] > 50 * sizes[1] and sizes[1] == sizes[2]
        assert all(float(row["ms per image"]) > 0 for row in first.values())
        return
    assert list(first) == ["student alone", "logits", "hidden features", "relations", "logits and relations"]
    assert [name for name, row in first.items() if row["weights"] != "0"] == ["hidden features"]
    assert first["student alone"]["times"] == "1.00"
    assert all(float(row["ms per step"]) > 0 for row in first.values())
    check_gains(first)
    check_terms(others[0])


def check_gains(rows):
    alone = rows["student alone"]
    for name, row in rows.items():
        for column in (column for column in row if column.startswith("gain")):
            if row is alone:
                assert row[column] == "–"
                continue
            dice = column.replace("gain", "Dice") + " (%)"
            gain = float(row[dice]) - float(alone[dice])
            assert math.isclose(float(row[column]), gain, abs_tol=0.151), name  # three rounded numbers


def check_terms(rows):
    """The terms are those that a row names, and add up to the loss, rounded as they are."""
    named = {
        "student alone": set(),
        "logits": {"logits", "overlap"},
        "hidden features": {"hidden"},
        "relations": {"relations"},
        "logits and relations": {"logits", "overlap", "relations"},
    }
    assert list(rows) == list(named)
    for name, row in rows.items():
        terms = {column: float(cell) for column, cell in row.items() if column != "loss" and cell != "–"}
        assert set(terms) == {"supervised_loss", *named[name]}
        assert math.isclose(sum(terms.values()), float(row["loss"]), abs_tol=0.003)


def title(path):
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=title)
def test_runs_and_leaves_nothing(path, tmp_path, monkeypatch):
    for variable, folder in (("TMPDIR", "temporary"), ("IPYTHONDIR", "ipython"), ("JUPYTER_RUNTIME_DIR", "runtime")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setenv("MONAI_DATA_DIRECTORY", str(tmp_path / "new" / "data"))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = execute(path, {**SMALL, **FURTHER.get(path.stem, {})})
    check_results(notebook)
    figures = sum("plt.show()" in cell.source for cell in code_cells(notebook))
    assert len(outputs(notebook, "image/png")) == figures > 0
    assert not list((tmp_path / "new" / "data").iterdir())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=title)
def test_stored_outputs_are_of_one_run_without_warnings(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type in ("stream", "display_data"), output
            assert output.get("name") != "stderr", output
        shows = any("image/png" in output.get("data", {}) for output in cell.outputs)
        assert shows == ("plt.show()" in cell.source)
    check_results(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=title)
def test_stored_files_are_small_and_tell_nothing_of_a_machine(path):
    notebook = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 700_000
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(set(cell.metadata) <= KEPT for cell in notebook.cells)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            texts = [output.get("text", ""), *(str(v) for k, v in output.get("data", {}).items() if k != "image/png")]
            assert not any(MACHINE_PATH.search(text) for text in texts), texts


@pytest.mark.parametrize("path", NOTEBOOKS, ids=title)
def test_links_lead_somewhere(path):
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert links
    for link in links:
        assert (path.parent / link).exists(), link


def test_stored_logits_win_with_every_seed():
    notebook = nbformat.read(NOTEBOOKS[0].with_stem("compare_pathways"), as_version=4)
    rows = tables(notebook)[0]
    dice = {
        name: [float(cell) for column, cell in row.items() if column.startswith("Dice")] for name, row in rows.items()
    }
    for name in ("logits", "logits and relations"):
        assert min(dice[name]) > max(dice["student alone"])


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["compare_pathways", "distil_your_first_student"]


if __name__ == "__main__":
    for file in NOTEBOOKS:
        executed = execute(file, {})
        executed.metadata["language_info"] = {"name": "python"}  # not the version of whoever ran it
        nbformat.write(executed, file)
