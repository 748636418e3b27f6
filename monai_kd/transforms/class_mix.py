# SPDX-License-Identifier: Apache-2.0
"""ClassMix: objects of one image pasted onto another."""

from __future__ import annotations

import torch

__all__ = ["class_mix"]


def class_mix(
    image: torch.Tensor, label: torch.Tensor, onto_image: torch.Tensor, onto_label: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Paste the labelled objects (every class but 0) of one batch onto the images of another, with their labels.

    Source: Olsson et al., "ClassMix", WACV 2021; across domains: Tranheden et al., "DACS", WACV 2021. These paste half
    of the classes of each image; here all classes but the background are pasted, as in Fan et al. 2023.

    Args:
        image: shape BNH[WD].
        label: class indices, shape B1H[WD].
        onto_image: images to paste onto, of ``image``'s shape.
        onto_label: their class indices, of ``label``'s shape.

    Returns:
        The mixed images and labels, as new tensors.

    Raises:
        ValueError: When shapes differ.

    Example:
        >>> mixed = class_mix(torch.tensor([[[7.0, 8.0]]]), torch.tensor([[[0, 1]]]), torch.zeros(1, 1, 2),
        ...                   torch.tensor([[[2, 2]]]))
        >>> mixed[0].tolist(), mixed[1].tolist()
        ([[[0.0, 8.0]]], [[[2, 1]]])
    """
    if image.shape != onto_image.shape or label.shape != onto_label.shape or image.shape[2:] != label.shape[2:]:
        raise ValueError(
            f"Cannot paste images {tuple(image.shape)} with labels {tuple(label.shape)} onto images "
            f"{tuple(onto_image.shape)} with labels {tuple(onto_label.shape)}. Bring both data sets to one size and "
            "number of channels, with labels B1H[WD]."
        )
    pasted = label > 0
    return torch.where(pasted, image, onto_image), torch.where(pasted, label, onto_label.to(label.dtype))
