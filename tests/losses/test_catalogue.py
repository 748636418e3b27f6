# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

import monai_kd.losses as losses

ROOT = Path(__file__).parents[2]


def test_every_exported_loss_is_in_the_catalogue():
    for name in losses.__all__:
        assert f"``{name}``" in losses.__doc__


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


def test_every_loss_is_an_overlay_or_named_below_the_table(catalogue):
    page = (ROOT / "docs" / "methods.md").read_text()
    first_stage = {"FeatureReconstructionLoss"}  # trains the auto-encoder, no student
    for name in set(losses.__all__) - first_stage:
        assert f"`{name}`" in page


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
    held = [text for text in tests if "(LossContract)" in text]
    assert not [name for name in losses.__all__ if not any(f"{name}(" in text for text in held)]
