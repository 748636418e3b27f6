# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.optim import Optimizer

from monai_kd.handlers.methods.adversarial import AdversarialHandler
from monai_kd.handlers.methods.predictions import Predictions
from monai_kd.losses.adversarial import gradient_penalty, hinge_loss, wasserstein_loss

__all__ = ["HolisticHandler"]


class HolisticHandler(AdversarialHandler):
    r"""
    Holistic distillation: the Wasserstein distance between student's and teacher's predictions, given the image.

    .. math::
        \text{discriminator:}\quad & \langle D(z_s \mid I) \rangle - \langle D(z_t \mid I) \rangle
            + \lambda \, \big\langle (\lVert \nabla_z D(z \mid I) \rVert_2 - 1)^2 \big\rangle, \quad
            z = \alpha z_t + (1 - \alpha) z_s \\
        \text{or, by the hinge:}\quad & \langle \max(0, 1 + D(z_s \mid I)) \rangle
            + \langle \max(0, 1 - D(z_t \mid I)) \rangle \\
        \text{student:}\quad & -w \, \langle D(z_s \mid I) \rangle

    Source: Liu et al., "Structured knowledge distillation for semantic segmentation", CVPR 2019, and "... for dense
    prediction", TPAMI 2020, arXiv 1903.04197. It is one part of their objective: cross-entropy + 10 · pixel-wise +
    0.5 · pair-wise + 0.1 · holistic (1 · pair-wise in the last version of the authors' code, which also has the hinge).
    Their discriminator learns by SGD at 4e-4 (momentum 0.9, weight decay 1e-4), with its loss multiplied by 0.1, too;
    here the optimizer's learning rate takes the place of that factor. As here, it takes its step after the
    student's, on the same predictions. Several processes train as one does on the whole batch, except that each draws
    its own :math:`\alpha`.

    Args:
        discriminator: scores logits given the image: :class:`monai_kd.networks.SelfAttentionDiscriminator`.
        optimizer: over the discriminator's parameters; published learning rate 4e-4.
        weight: factor of the student's side. Defaults to 0.1.
        hinge: use the hinge loss for the discriminator. Defaults to False: the Wasserstein distance.
        penalty: factor of the gradient penalty, which the Wasserstein distance needs; the hinge has none. Defaults to
            10.
        name: the term's name in the log.
        limit: a loss or gradient above it counts as divergence.

    Raises:
        ValueError: As :class:`AdversarialHandler`.

    Example:
        >>> from monai.losses import DiceCELoss
        >>> from monai_kd.engines import DistillationTrainer, loss_terms
        >>> from monai_kd.losses import LogitsKLLoss
        >>> from monai_kd.networks import SelfAttentionDiscriminator
        >>> from monai_kd.pathways import Pathway, Pathways
        >>> student, teacher = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1)
        >>> discriminator = SelfAttentionDiscriminator(spatial_dims=2, in_channels=2, channels=(8, 16))
        >>> optimizer = torch.optim.Adam(discriminator.parameters(), 4e-4, betas=(0.0, 0.9))
        >>> trainer = DistillationTrainer(
        ...     network=student,
        ...     teacher=teacher,
        ...     pathways=Pathways(logits=Pathway(LogitsKLLoss(), weight=10.0)),
        ...     optimizer=torch.optim.Adam(student.parameters(), 1e-4),
        ...     loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        ...     device=torch.device("cpu"),
        ...     max_epochs=1,
        ...     train_data_loader=[{"image": torch.rand(2, 1, 16, 16), "label": torch.ones(2, 1, 16, 16)}],
        ...     train_handlers=[HolisticHandler(discriminator, optimizer)],
        ... )
        >>> trainer.run()
        >>> sorted(loss_terms(trainer.state.output))
        ['holistic', 'holistic_discriminator', 'logits', 'loss', 'supervised_loss']
    """

    compares = "answers with their image, by a critic's score"
    paper = "Liu 2019, holistic"

    def __init__(
        self,
        discriminator: nn.Module,
        optimizer: Optimizer,
        weight: float = 0.1,
        hinge: bool = False,
        penalty: float = 10.0,
        name: str = "holistic",
        limit: float = 1e6,
    ) -> None:
        super().__init__(discriminator, optimizer, weight, name, limit)
        self.hinge = hinge
        self.penalty = penalty

    def student_objective(self, discriminator: nn.Module, shown: Predictions) -> torch.Tensor:
        """The loss of the student: low where its score is high."""
        return -discriminator(shown.student, shown.image).float().mean()

    def discriminator_objective(self, discriminator: nn.Module, shown: Predictions) -> torch.Tensor:
        """The loss of the discriminator: low where it scores the teacher above the student."""
        real, fake = (discriminator(logits, shown.image) for logits in (shown.teacher, shown.student))
        if self.hinge:
            return hinge_loss(real, fake)
        score = partial(discriminator, image=shown.image)
        return wasserstein_loss(real, fake) + self.penalty * gradient_penalty(score, shown.teacher, shown.student)
