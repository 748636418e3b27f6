# SPDX-License-Identifier: Apache-2.0
"""What the scanner adds beside the scan: text, a ruler, a gray bar, and the result of the calipers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Margins:
    """
    The margins around the scan; lengths relative to the scan's height.

    Args:
        gray: of the background, 0 to 255.
        ink: gray of text and ruler, 0 to 255.
        name: of the manufacturer, as printed.
        probes: printed names of the linear and the curved probe.
    """

    left: float
    top: float
    right: float
    bottom: float
    gray: int
    ink: int
    name: str
    probes: tuple[str, str]


MARGINS = {
    "crisp": Margins(0.1, 0.1, 0.14, 0.06, 0, 215, "ARGUS X9", ("L18-5", "C6-1")),
    "smooth": Margins(0.16, 0.1, 0.08, 0.1, 18, 190, "Lumen S70", ("LA3-16A", "CA1-7A")),
    "vintage": Margins(0.06, 0.18, 0.2, 0.12, 0, 255, "SONOLAB 400", ("7.5MHz LIN", "3.5MHz CVX")),
    "handheld": Margins(0.02, 0.1, 0.1, 0.16, 36, 235, "pocket echo", ("L", "C")),
}
"""Margins of each of ``consoles.SCANNERS``."""


def burn_in(
    image: NDArray[np.uint8], margins: Margins, lines: list[str], result: str, pitch: float
) -> tuple[NDArray[np.uint8], Box]:
    """
    Put ``image`` (H, W) into the scanner's screen; nothing is drawn over the scan.

    Args:
        lines: printed above the scan, two in a row.
        result: of the calipers, printed below the scan; may be empty.
        pitch: mm between the pixels in depth, for the ruler.

    Returns:
        The screen, and the box of the scan in it (left, top, right, bottom, the last two exclusive).
    """
    height, width = image.shape
    left, top, right, bottom = (
        max(2, round(part * height)) for part in (margins.left, margins.top, margins.right, margins.bottom)
    )
    screen = Image.new("L", (left + width + right, top + height + bottom), margins.gray)
    draw = ImageDraw.Draw(screen)
    size = max(9, round(0.035 * height))
    font = ImageFont.load_default(size)
    for number, line in enumerate(lines):
        row, column = divmod(number, 2)
        draw.text((4 + column * (left + width) // 2, 2 + row * size), line, fill=margins.ink, font=font)
    draw.text((left + 4, top + height + 2), result, fill=margins.ink, font=font)
    _ruler(draw, (left + width, top), height, margins.ink, pitch)
    if left > 12:
        bar = np.linspace(255, 0, max(2, height // 3)).astype(np.uint8)[:, None].repeat(min(10, left - 8), axis=1)
        screen.paste(Image.fromarray(bar), (4, top + height // 6))
    screen.paste(Image.fromarray(image), (left, top))
    return np.asarray(screen), (left, top, left + width, top + height)


def _ruler(draw: ImageDraw.ImageDraw, corner: tuple[int, int], height: int, ink: int, pitch: float) -> None:
    """A tick for every 5 mm of depth, longer for every 10 mm, to the right of the scan."""
    for tick in range(int(height * pitch / 5) + 1):
        row = corner[1] + min(round(tick * 5 / pitch), height - 1)
        draw.line((corner[0] + 2, row, corner[0] + (4 if tick % 2 else 8), row), fill=ink)
