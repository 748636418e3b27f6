# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.engines.utils import IterationEvents
from torch import nn

from monai_kd import Pathway, Pathways, loss_terms
from monai_kd.engines import PrepareBatchViews
from monai_kd.losses import LogitsBCELoss, LogitsKLLoss, LogitsMSELoss
from monai_kd.transforms import BatchRandAffine, BatchRandScaleCrop, View
from monai_kd.transforms.alignment import alignment
from monai_kd.transforms.geometry import inside
from tests.engines.view_fixtures import SIZES, network, smooth_batch, strong, trainer, weak


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("teacher_view", [View(), weak()], ids=["plain", "weak"])
@pytest.mark.parametrize("loss", [LogitsKLLoss(), LogitsMSELoss(), nn.L1Loss()])
def test_identical_networks_agree_wherever_both_see(dims, teacher_view, loss):
    """Outputs and hidden layers agree if the views are aligned, and do not if they are not."""
    losses = {}
    for aligned in (True, False):
        views = PrepareBatchViews(strong(dims, noise=0.0), teacher_view, aligned=True).set_random_state(seed=1)

        def prepare(batch, *args, views=views, aligned=aligned, **kwargs):
            prepared = views(batch, *args, **kwargs)
            if not aligned:
                del batch["teacher_geometry"]
            return prepared

        pathways = Pathways(logits=Pathway(loss), hidden=Pathway(loss, "1"))
        run = trainer(prepare, [smooth_batch(dims)], network(dims), pathways=pathways)
        run.run()
        losses[aligned] = loss_terms(run.state.output)
    for name in ("logits", "hidden"):
        assert losses[True][name] < 0.05 * losses[False][name], name


def test_a_convolutional_network_agrees_within_its_reach_of_the_border():
    torch.manual_seed(0)
    student = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 2, 3, padding=1))
    shift = View([BatchRandAffine(1.0, translate_range=[6.0, 6.0])])
    views = PrepareBatchViews(shift, View(), aligned=True).set_random_state(seed=0)
    seen = {}

    class Compare(nn.Module):
        def forward(self, s, t):
            seen.update(difference=(s - t).abs())
            return (s - t).square().mean()

    run = trainer(views, [smooth_batch()], student, pathways=Pathways(hidden=Pathway(Compare(), "2")))
    run.run()
    inner = seen["difference"][..., 3:-3, 3:-3]
    assert inner.max() < 0.05 and inner.mean() < 0.005


def test_no_gradient_comes_from_outside_the_teachers_view():
    gradients = []
    batch = smooth_batch()
    views = PrepareBatchViews(strong(), View([BatchRandScaleCrop(0.5, 0.5)]), aligned=True).set_random_state(seed=0)
    run = trainer(views, [batch], teacher=nn.Conv2d(1, 2, 1), pathways=Pathways(a=Pathway(LogitsBCELoss(softmax=True))))
    run.add_event_handler(
        IterationEvents.LOSS_COMPLETED, lambda engine: engine.state.output["pred"].register_hook(gradients.append)
    )
    run.run()
    outside = ~inside(alignment(batch), SIZES[2]).expand_as(gradients[0])
    assert 0.3 < outside.float().mean() < 0.9
    assert gradients[0][outside].abs().max() < 1e-8 < gradients[0][~outside].abs().max()
