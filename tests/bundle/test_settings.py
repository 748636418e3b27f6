# SPDX-License-Identifier: Apache-2.0
"""``--set id=value``: of the config's kind, each once."""

import pytest

from monai_kd.bundle.config_ids import set_values
from monai_kd.commands.settings import parse_settings

CONFIG = {"max_epochs": 3, "spatial_size": [64, 64], "resume": True, "net": {"_target_": "UNet", "bias": True}}

WRONG = {
    'max_epochs="many"': "--set max_epochs must be a whole number from 1, got 'many'. Write for instance "
    "--set max_epochs='3'.",
    "max_epochs=0": "got 0",
    "spatial_size=64": "Write for instance --set spatial_size='[64, 64]'.",
    "spatial_size=[64]": "a list of 2 whole numbers",
    'resume="no"': "--set resume must be True or False, got 'no'. Write for instance --set resume='true'.",
    'net#bias="no"': "--set net#bias must be True or False",
    "max_epoch=3": "No id 'max_epoch' in the config. Closest: 'max_epochs'.",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_a_value_of_the_wrong_kind_is_refused(text, message):
    with pytest.raises(ValueError) as caught:
        set_values([{**CONFIG, "net": dict(CONFIG["net"])}], parse_settings([text]), "the config")
    assert message in str(caught.value)


def test_what_is_right_is_set():
    config = {**CONFIG, "net": dict(CONFIG["net"])}
    set_values([config], parse_settings(["max_epochs=5", 'net#norm="batch"', "resume=false"]), "the config")
    assert (config["max_epochs"], config["net"]["norm"], config["resume"]) == (5, "batch", False)


def test_an_id_is_given_once():
    with pytest.raises(ValueError, match=r"--set seed=… is given twice"):
        parse_settings(["seed=1", "seed=2"])
