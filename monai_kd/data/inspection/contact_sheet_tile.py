# SPDX-License-Identifier: Apache-2.0
"""One picture of a contact sheet, with its caption."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd
from monai_kd.data.inspection.contact_sheet_images import Pick
from monai_kd.utils.figures import GREEN, contour

WIDTH, HEIGHT = 236, 180  # of the picture
CAPTION = 50  # pixels below the picture, for the id and two lines
LINE = 15
LETTERS = 36  # per line
PAPER, INK, FAINT, FRAME = (255, 255, 255), (20, 20, 20), (90, 90, 90), (24, 24, 24)
LINE_WIDTH = 2
SMALL = 60  # pixels of a lesion that is easily overlooked
RING = 14

Values = npt.NDArray[Any]


def tile(pick: Pick) -> Image.Image:
    """The image in a frame with the contour of its mask in green; the id and the caption below."""
    picture = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, WIDTH - 1, HEIGHT - 1), fill=FRAME)
    if pick.facts.image is None:
        draw.text((WIDTH / 2, HEIGHT / 2), "cannot be read", font=font(14), fill=(255, 255, 255), anchor="mm")
    else:
        shown = _shown(pick)
        picture.paste(shown, ((WIDTH - shown.width) // 2, (HEIGHT - shown.height) // 2))
    draw.text((0, HEIGHT + 3), _fitted(pick.facts.id, LETTERS - 6), font=font(12), fill=INK)
    for number, line in enumerate(textwrap.wrap(pick.words, LETTERS, max_lines=2, placeholder=" …"), 1):
        draw.text((0, HEIGHT + 3 + number * LINE), line, font=font(11), fill=FAINT)
    return picture


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of captions and headings. It is matplotlib's, because Pillow's own lacks most letters."""
    import matplotlib  # slow to import, and needed only here

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _fitted(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters // 2]}…{text[-letters // 2 :]}"


def _shown(pick: Pick) -> Image.Image:
    """The picture as large as the frame allows; 8-bit images keep their brightness."""
    facts = pick.facts
    loaded = LoadUltrasoundd(("image", "label") if facts.mask else "image")(facts.record)
    mask = loaded["label"][0].numpy() > 0 if facts.mask else None
    image = loaded["image"][0].numpy()
    if image.ndim == 3:
        middle = image.shape[2] // 2 if mask is None else int(mask.sum(axis=(0, 1)).argmax())
        image, mask = image[..., middle], None if mask is None else mask[..., middle]
    low, high = float(image.min()), float(image.max())
    if low >= 0 and 1 < high <= 255:
        low, high = 0.0, 255.0
    gray = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255
    scale = min(WIDTH / image.shape[0], HEIGHT / image.shape[1])
    size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    small = Image.fromarray(gray.T.astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)
    if mask is None:
        return small.convert("RGB")
    # Average over areas, so that a lesion of a few pixels stays visible.
    share = np.asarray(Image.fromarray(mask.T.astype(np.float32)).resize(size, Image.Resampling.BOX))
    return _marked(small, share >= 0.5 if (share >= 0.5).any() else share > 0)


def _marked(picture: Image.Image, inside: npt.NDArray[np.bool_]) -> Image.Image:
    """Draw the contour in green, and a ring around a lesion that is too small to see."""
    colored = np.array(picture.convert("RGB"))
    colored[contour(inside, LINE_WIDTH)] = GREEN
    marked = Image.fromarray(colored)
    if 0 < inside.sum() < SMALL:
        y, x = (float(np.mean(places)) for places in np.nonzero(inside))
        ImageDraw.Draw(marked).ellipse((x - RING, y - RING, x + RING, y + RING), outline=GREEN)
    return marked
