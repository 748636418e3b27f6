# SPDX-License-Identifier: Apache-2.0
"""
Where the time of a student's ONNX and INT8 forms goes, by ONNX Runtime's own profiler: a table in Markdown.

    python tests/benchmarks/int8_profile.py exported [--size 224] [--rounds 80] [--threads 1]

Both run one image in every round, in turns; of each kind of work the median over the rounds is given. What the runtime
does between the nodes is not in it, and the profiler itself takes some time: `benchmark` tells the time of a call.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from monai_kd.benchmark.latency_report import timed_image
from monai_kd.export import open_export
from monai_kd.utils.processes import cpu_name

LAYOUT = "features to and from the layout that convolutions take"
CONVERSIONS = "numbers to and from INT8"
OTHERS = "resizing, sums, activations, all others"
KINDS = {
    "convolutions": ("Conv", "FusedConv", "QLinearConv", "ConvInteger"),
    LAYOUT: ("ReorderInput", "ReorderOutput", "Transpose"),  # of the first two, float convolutions; of the last, INT8
    CONVERSIONS: ("QuantizeLinear", "DequantizeLinear"),
    "instance normalization": ("InstanceNormalization",),
}
WARM_UP = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exported", type=Path, help="A folder that 'export' wrote, with onnx and int8.")
    for name, default in (("size", 224), ("rounds", 80), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    exported, _ = open_export(arguments.exported)
    image = timed_image(exported, arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        forms = {form: exported.forms()[form] for form in ("onnx", "int8")}
        sessions = {form: profiled(file, Path(folder, form), arguments.threads) for form, file in forms.items()}
        for _ in range(arguments.rounds + WARM_UP):
            for session in sessions.values():
                session.run(None, {"image": image})
        times = {form: milliseconds(Path(session.end_profiling())) for form, session in sessions.items()}
    print("| ms | float | INT8 |\n| --- | ---: | ---: |")
    for kind in [*KINDS, OTHERS, "together"]:
        medians = [statistics.median(one[kind] for one in times[form]) for form in forms]
        print(f"| {kind} | " + " | ".join(f"{median:.2f}" if median else "–" for median in medians) + " |")
    shape = "×".join(map(str, np.shape(image)[2:]))
    print(f"\nOne image of {shape}, {arguments.threads} thread(s), median of {arguments.rounds} rounds in turns.")
    print(f"{cpu_name()}; ONNX Runtime {onnxruntime.__version__}.")


def profiled(file: Path, profile: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session that writes down the time of each node."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def milliseconds(profile: Path) -> list[Counter[str]]:
    """Of each round by kind of work."""
    events: list[dict[str, Any]] = json.loads(profile.read_text(encoding="utf-8"))
    runs = sorted((event["ts"], event["ts"] + event["dur"]) for event in events if event["name"] == "model_run")
    rounds = [Counter[str]() for _ in runs]
    of_operator = {operator: kind for kind, operators in KINDS.items() for operator in operators}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            number = next(i for i, (start, end) in enumerate(runs) if start <= event["ts"] <= end)
            for kind in (of_operator.get(event["args"]["op_name"], OTHERS), "together"):
                rounds[number][kind] += event["dur"] / 1000
    return rounds[WARM_UP:]


if __name__ == "__main__":
    main()
