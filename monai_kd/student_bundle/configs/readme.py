# SPDX-License-Identifier: Apache-2.0
"""Write the new bundle's README, with the Model Zoo's headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_kd.student_bundle.configs.train_config import teacher_file
from monai_kd.student_bundle.layer_pairs import Pair
from monai_kd.student_bundle.teacher.data_format import DataFormat
from monai_kd.student_bundle.teacher.teacher_bundle import TeacherBundle

__all__ = ["readme"]

PAGE = """# Model Overview

{description}

The student is `{network}` ({student_size:,} parameters). The teacher is the frozen network of the bundle "{teacher}"
({teacher_size:,} parameters). This bundle was written by `python -m monai_kd distill`. The network, the distillation
and the resuming of runs are new; everything else comes from the teacher's bundle.

## Data

{data_source} The lists of images and the transforms come from the teacher's bundle. They are in `configs/train.json`.

Input: {in_channels} channel(s), {size}.
Output: {out_channels} channel(s) of logits, {classes}.

## Training configuration

The optimizer, the supervised loss, the patches and the validation are the teacher's. The total loss is
`supervised_weight` · supervised loss + the distillation terms (`pathways`), here `{method}`.
`configs/methods/hidden.json` adds pairs of layers:{hidden}

## Performance

Not measured yet. Run the evaluation to measure it. The teacher's own scores are in its bundle.

## MONAI Bundle Commands

Run these commands in the bundle's folder. Training needs the package `monai-kd` and the teacher's weights,
`models/{teacher_file}`; an archive contains them if it was packed `--with-teacher`. Inference needs MONAI
alone: `python -m monai.bundle run --config_file configs/inference.json`.

{listed}
A killed training continues when you run its command again.

## References

{references}
- G. Hinton, O. Vinyals, J. Dean. Distilling the knowledge in a neural network. arXiv 1503.02531, 2015.

## License

{license}. The teacher's weights in `models` and the configs come from the bundle "{teacher}" ({copyright}).
"""


def readme(
    bundle: TeacherBundle,
    data_format: DataFormat,
    metadata: Mapping[str, Any],
    pairs: Sequence[Pair],
    parameters: tuple[int, int],
    commands: Mapping[str, str],
) -> str:
    """The text of ``docs/README.md``; ``data_format`` is the student's, ``parameters`` are both sizes."""
    made = metadata["distillation"]
    network = str(made["student"]["_target_"])
    layers = "\n".join(f"| `{pair.student.name}` | `{pair.teacher.name}` |" for pair in pairs)
    hidden = f"\n\n| student | teacher |\n| --- | --- |\n{layers}" if pairs else " none were found or given."
    listed = "\n".join(f"{name}:\n\n```\n{command}\n```\n" for name, command in commands.items())
    classes = ", ".join(f"{channel} {name}" for channel, name in sorted(data_format.classes.items()))
    has_license = (bundle.root / "LICENSE").is_file()
    license_ = (
        "The license of the teacher's bundle, in `LICENSE`, applies"
        if has_license
        else "The teacher's bundle has no license. Ask its authors before you use or share it"
    )
    references = "\n".join(f"- {entry}" for entry in metadata.get("references", []))
    return PAGE.format(
        description=metadata["description"],
        network=network,
        student_size=parameters[0],
        teacher_size=parameters[1],
        teacher=bundle.name,
        teacher_file=teacher_file(bundle),
        data_source=metadata.get("data_source", "The data are those of the teacher's bundle."),
        in_channels=data_format.in_channels,
        out_channels=data_format.out_channels,
        size=" × ".join(map(str, data_format.spatial_size)),
        classes=classes or "not named",
        method=made["method"],
        hidden=hidden,
        listed=listed,
        references=references or "- The teacher's bundle lists none.",
        license=license_,
        copyright=bundle.metadata.get("copyright", "copyright not stated"),
    )
