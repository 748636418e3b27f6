# SPDX-License-Identifier: Apache-2.0
"""The new bundle's README, under the Model Zoo's headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_kd.student_bundle.configs.train_config import teacher_file
from monai_kd.student_bundle.pairs import Pair
from monai_kd.student_bundle.teacher.teacher_bundle import TeacherBundle

__all__ = ["readme"]

PAGE = """# Model Overview

{description}

The student is `{network}` ({student_size:,} parameters), the teacher the network of the bundle "{teacher}"
({teacher_size:,} parameters), which is frozen. Written by `python -m monai_kd distill`; everything but the network,
the distillation and the resuming of runs is the teacher's bundle's.

## Data

{data_source} The lists of images and the transforms are the
teacher's, in `configs/train.json`.

Input: {in_channels} channel(s), {size}.
Output: {out_channels} channel(s) of logits, {classes}.

## Training configuration

The teacher's optimizer, loss, patches and validation. Total loss = `supervised_weight` · supervised + the pathways,
here `{method}`. `configs/methods/hidden.json` adds pairs of layers:{hidden}

## Performance

Not measured yet: run the evaluation. The teacher's own scores are in its bundle.

## MONAI Bundle Commands

From the bundle's folder. Training needs `monai_kd` and the teacher's weights, `models/{teacher_file}`, which an archive
has if it was packed `--with-teacher`. Inference needs MONAI alone:
`python -m monai.bundle run --config_file configs/inference.json`.

{listed}
A killed training continues when its command is given again.

## References

{references}
- G. Hinton, O. Vinyals, J. Dean. Distilling the knowledge in a neural network. arXiv 1503.02531, 2015.

## License

{license}. The teacher's weights in `models` and the configs are from the bundle "{teacher}"
({copyright}).
"""


def readme(
    bundle: TeacherBundle,
    metadata: Mapping[str, Any],
    pairs: Sequence[Pair],
    parameters: tuple[int, int],
    commands: Mapping[str, str],
) -> str:
    """
    ``docs/README.md``.

    Args:
        bundle: the teacher's.
        metadata: the new bundle's.
        pairs: of layers, in ``configs/methods/hidden.json``.
        parameters: of student and teacher, how many.
        commands: by what they do.
    """
    made = metadata["distillation"]
    network = str(made["student"]["_target_"])
    image = bundle.format
    layers = "\n".join(f"| `{pair.student.name}` | `{pair.teacher.name}` |" for pair in pairs)
    hidden = f"\n\n| student | teacher |\n| --- | --- |\n{layers}" if pairs else " None was found or given."
    listed = "\n".join(f"{name}:\n\n```\n{command}\n```\n" for name, command in commands.items())
    classes = ", ".join(f"{channel} {name}" for channel, name in sorted(image.classes.items()))
    has_license = (bundle.root / "LICENSE").is_file()
    license_ = "The teacher's, in `LICENSE`" if has_license else "None came with the teacher's bundle: ask its authors"
    references = "\n".join(f"- {entry}" for entry in metadata.get("references", []))
    return PAGE.format(
        description=metadata["description"],
        network=network,
        student_size=parameters[0],
        teacher_size=parameters[1],
        teacher=bundle.name,
        teacher_file=teacher_file(bundle),
        data_source=metadata.get("data_source", "As the teacher's bundle tells."),
        in_channels=image.in_channels,
        out_channels=image.out_channels,
        size=" × ".join(map(str, image.spatial_size)),
        classes=classes or "not named",
        method=made["method"],
        hidden=hidden,
        listed=listed,
        references=references or "- None given by the teacher's bundle.",
        license=license_,
        copyright=bundle.metadata.get("copyright", "copyright not told"),
    )
