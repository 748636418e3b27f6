# SPDX-License-Identifier: Apache-2.0
"""Draw conclusions from the measurements: why distillation does not help, and what to try next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_kd.diagnosis.measurements import Measured
from monai_kd.study.results.statistics import compare

__all__ = ["Finding", "Step", "find", "next_steps", "verdict"]

MEMORIZED = 0.1  # a teacher has memorized its labels if its Dice is lower by this on new images
DEAD, DROWNING = 0.05, 0.95  # share of the gradient that is too small, and too large
FEW_STEPS, BEHIND = 2000, 0.05  # steps, and the student's lag in Dice behind the teacher on training images
FOLLOWED = 0.02  # Dice: distillation must raise the agreement with the teacher by this
MATCH, RAISE, LOWER = "Match logits", "Raise the pathways' weights", "Lower the pathways' weights"


@dataclass(frozen=True)
class Step:
    """What to try, why it may help, and a command line or an instruction."""

    action: str
    reason: str
    command: str


@dataclass(frozen=True)
class Finding:
    """One question; its answer, "yes", "no" or "unclear"; the measured numbers; and what to try, if anything."""

    question: str
    answer: str
    evidence: str
    step: Step | None = None


def find(measured: Measured) -> list[Finding]:
    """Answer every question that the measurements allow, the most important first."""
    found = [_gap(measured), _knows_more(measured), _pool(measured), _alive(measured), _followed(measured)]
    found += [_converged(measured), _same_images(measured)]
    return [one for one in found if one is not None]


def next_steps(findings: list[Finding]) -> list[Step]:
    """What to try, each step once. Steps that change the loss come first, because the other steps depend on it."""
    steps = dict.fromkeys(one.step for one in findings if one.step is not None)
    return sorted(steps, key=lambda step: step.action not in (MATCH, RAISE, LOWER))


def verdict(measured: Measured) -> str:
    """Say in one sentence whether distillation helped."""
    if measured.alone is None:
        return "The effect of distillation is unknown: no run of the student alone was given (--student-run)."
    result = compare(measured.distilled.scores, measured.alone.scores)
    if result is None:
        return "The effect of distillation is unknown: the two runs have fewer than two validation images in common."
    change = f"{_points(result.difference)} ({_points(result.low)} to {_points(result.high)})"
    told = f"{change} points of {measured.metric}, paired over {result.images} validation images"
    if result.low > 0:
        return f"Distillation helps: {told}."
    if result.high < 0:
        return f"Distillation harms: {told}."
    return f"Distillation did not clearly help: {told}."


def _gap(measured: Measured) -> Finding | None:
    other = measured.alone or measured.distilled
    who = "the student alone" if measured.alone else "the distilled student"
    result = compare(measured.teacher.scores, other.scores)
    if result is None:
        return None
    means = f"teacher {_mean(measured.teacher.scores)}, {who} {_mean(other.scores)}"
    evidence = f"{means}: {_points(result.difference)} ({_points(result.low)} to {_points(result.high)})"
    question = f"Is the teacher better than {who} on new images?"
    if result.low > 0:
        return Finding(question, "yes", evidence)
    reason = (
        "A student cannot learn from a teacher that is no better than the student. With few labels, a pretrained "
        "encoder makes a better teacher. With many labels, a small network that trains long enough needs no teacher."
    )
    step = Step("Find a better teacher", reason, measured.commands["teacher"])
    return Finding(question, "no" if result.difference <= 0 else "unclear", evidence, step)


def _knows_more(measured: Measured) -> Finding:
    training, new = (_number(one.scores) for one in (measured.teacher_training, measured.teacher))
    evidence = (
        f"{measured.metric} of the teacher: {100 * training:.1f} on its training images, {100 * new:.1f} on new ones; "
        f"on training images it differs from the label in {_share(measured.teacher_training.wrong)} of the pixels; "
        f"entropy {_number(measured.teacher_training.entropy):.3f} on training images, "
        f"{_number(measured.teacher.entropy):.3f} on new ones"
    )
    question = "Does the teacher tell the student more than the labels do?"
    if training - new < MEMORIZED:
        return Finding(question, "yes", evidence)
    if measured.unlabelled:
        return Finding(
            question, "yes", f"on the unlabelled images only, because it has memorized its training labels; {evidence}"
        )
    reason = (
        "The teacher has memorized its training labels, so its predictions for these images tell the student nothing "
        "new. Its predictions for images without labels do. If you have no more images, give --labels in place of "
        "--unlabelled-dir: the others count as unlabelled."
    )
    return Finding(question, "no", evidence, Step("Distil on unlabelled images too", reason, measured.commands["pool"]))


def _pool(measured: Measured) -> Finding:
    evidence = f"{measured.labelled} labelled and {measured.unlabelled} unlabelled training images"
    return Finding("Are there unlabelled images?", "yes" if measured.unlabelled else "no", evidence)


def _alive(measured: Measured) -> Finding | None:
    if not measured.gradients:
        return None
    start, end = (measured.gradients[name] for name in ("start", "end"))
    evidence = (
        f"their share of the gradient is {_percent(start.share)} at the start and {_percent(end.share)} at the end; "
        f"the cosine to the supervised gradient is {start.cosine:+.2f} and {end.cosine:+.2f}"
    )
    question = "Do the distillation terms change the student's weights?"
    if max(start.share, end.share) < DEAD:
        reason = "Nearly all of the gradient comes from the supervised loss: the distillation terms are too small."
        return Finding(question, "no", evidence, Step(RAISE, reason, measured.commands["weight"]))
    if min(start.share, end.share) > DROWNING and measured.labelled:
        reason = "Nearly all of the gradient comes from the distillation terms: the labels have little effect."
        return Finding(question, "yes", evidence, Step(LOWER, reason, measured.commands["weight"]))
    return Finding(question, "yes", evidence)


def _followed(measured: Measured) -> Finding | None:
    if measured.alone is None:
        return None
    distilled, alone = measured.agreements
    result = compare(distilled, alone)
    if result is None:
        return None
    evidence = (
        f"agreement with the teacher's masks (Dice): distilled student {_mean(distilled)}, student alone "
        f"{_mean(alone)}: {_points(result.difference)} ({_points(result.low)} to {_points(result.high)})"
    )
    question = "Are the distilled student's predictions more like the teacher's?"
    if result.difference >= FOLLOWED:
        return Finding(question, "yes" if result.low > 0 else "unclear", evidence)
    if measured.on_outputs:
        return Finding(question, "no", f"{evidence}, although the loss compares their outputs")
    reason = (
        "The compared features do not influence the prediction. Logits tell the student directly where the lesion is; "
        "relations between samples or layers do so only indirectly."
    )
    return Finding(question, "no", evidence, Step(MATCH, reason, measured.commands["logits"]))


def _converged(measured: Measured) -> Finding:
    steps, curve = measured.steps, measured.curve
    student, new = _number(measured.distilled_training.scores), _number(measured.distilled.scores)
    evidence = (
        f"{steps} steps; {measured.metric} of the distilled student: {100 * student:.1f} on its training images, "
        f"{100 * new:.1f} on new ones"
    )
    question = "Was the student trained long enough?"
    rising = False
    if len(curve) >= 5:
        best = max(curve, key=lambda point: point[1])[0]
        rising = best > 0.8 * curve[-1][0]
        evidence += f"; best validation score in epoch {best} of {curve[-1][0]}"
    behind = _number(measured.teacher_training.scores) - student > BEHIND
    if not (rising or (behind and steps < FEW_STEPS)):
        return Finding(question, "yes", evidence)
    reason = (
        "The validation score was still rising."
        if rising
        else "The student is worse than the teacher even on training images."
    )
    step = Step("Train longer", f"{reason} Small networks need many steps.", measured.commands["longer"])
    return Finding(question, "no" if rising else "unclear", evidence, step)


def _same_images(measured: Measured) -> Finding | None:
    other = measured.alone or measured.distilled
    names = sorted(measured.teacher.scores.keys() & other.scores.keys())
    if len(names) < 6:
        return None
    student, teacher = (np.array([one.scores[name] for name in names]) for one in (other, measured.teacher))
    worst = np.argsort(student)[: len(names) // 3]
    lead = float((teacher - student)[worst].mean())
    evidence = (
        f"on the third of the images with the student's lowest scores, the student's mean is "
        f"{_percent(student[worst].mean())} and the teacher's is {_percent(teacher[worst].mean())}"
    )
    return Finding("Is the teacher better where the student fails?", "yes" if lead > 0.1 else "no", evidence)


def _number(values: dict[str, float]) -> float:
    return float(np.mean(list(values.values()))) if values else float("nan")


def _mean(values: dict[str, float]) -> str:
    return f"{100 * _number(values):.1f}"


def _share(values: dict[str, float]) -> str:
    return f"{100 * _number(values):.2g} %"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")
