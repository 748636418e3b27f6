# SPDX-License-Identifier: Apache-2.0
import inspect
import pkgutil
import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

import monai_kd.losses as losses

ROOT = Path(__file__).parents[2]
FURTHER = runpy.run_path(str(ROOT / "docs" / "further_losses.py"))


def test_every_exported_loss_is_in_the_catalogue():
    for name in losses.__all__:
        assert f"``{name}``" in losses.__doc__


@pytest.mark.parametrize("name", losses.__all__)
def test_every_loss_says_what_it_compares_and_its_paper(name):
    for attribute in ("compares", "paper"):
        text = vars(getattr(losses, name))[attribute]  # its own, not that of its base
        assert text and text[-1] != "." and f" {text}" in losses.__doc__


def test_every_loss_of_a_file_is_exported():
    """Whoever forgets the line in ``__init__`` is told."""
    bases_and_terms = {"ClassLoss", "SoftenedLoss", "TrajectoryLoss"}  # two base classes, and a handler's term
    for module in pkgutil.walk_packages(losses.__path__, f"{losses.__name__}."):
        for name, value in vars(import_module(module.name)).items():
            own = inspect.isclass(value) and value.__module__ == module.name and name.endswith("Loss")
            assert not own or name in losses.__all__ or name in bases_and_terms, name


@pytest.fixture
def catalogue(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "benchmarks")
    import catalogue

    return catalogue


def test_the_table_of_methods_is_the_overlays(catalogue, tmp_path):
    """A new overlay or loss must be in the table, and the message names the command that writes it."""
    page = (ROOT / "docs" / "methods.md").read_text()
    copy = tmp_path / "methods.md"
    copy.write_text(page)
    catalogue.replace_table(copy, {})
    assert copy.read_text() == page, f"Run the command of the line {catalogue.BEGIN}"


def test_the_page_of_methods_names_every_loss_when_it_is_built():
    """In the table of overlays, in its text, or in the rows that the build adds."""
    page = (ROOT / "docs" / "methods.md").read_text()
    assert page.count(FURTHER["MARK"]) == 1
    for text in (page, page.replace("`LogitsMSELoss`", "")):
        built = FURTHER["filled"](text)
        assert FURTHER["MARK"] not in built
        assert not [name for name in losses.__all__ if f"`{name}`" not in built]
    assert "| `LogitsMSELoss` | raw logits, by squared difference |" in built


def test_costs_are_kept_and_replaced(catalogue, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{catalogue.BEGIN}\n{catalogue.END}\nafter\n")
    catalogue.replace_table(page, {"review": ("1.50", "7"), "logits_kl": ("1.05", "3")})
    catalogue.replace_table(page, {"review": ("1.25", "8")})
    assert page.read_text().startswith("before\n") and page.read_text().endswith(f"{catalogue.END}\nafter\n")
    known = catalogue.known_costs(page.read_text())
    assert known["review"] == ("1.25", "8") and known["logits_kl"] == ("1.05", "3")
    page.write_text("no table")
    with pytest.raises(ValueError, match="Put them around the place of the table"):
        catalogue.replace_table(page, {})


def test_every_loss_is_held_to_the_contract():
    """Every loss has a test class that runs the common tests."""
    tests = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    held = [text for text in tests if re.search(r"\((?:Class)?LossContract\)", text)]
    assert not [name for name in losses.__all__ if not any(f"{name}(" in text for text in held)]
