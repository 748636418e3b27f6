# SPDX-License-Identifier: Apache-2.0
"""Problems of one image and its mask."""

from __future__ import annotations

from monai_kd.data.inspection.facts import Facts, ImageFacts, MaskFacts
from monai_kd.data.inspection.problem_kinds import Problem

# Limits far outside the values of BrEaST and BUS-BRA, where lesions have at least 599 pixels, 0.6 to 46 % of the image
# and at most 6 % of the border, and mean gray values are at least 21.
TINY_PIXELS = 50
TINY_FRACTION = 0.0005
COVERING_FRACTION = 0.9
WHOLE_FRACTION = 0.98
INVERTED_BORDER = 0.5
DARK_MEAN = 8.0


def image_problems(facts: Facts) -> list[Problem]:
    """The problems of one record, the most serious first."""
    found: list[tuple[str, str]] = []
    if facts.image_error:
        found.append(("unreadable image", facts.image_error))
    if facts.mask_error:
        found.append(("unusable mask", facts.mask_error))
    if facts.image:
        found += _of_image(facts.image)
    if facts.mask:
        found += _of_mask(facts.mask, str(facts.record.get("pathology", "unknown")))
    return [Problem(kind, (facts.id,), f"{facts.id}: {message}") for kind, message in found]


def _of_image(image: ImageFacts) -> list[tuple[str, str]]:
    found = []
    if len(image.size) > 2:
        found.append(("not two-dimensional", f"a volume of {' × '.join(map(str, image.size))} pixels"))
    span = f"gray values from {image.low:g} to {image.high:g}"
    is_eight_bit = image.low >= 0 and image.high <= 255 and not 0 < image.high <= 1
    if not is_eight_bit:
        found.append(("not 0 to 255", span))
    if image.display:
        found.append(("display setting", f"viewers apply {image.display}"))
    if image.low == image.high:
        found.append(("constant image", f"every pixel is {image.low:g}"))
    elif is_eight_bit and image.mean < DARK_MEAN:
        found.append(("dark image", f"{span}, {image.mean:.1f} on average"))
    return found


def _of_mask(mask: MaskFacts, pathology: str) -> list[tuple[str, str]]:
    if not mask.pixels:
        return [] if pathology == "normal" else [("empty mask", f"no lesion is marked, the pathology is {pathology}")]
    found = []
    if pathology == "normal":
        found.append(("lesion in a normal case", f"{mask.pixels} pixels are marked"))
    if mask.border > INVERTED_BORDER and mask.fraction < WHOLE_FRACTION:
        found.append(("inverted mask", f"{mask.border:.0%} of the image's border is marked"))
    elif mask.fraction > COVERING_FRACTION:
        found.append(("mask covers everything", f"{mask.fraction:.1%} of the image is marked"))
    elif mask.pixels < TINY_PIXELS or mask.fraction < TINY_FRACTION:
        found.append(("tiny lesion", f"{mask.pixels} pixels are marked, {mask.fraction:.3%} of the image"))
    return found
