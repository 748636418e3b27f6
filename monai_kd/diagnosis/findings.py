# SPDX-License-Identifier: Apache-2.0
"""From measurements to answers: what keeps distillation from helping, and what to try next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_kd.diagnosis.measuring import Measured
from monai_kd.study.results.statistics import compare

__all__ = ["Finding", "Step", "find", "next_steps", "verdict"]

MEMORIZED = 0.1  # of Dice: what a teacher loses from its training images to new ones, when it has learnt the labels
DEAD, DROWNING = 0.05, 0.95  # share of the gradient
FEW_STEPS, BEHIND = 2000, 0.05  # and of Dice: behind the teacher on training images
FOLLOWED = 0.02  # of Dice: agreement with the teacher that distillation must add
MATCH, RAISE, LOWER = "Match logits", "Raise the pathways' weights", "Lower the pathways' weights"


@dataclass(frozen=True)
class Step:
    """
    What to try.

    Args:
        action: in a few words.
        reason: why.
        command: how.
    """

    action: str
    reason: str
    command: str


@dataclass(frozen=True)
class Finding:
    """
    One question and its answer.

    Args:
        question: in words.
        answer: "yes", "no" or "unclear".
        evidence: the numbers.
        step: what follows; None where this is as it should be.
    """

    question: str
    answer: str
    evidence: str
    step: Step | None = None


def find(measured: Measured) -> list[Finding]:
    """
    Answer every question that the measurements allow, the most important first.

    Args:
        measured: of a distillation, and of the student alone where its run was given.
    """
    found = [_gap(measured), _knows_more(measured), _pool(measured), _alive(measured), _followed(measured)]
    found += [_converged(measured), _same_images(measured)]
    return [one for one in found if one is not None]


def next_steps(findings: list[Finding]) -> list[Step]:
    """
    What to try, each once; terms that pull elsewhere are mended first, for they spoil everything else.

    Args:
        findings: of ``find``.
    """
    steps = dict.fromkeys(one.step for one in findings if one.step is not None)
    return sorted(steps, key=lambda step: step.action not in (MATCH, RAISE, LOWER))


def verdict(measured: Measured) -> str:
    """
    What distillation brought, in a sentence.

    Args:
        measured: of a distillation, and of the student alone where its run was given.
    """
    if measured.alone is None:
        return "What distillation brought is open: no run of the student alone was given (--student-run)."
    result = compare(measured.distilled.scores, measured.alone.scores)
    if result is None:
        return "What distillation brought is open: there are fewer than two validation images in common."
    change = f"{_points(result.difference)} ({_points(result.low)} to {_points(result.high)})"
    told = f"{change} of {measured.metric}, paired over {result.images} validation images"
    if result.low > 0:
        return f"Distillation helps: {told}."
    if result.high < 0:
        return f"Distillation harms: {told}."
    return f"Distillation is not shown to help: {told}."


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
        "A student cannot learn from a teacher that knows no more than it does. A pretrained encoder leads where "
        "labels are few; where labels are many, a small network trained for long needs no teacher."
    )
    step = Step("Find a teacher that leads", reason, measured.commands["teacher"])
    return Finding(question, "no" if result.difference <= 0 else "unclear", evidence, step)


def _knows_more(measured: Measured) -> Finding:
    training, new = (_number(one.scores) for one in (measured.teacher_training, measured.teacher))
    evidence = (
        f"the teacher's {measured.metric} on its training images {100 * training:.1f}, on new ones {100 * new:.1f}; on "
        f"training images it differs from the label in {_share(measured.teacher_training.wrong)} of the pixels, with "
        f"an entropy of {_number(measured.teacher_training.entropy):.3f} (new images "
        f"{_number(measured.teacher.entropy):.3f})"
    )
    question = "Does the teacher say more than the labels do?"
    if training - new < MEMORIZED:
        return Finding(question, "yes", evidence)
    if measured.unlabelled:
        return Finding(question, "yes", f"not on its training images, but on the unlabelled ones: {evidence}")
    reason = (
        "The teacher has memorized its training labels: on these images its answer tells the student nothing new. It "
        "knows more on images without labels."
    )
    return Finding(
        question, "no", evidence, Step("Distil on unlabelled images, too", reason, measured.commands["pool"])
    )


def _pool(measured: Measured) -> Finding:
    evidence = f"{measured.labelled} labelled and {measured.unlabelled} unlabelled training images"
    return Finding("Are there unlabelled images?", "yes" if measured.unlabelled else "no", evidence)


def _alive(measured: Measured) -> Finding | None:
    if not measured.gradients:
        return None
    start, end = (measured.gradients[name] for name in ("start", "end"))
    evidence = (
        f"share of the gradient {_percent(start.share)} at the start and {_percent(end.share)} at the end, cosine to "
        f"the supervised gradient {start.cosine:+.2f} and {end.cosine:+.2f}"
    )
    question = "Do the distillation terms move the student?"
    if max(start.share, end.share) < DEAD:
        reason = "The supervised loss moves the student alone: the term is too small to matter."
        return Finding(question, "no", evidence, Step(RAISE, reason, measured.commands["weight"]))
    if min(start.share, end.share) > DROWNING and measured.labelled:
        reason = "The labels hardly count beside the distillation terms."
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
        f"agreement with the teacher's masks (Dice): distilled {_mean(distilled)}, alone {_mean(alone)}: "
        f"{_points(result.difference)} ({_points(result.low)} to {_points(result.high)})"
    )
    question = "Does the distilled student answer more like the teacher?"
    if result.difference >= FOLLOWED:
        return Finding(question, "yes" if result.low > 0 else "unclear", evidence)
    reason = (
        "What the terms compare does not reach the answer. Logits say where the lesion is; relations between samples "
        "and between layers say it at best indirectly."
    )
    return Finding(question, "no", evidence, Step(MATCH, reason, measured.commands["logits"]))


def _converged(measured: Measured) -> Finding:
    steps, curve = measured.steps, measured.curve
    student, new = _number(measured.distilled_training.scores), _number(measured.distilled.scores)
    evidence = (
        f"{steps} steps; {measured.metric} of the distilled student on its training images {100 * student:.1f}, on new "
        f"ones {100 * new:.1f}"
    )
    question = "Has the student been trained to the end?"
    rising = False
    if len(curve) >= 5:
        best = max(curve, key=lambda point: point[1])[0]
        rising = best > 0.8 * curve[-1][0]
        evidence += f"; best validation in epoch {best} of {curve[-1][0]}"
    behind = _number(measured.teacher_training.scores) - student > BEHIND
    if not (rising or (behind and steps < FEW_STEPS)):
        return Finding(question, "yes", evidence)
    reason = (
        "The validation was still rising." if rising else "The student lags behind the teacher even on training images."
    )
    step = Step("Train longer", f"{reason} Small networks need patience.", measured.commands["longer"])
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
        f"on the third of the images that is worst for the student ({_percent(student[worst].mean())}), the teacher "
        f"has {_percent(teacher[worst].mean())}"
    )
    return Finding(
        "Does the teacher know the images on which the student fails?", "yes" if lead > 0.1 else "no", evidence
    )


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
