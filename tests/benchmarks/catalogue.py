# SPDX-License-Identifier: Apache-2.0
"""
The table of all methods of the bundle in docs/methods.md, from the overlays and from what each loss says of itself.

    python tests/benchmarks/catalogue.py docs/methods.md

The costs that the table has stay; `methods.py` measures them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_kd import handlers, losses
from monai_kd.losses.parts.loss_table import described

CONFIGS = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation" / "configs"
COLUMNS = ("overlay", "compares", "of", "needs", "step", "MB", "source")
STOCK = {
    "MSELoss": ("values, by squared difference", "Romero 2015 (FitNets); Behboodi 2025"),
    "L1Loss": ("values, by absolute difference", "Xu 2018"),
}
BEGIN, END = "<!-- methods: python tests/benchmarks/methods.py --write docs/methods.md -->", "<!-- end of methods -->"


def methods() -> list[str]:
    """The overlays' names."""
    return sorted(path.stem for path in (CONFIGS / "methods").glob("*.json"))


def description(name: str) -> tuple[str, str]:
    """What a loss or a handler compares, and its paper; PyTorch's losses are described here."""
    return STOCK.get(name) or described(getattr(losses, name, None) or getattr(handlers, name))


def row(method: str, costs: Mapping[str, tuple[str, str]]) -> list[str]:
    """The cells of one overlay."""
    config = json.loads((CONFIGS / "methods" / f"{method}.json").read_text())
    ways = _ways(config)
    names = [way.get("loss", way)["_target_"].rpartition(".")[2] for way in ways]
    main = [name for name in names if name != "LogitsKLLoss"] or names
    step, memory = costs.get(method, ("–", "–"))
    return [
        f"`{method}`",
        "; ".join(dict.fromkeys(f"{description(name)[0]} (`{name}`)" for name in names)),
        " and ".join(dict.fromkeys(_of(way) for way in ways)),
        ", ".join(_needs(config, ways, names)) or "–",
        step,
        memory,
        "; ".join(dict.fromkeys(description(name)[1] for name in main)),
    ]


def _ways(config: Mapping[str, Any]) -> list[Any]:
    """The pathways, and handlers that add a term of their own."""
    pathways = [way for name, way in config.get("pathways", {}).items() if name != "_target_"]
    entries = [entry for entry in config.values() if isinstance(entry, dict)]
    return pathways + [entry for entry in entries if "monai_kd.handlers." in entry.get("_target_", "")]


def _of(way: Mapping[str, Any]) -> str:
    if way["_target_"] == "monai_kd.handlers.GradientAttentionHandler":
        return "gradients with respect to the image"
    return "hidden features" if "student_layer" in way else "logits"


def _needs(config: Mapping[str, Any], ways: list[Any], names: list[str]) -> list[str]:
    classes = [getattr(losses, name, None) for name in names]
    needs = {
        "the label": any("label" in getattr(loss, "uses", ()) for loss in classes),
        "a trained adapter": any("student_adapter" in way for way in ways),
        "unlabelled images": "unlabelled_dir" in config,
        "a discriminator": "discriminator" in config,
        "networks of its own": "teacher_def" in config,
        "a training before": "autoencoder_checkpoint" in config,
    }
    return [need for need, needed in needs.items() if needed]


def table(costs: Mapping[str, tuple[str, str]]) -> str:
    """The whole table in Markdown."""
    rows = [COLUMNS, ["---"] * len(COLUMNS), *(row(method, costs) for method in methods())]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def known_costs(page: str) -> dict[str, tuple[str, str]]:
    """The costs that a page's table has, by overlay."""
    text = page.partition(BEGIN)[2].partition(END)[0]
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if "`" in line]
    return {cells[0].strip("`"): (cells[4], cells[5]) for cells in lines}


def replace_table(path: Path, costs: Mapping[str, tuple[str, str]]) -> None:
    """Make a page's table anew; costs that are not given stay."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{path} has no lines '{BEGIN}' and '{END}'. Put them around the place of the table.")
    made = table({**known_costs(page), **costs})
    path.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    replace_table(parser.parse_args().page, {})
