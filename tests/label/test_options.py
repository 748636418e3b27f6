# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from monai_kd.label.bundle import AppBundle
from monai_kd.label.requests.options import Options
from tests.label.apps import BUNDLE


@pytest.fixture(scope="module")
def bundle():
    return AppBundle(BUNDLE)


def test_defaults_are_the_bundles(bundle):
    options = Options.of({"model": "student", "gpus": "all"}, bundle)
    assert options == Options(20, "logits_kl", 0.5, 1.0, 0.002, True, True)


def test_a_client_sends_lists_back_or_picks_from_them(bundle):
    pathways = Options.choices(bundle)["pathway"]
    assert pathways[0] == "logits_kl" and {"logits_mse", "hidden_mse", "channel_wise"} <= set(pathways)
    assert Options.of({"pathway": pathways}, bundle).pathway == "logits_kl"
    assert Options.of({"pathway": "hidden_mse"}, bundle).pathway == "hidden_mse"


def test_methods_that_need_more_than_a_pathway_are_not_offered(bundle):
    # A second checkpoint, networks of one topology, a discriminator.
    needing = {"knowledge_adaptation", "layerwise_l1", "adversarial_logits", "holistic", "unlabelled"}
    assert not needing & set(bundle.pathways)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"pathway": "logits_k"}, "No pathway 'logits_k'. Closest: 'logits_kl'."),
        ({"max_epochs": 0}, "max_epochs must be a whole number from 1 to 1000, got 0."),
        ({"max_epochs": "many"}, "max_epochs must be a whole number from 1 to 1000, got 'many'."),
        ({"max_epochs": True}, "max_epochs must be a whole number from 1 to 1000, got True."),
        ({"supervised_weight": -1}, "supervised_weight must be a number from 0, got -1."),
        ({"distillation_weight": float("nan")}, "distillation_weight must be a number from 0, got nan."),
        ({"learning_rate": 0}, "learning_rate must be a number above 0, got 0."),
        ({"unlabelled": "yes"}, "unlabelled must be true or false, got 'yes'."),
    ],
)
def test_unusable_options_are_refused(bundle, request_, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Options.of(request_, bundle)
