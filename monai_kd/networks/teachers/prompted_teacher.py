# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

__all__ = ["PromptedTeacher"]

Box = tuple[float, float, float, float]
NOTHING = 20.0  # minus the logit of a pixel in an image without boxes


class PromptedTeacher(nn.Module):
    """
    A teacher that gets boxes around the lesions as prompts, and segments the lesions.

    The student never sees a box; it learns from the segmentations. So training needs boxes only, which take a tenth of
    the time that masks take to draw. The second input channel is a mask or filled boxes; each connected part is one
    prompt. Each side of its box is moved by up to ``jitter`` pixels, as an annotator would draw it. The random numbers
    depend on the box only, so the prediction for an image is always the same and :class:`monai_kd.CachedTeacher` can
    cache it.

    Args:
        network: with an attribute ``size`` S, such as :class:`LiteMedSAM`. It takes an image (1, 3, S, S) of values 0
            to 1, rows downwards, and boxes (1, 4), and returns logits (1, 1, s, s).
        jitter: in pixels of the network's image; 0 for none. Defaults to 4.0.
        subtrahend, divisor: s and d of the normalization (x − s) / d of gray values 0 to 255, as in
            ``NormalizeIntensityd``.

    Shapes:
        (B, 2, W, H), the image and its mask, to logits (B, 2, W, H), background and lesion, in MONAI's order of axes.
        Without a lesion in the mask, all pixels are background.

    Raises:
        ValueError: At the call, when the input does not have two channels.

    Example:
        >>> class Inside(nn.Module):
        ...     size = 8
        ...     def forward(self, image, boxes):
        ...         logits = torch.full((1, 1, 8, 8), -5.0)
        ...         x0, y0, x1, y1 = boxes[0].round().long().tolist()
        ...         logits[..., y0:y1, x0:x1] = 5.0
        ...         return logits
        >>> mask = torch.zeros(1, 1, 8, 8)
        >>> mask[..., 2:4, 1:7] = 1
        >>> logits = PromptedTeacher(Inside(), jitter=0)(torch.cat([torch.zeros(1, 1, 8, 8), mask], dim=1))
        >>> torch.equal(logits.argmax(1, keepdim=True), mask.long())
        True
    """

    def __init__(
        self, network: nn.Module, jitter: float = 4.0, subtrahend: float = 114.5, divisor: float = 57.6
    ) -> None:
        super().__init__()
        self.network, self.jitter = network, jitter
        self.subtrahend, self.divisor = subtrahend, divisor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, W, H) for an image and its mask, shape (B, 2, W, H)."""
        if image.ndim != 4 or image.shape[1] != 2:
            raise ValueError(
                f"PromptedTeacher got {tuple(image.shape)}, expected (B, 2, W, H): a gray image and its mask. Set "
                "PrepareBatchViews(prompt=True)."
            )
        boxes = [lesion_boxes(mask.T.detach().cpu().numpy() > 0.5) for _, mask in image]
        logits = torch.stack([self.outline(one, of_one) for (one, _), of_one in zip(image, boxes, strict=True)])
        return torch.stack([-logits / 2, logits / 2], dim=1)  # their softmax is the sigmoid of the logits

    def outline(self, image: torch.Tensor, boxes: Sequence[Box]) -> torch.Tensor:
        """
        Logits of all lesions of one image, shape (W, H).

        Args:
            image: normalized, shape (W, H).
            boxes: x and y of the upper left and of the lower right corner of each lesion, in pixels of the image.
        """
        upright, size = image.T, int(self.network.size)  # type: ignore[arg-type]  # rows are the last axis in MONAI
        answer = torch.full_like(upright, -NOTHING)
        if not boxes:
            return answer.T
        gray = ((upright * self.divisor + self.subtrahend) / 255).clamp(0, 1)[None, None]
        gray = F.interpolate(gray, size=(size, size), mode="bilinear", align_corners=False)
        scale = image.new_tensor([size / upright.shape[1], size / upright.shape[0]] * 2)
        for box in boxes:
            corners = (image.new_tensor(box) * scale + self._moved(box).to(image)).clamp(0, size)
            logits = self.network(gray.expand(-1, 3, -1, -1), corners[None])
            inside = F.interpolate(logits, size=upright.shape, mode="bilinear", align_corners=False)[0, 0]
            answer = torch.maximum(answer, inside)
        return answer.T

    def _moved(self, box: Box) -> torch.Tensor:
        seed = int(np.dot(np.asarray(box), [1, 4099, 16785407, 7919]) % 2**31)
        return (2 * torch.rand(4, generator=torch.Generator().manual_seed(seed)) - 1) * self.jitter


def lesion_boxes(mask: npt.NDArray[np.bool_]) -> list[Box]:
    """
    The box around each connected part of a mask (H, W): x and y of the upper left and the lower right corner, in
    pixels.

    Example:
        >>> lesion_boxes(np.array([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]], dtype=bool))
        [(1.0, 0.0, 3.0, 1.0), (0.0, 2.0, 1.0, 3.0)]
    """
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    return [
        (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
        for rows, columns in ndimage.find_objects(parts)
    ]
