# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer

from monai_kd.handlers.methods.adversarial import AdversarialHandler
from monai_kd.handlers.methods.predictions import Predictions
from monai_kd.losses.adversarial import class_loss, realness_loss

__all__ = ["AdversarialLogitsHandler"]


class AdversarialLogitsHandler(AdversarialHandler):
    r"""
    Conditional adversarial matching of logits: the discriminator predicts teacher or student, and the class.

    .. math::
        \text{discriminator:}\quad & -\langle \log P(\mathrm{real} \mid z_t) \rangle
            - \langle \log P(\mathrm{fake} \mid z_s) \rangle
            - \langle \log P(y \mid z_t) \rangle - \langle \log P(y \mid z_s) \rangle \\
        \text{student:}\quad & w \, \big( \langle \log P(\mathrm{fake} \mid z_s) \rangle
            - \langle \log P(y \mid z_s) \rangle \big)

    beside the supervised loss and a pathway of :math:`\langle |z_t - z_s| \rangle` (``torch.nn.L1Loss``). The class
    head makes the training conditional: the student must look like a teacher who is right about this sample. One
    handler serves both tasks, by the discriminator: :class:`monai_kd.networks.LogitsDiscriminator` for classification,
    :class:`monai_kd.networks.PatchLogitsDiscriminator` for segmentation, whose target for a patch is the share of each
    class in it.

    Source: in the style of Xu, Hsu and Huang, "Training shallow and thin networks for acceleration via knowledge
    distillation with conditional adversarial networks", 2017, arXiv 1709.00513, for classification. The form of the
    student's side, the minimax objective itself, was not confirmed from the full text; its gradient vanishes where the
    discriminator wins. With ``non_saturating=True`` it is :math:`-\langle \log P(\mathrm{real} \mid z_s) \rangle`
    (Goodfellow et al., 2014), of the same equilibrium, whose gradient stays and which may then outweigh the supervised
    loss: lower ``weight``. The authors' settings of the discriminator are not known either; the overlay's are ours.

    Args:
        discriminator: returns the logits of being real and those of the classes, from logits and image.
        optimizer: over the discriminator's parameters.
        weight: factor of the student's side. Defaults to 1.
        class_weight: factor of the class head on both sides. Defaults to 1; 0 removes the conditioning.
        non_saturating: whether the student's side keeps its gradient where the discriminator wins. Defaults to False.
        name: the term's name in the log.
        limit: a loss or gradient above it counts as divergence.

    Raises:
        ValueError: As :class:`AdversarialHandler`; in the run, when there is no label.

    Example:
        >>> from monai.losses import DiceCELoss
        >>> from monai_kd.engines import DistillationTrainer, loss_terms
        >>> from monai_kd.networks import PatchLogitsDiscriminator
        >>> from monai_kd.pathways import Pathway, Pathways
        >>> student, teacher = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1)
        >>> discriminator = PatchLogitsDiscriminator(spatial_dims=2, in_channels=2, num_classes=2, channels=8)
        >>> optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4)
        >>> trainer = DistillationTrainer(
        ...     network=student,
        ...     teacher=teacher,
        ...     pathways=Pathways(logits=Pathway(nn.L1Loss())),
        ...     optimizer=torch.optim.Adam(student.parameters(), 1e-4),
        ...     loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        ...     device=torch.device("cpu"),
        ...     max_epochs=1,
        ...     train_data_loader=[{"image": torch.rand(2, 1, 32, 32), "label": torch.ones(2, 1, 32, 32)}],
        ...     train_handlers=[AdversarialLogitsHandler(discriminator, optimizer)],
        ... )
        >>> trainer.run()
        >>> sorted(loss_terms(trainer.state.output))
        ['adversarial', 'adversarial_discriminator', 'logits', 'loss', 'supervised_loss']
    """

    compares = "answers, by whether a discriminator can tell them apart"
    paper = "Xu 2018"

    def __init__(
        self,
        discriminator: nn.Module,
        optimizer: Optimizer,
        weight: float = 1.0,
        class_weight: float = 1.0,
        non_saturating: bool = False,
        name: str = "adversarial",
        limit: float = 1e6,
    ) -> None:
        super().__init__(discriminator, optimizer, weight, name, limit)
        self.class_weight = class_weight
        self.non_saturating = non_saturating

    def student_objective(self, discriminator: nn.Module, shown: Predictions) -> torch.Tensor:
        """The loss of the student: low where it is taken for the teacher and its class is recognized."""
        answer, classes = discriminator(shown.student, shown.image)
        unmasked = realness_loss(answer, real=True) if self.non_saturating else -realness_loss(answer, real=False)
        return unmasked + self.class_weight * class_loss(classes, self._label(shown))

    def discriminator_objective(self, discriminator: nn.Module, shown: Predictions) -> torch.Tensor:
        """The loss of the discriminator: low where it separates teacher and student and recognizes the class."""
        real, real_classes = discriminator(shown.teacher, shown.image)
        fake, fake_classes = discriminator(shown.student, shown.image)
        told_apart = realness_loss(real, real=True) + realness_loss(fake, real=False)
        label = self._label(shown)
        return told_apart + self.class_weight * (class_loss(real_classes, label) + class_loss(fake_classes, label))

    def _label(self, shown: Predictions) -> torch.Tensor:
        if shown.label is None:
            raise ValueError(
                "AdversarialLogitsHandler predicts classes, but the batch has no label. Train on labelled images."
            )
        return shown.label
