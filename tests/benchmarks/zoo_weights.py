# SPDX-License-Identifier: Apache-2.0
"""
Random weights of a bundle's own network, in every file that its configs load.

    cd bundle; python zoo_weights.py .
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from monai.networks.nets import TopologySearch

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.student_bundle.teacher.mending import mended
from monai_kd.utils.checkpoints import save_checkpoint

FILE = re.compile(r"[\w.-]+\.pt\b")
SEARCHED = "search_code"  # the architecture that a search found, and no weights


def write_architecture(path: Path, config: ConfigParser) -> None:
    """What a search of DiNTS leaves behind, of random probabilities."""
    space = config.get("dints_space", {})
    torch.manual_seed(0)
    search = TopologySearch(
        channel_mul=space["channel_mul"], num_blocks=space["num_blocks"], num_depths=space["num_depths"], device="cpu"
    )
    node_a, code_a, code_c, _ = search.decode()
    torch.save({"node_a": node_a, "arch_code_a": code_a, "arch_code_c": code_c}, path)


def main() -> None:
    root = Path(sys.argv[1]).resolve()
    folder = BundleFolder(root)
    parser = ConfigParser(mended(folder.config("train" if folder.has("train") else "inference"))[0])
    parser["bundle_root"] = str(root)
    texts = [file.read_text(errors="replace") for file in (root / "configs").iterdir() if file.suffix != ".conf"]
    names = {name for text in texts for name in FILE.findall(text)} or {"model.pt"}
    models = root / "models"
    models.mkdir(exist_ok=True)
    with importable_scripts(root):
        for name in sorted(name for name in names if SEARCHED in name):
            write_architecture(models / name, parser)
        torch.manual_seed(0)
        network = parser.get_parsed_content("network_def" if "network_def" in parser else "net")
    for name in sorted(name for name in names if SEARCHED not in name):
        save_checkpoint(network.state_dict(), models / name)
    print(f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters")


if __name__ == "__main__":
    main()
