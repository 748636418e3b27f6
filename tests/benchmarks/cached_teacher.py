# SPDX-License-Identifier: Apache-2.0
"""
What a step with a cached teacher costs, beside the plain student step and the live teacher.

    python tests/benchmarks/cached_teacher.py [--threads 2] [--batch 16] [--side 128] [--rounds 20]

Every step makes the student's batched view. All trainers take turns on the same batch in one process, so that the
machine's moods meet all of them. A ratio is the median of the rounds' ratios to the plain student step.
"""

from __future__ import annotations

import statistics

import torch
from distillation_step import STEPS, iteration_times
from in_turns import random_batch, read_arguments, table_row
from monai.engines import SupervisedTrainer
from monai.losses import DiceCELoss
from monai.networks.nets import UNet

from monai_kd import CachedTeacher, DistillationTrainer, LogitsKLLoss, Pathway, Pathways
from monai_kd.engines import PrepareBatchViews
from monai_kd.export.timing import in_turns
from monai_kd.networks import ChannelAdapter, StudentUNet
from monai_kd.transforms import BatchRandAffine, BatchRandFlip, BatchRandGaussianNoise, View

STUDENT = View(
    [BatchRandFlip(0.5, spatial_axis=0), BatchRandAffine(1.0, rotate_range=0.3, scale_range=[0.2, 0.2])],
    [BatchRandGaussianNoise(0.5)],
)
WIDTHS = (14, 28, 56, 112, 224, 448)
ENCODER = ".".join(["model"] + ["1.submodule"] * 5)


def trainers(batch: dict[str, torch.Tensor]) -> dict[str, SupervisedTrainer]:
    """The plain step first."""
    device = batch["image"].device
    teacher = UNet(2, 1, 2, channels=WIDTHS, strides=(2,) * 5, num_res_units=2).to(device).eval()

    def common(pathways: Pathways | None = None) -> dict[str, object]:
        torch.manual_seed(0)
        student = StudentUNet(2, 1, 2).to(device)
        weights = [*student.parameters(), *(pathways.parameters() if pathways else [])]
        own_view = {} if pathways is None else {"teacher": View(), "aligned": True}
        return {
            "network": student,
            "optimizer": torch.optim.AdamW(weights, 1e-3),
            "loss_function": DiceCELoss(softmax=True, to_onehot_y=True),
            "device": device,
            "max_epochs": 1,
            "train_data_loader": [dict(batch) for _ in range(STEPS)],
            "prepare_batch": PrepareBatchViews(student=STUDENT, **own_view),
            **({} if pathways is None else {"pathways": pathways}),
        }

    def logits() -> Pathways:
        return Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5))

    def both() -> Pathways:
        adapter = ChannelAdapter(2, 128, WIDTHS[-1])
        hidden = Pathway(torch.nn.MSELoss(), "encoder", ENCODER, student_adapter=adapter)
        return Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5), hidden=hidden).to(device)

    return {
        "plain student step": SupervisedTrainer(**common()),
        "live teacher, logits": DistillationTrainer(teacher=teacher, **common(logits())),
        "cached teacher, logits": DistillationTrainer(teacher=CachedTeacher(teacher, [""]), **common(logits())),
        "cached teacher, logits and hidden": DistillationTrainer(
            teacher=CachedTeacher(teacher, ["", ENCODER]), **common(both())
        ),
    }


def main() -> None:
    arguments = read_arguments(__doc__, side=128)
    batch = random_batch(arguments)
    device = batch["image"].device
    timers = {name: iteration_times(trainer, device) for name, trainer in trainers(batch).items()}
    rounds = list(in_turns(timers, arguments.rounds))
    print("| step | ms: median (p10–p90) | ratio to the plain student step |")
    print("| --- | --- | --- |")
    plain = next(iter(timers))
    for name in timers:
        ratio = statistics.median(times[name] / times[plain] for times in rounds)
        print(table_row(name, rounds, f"{ratio:.3f}"))


if __name__ == "__main__":
    main()
