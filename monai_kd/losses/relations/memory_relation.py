# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F

from monai_kd.losses.logits.divergence import softmax_divergence
from monai_kd.losses.parts.class_masks import ClassLoss, check_label, class_masks
from monai_kd.losses.parts.class_queue import ClassQueue
from monai_kd.losses.parts.pixel_embeddings import check_relation, pixel_embeddings
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.unit_vectors import check_vectors, magnitude, unit_vectors

__all__ = ["MemoryRelationLoss"]

# Far below any cosine over a temperature, but finite, because infinity would give 0 · ∞ in the divergence.
_ABSENT = -1e30


class MemoryRelationLoss(ClassLoss):
    r"""
    Divergence of each pixel's similarities to stored teacher pixels and regions of earlier batches (CIRKD,
    memory-based).

    .. math:: \Big\langle \mathrm{KL}\big(\mathrm{softmax}(V \hat F^t_p / \tau)\ \|\
              \mathrm{softmax}(V \hat F^s_p / \tau)\big) \Big\rangle_p \quad
              \text{for } V = V_\mathrm{pixel}, \text{ plus the same for } V = V_\mathrm{region}

    The rows of :math:`V` are drawn from two memories, which hold the teacher's newest unit vectors of every class: one
    holds vectors of single pixels, the other means over all pixels of a class in an image. Each batch adds its vectors
    before it is compared: one mean and up to 16 random pixels for each image and each class in it. In evaluation mode
    and without gradients nothing is added. Pixels :math:`p` are compared on a coarse grid, as in
    ``CrossImageRelationLoss``.

    The memories are saved with the pathways: classes · (20000 + 2000) · channels numbers. In distributed training all
    processes use the memories of the first. Use one loss object for each pair of layers.

    Student and teacher need the same number of channels: give the student an adapter. The paper's adapter is a 1×1
    convolution, batch norm, ReLU and another 1×1 convolution, both to the teacher's channels.

    Source: Yang et al., "Cross-image relational knowledge distillation for semantic segmentation", CVPR 2022,
    arXiv 2204.06986, at weight 0.1. Sizes and temperature are those of the authors' code. That code fills its memories
    with random vectors at the start, and takes the pixels of a class from the image's first positions. This loss starts
    with empty memories, and takes the pixels that the label gives to a class, as the paper says.

    Args:
        num_classes: classes of the label, the background included. Positions of any other value are not stored.
        channels: channels of the teacher's feature.
        temperature: divisor of the cosines, above 0. Defaults to 0.1.
        pixel_memory: pixels kept for each class. Defaults to 20000.
        region_memory: regions kept for each class. Defaults to 2000.
        pixel_contrast: pixels drawn at each call, over all classes. Defaults to 4096.
        region_contrast: regions drawn at each call, over all classes. Defaults to 1024.
        max_positions: most grid cells for each image, at least 8. Defaults to 144: 12×12 in 2D, 5×5×5 in 3D.

    Raises:
        ValueError: When an argument is out of range; at the call, when batches, ranks or channels differ, or the label
            does not fit.

    Example:
        >>> import torch
        >>> loss = MemoryRelationLoss(num_classes=2, channels=3)
        >>> label = torch.zeros(1, 1, 8, 8)
        >>> value = loss(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), label=label)
        >>> loss.pixels.filled, loss.regions.filled  # the label holds the background only
        (tensor([16,  0]), tensor([1, 0]))
    """

    compares = "cosines with stored pixels and regions, by KL"
    paper = "CIRKD: Yang 2022, memory"
    pixels_per_image = 16

    def __init__(
        self,
        num_classes: int,
        channels: int,
        temperature: float = 0.1,
        pixel_memory: int = 20000,
        region_memory: int = 2000,
        pixel_contrast: int = 4096,
        region_contrast: int = 1024,
        max_positions: int = 144,
    ) -> None:
        super().__init__(num_classes)
        check_relation(temperature, max_positions)
        if min(pixel_contrast, region_contrast) < num_classes:
            raise ValueError(
                f"pixel_contrast={pixel_contrast} and region_contrast={region_contrast} must be num_classes="
                f"{num_classes} or more, because every class gives the same number."
            )
        self.channels, self.temperature = channels, temperature
        self.pixel_contrast, self.region_contrast, self.max_positions = pixel_contrast, region_contrast, max_positions
        self.pixels = ClassQueue(num_classes, channels, pixel_memory)
        self.regions = ClassQueue(num_classes, channels, region_memory)

    def extra_repr(self) -> str:
        return (
            f"num_classes={self.num_classes}, channels={self.channels}, temperature={self.temperature}, "
            f"pixel_memory={self.pixels.size}, region_memory={self.regions.size}, "
            f"pixel_contrast={self.pixel_contrast}, region_contrast={self.region_contrast}, "
            f"max_positions={self.max_positions}"
        )

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape (B, channels, H, W[, D]).
            teacher: feature, shape (B, channels, H, W[, D]), of any resolution; no gradient flows into it.
            label: class indices, shape B1H[WD], at any resolution.
        """
        check_vectors(student, teacher, "MemoryRelationLoss")
        check_label(label, teacher)
        self._check_channels(student, teacher)
        teacher = teacher.detach()
        if self.training and torch.is_grad_enabled():
            self._remember(teacher, label)
        embeddings = pixel_embeddings(student, teacher, self.max_positions)
        terms = [
            self._divergence(*embeddings, *memory.draw(count // self.num_classes))
            for memory, count in ((self.pixels, self.pixel_contrast), (self.regions, self.region_contrast))
        ]
        return torch.stack(terms).sum()

    def _divergence(
        self, student: torch.Tensor, teacher: torch.Tensor, vectors: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        weight = vectors.flatten(0, 1).to(student.dtype) / self.temperature
        bias = torch.where(valid.flatten(), 0.0, _ABSENT).to(student.dtype)
        relations = [F.linear(embedding, weight, bias) for embedding in (student, teacher)]
        return softmax_divergence(relations[0], relations[1], dim=2)

    @torch.no_grad()
    def _remember(self, teacher: torch.Tensor, label: torch.Tensor) -> None:
        embeddings = unit_vectors(teacher.flatten(2).mT, dim=2, scale=magnitude(teacher))
        # A vector of zeros is where the teacher did not see the pixel.
        masks = class_masks(label, teacher.shape[2:], self.num_classes) & embeddings.any(2).unsqueeze(1)
        means = unit_vectors(torch.einsum("bkp,bpn->kbn", masks.to(embeddings.dtype), embeddings), dim=2)
        self.regions.push(means, means.any(2))
        count = min(self.pixels_per_image, masks.shape[2])
        drawn = (torch.rand(masks.shape, device=masks.device) + masks).topk(count, dim=2).indices
        batch = torch.arange(len(masks), device=masks.device).reshape(-1, 1, 1)
        sampled = embeddings[batch, drawn].transpose(0, 1).flatten(1, 2)
        self.pixels.push(sampled, masks.gather(2, drawn).transpose(0, 1).flatten(1))

    def _check_channels(self, student: torch.Tensor, teacher: torch.Tensor) -> None:
        if teacher.shape[1] != self.channels:
            raise ValueError(
                f"MemoryRelationLoss has channels={self.channels}, but teacher feature is {tuple(teacher.shape)}. "
                f"Give channels={teacher.shape[1]}."
            )
        if student.shape[1] != self.channels:
            raise ValueError(
                f"student feature is {tuple(student.shape)} but teacher feature is {tuple(teacher.shape)}. "
                f"Add student_adapter=ChannelAdapter(spatial_dims={student.ndim - 2}, "
                f"in_channels={student.shape[1]}, out_channels={teacher.shape[1]})."
            )
