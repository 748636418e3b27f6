# SPDX-License-Identifier: Apache-2.0
"""What the lines of a run ask for: engines that the run names, when it needs them, whatever they give."""

import json

import pytest
from monai.bundle import ConfigWorkflow

from monai_kd.commands.run.epoch_lines import epoch_lines

ENGINE = "$@built.append('{name}') or Engine(lambda engine, batch: {output})"


@pytest.fixture
def run(tmp_path):
    """Run expressions of a config with both engines; what was built or called, in order."""

    def of(*expressions, output="0.5", trainer=ENGINE):
        config = {
            "imports": ["$import torch", "$from ignite.engine import Engine"],
            "built": "$[]",
            "train": {"trainer": trainer.format(name="trainer", output=output)},
            "validate": {"evaluator": ENGINE.format(name="evaluator", output=output)},
            "run": list(expressions),
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        workflow = ConfigWorkflow(str(tmp_path / "config.json"), logging_file=False)
        workflow.initialize()
        with epoch_lines(workflow):
            workflow.run()
        return workflow.parser.get_parsed_content("built")

    return of


def test_engines_are_built_when_the_run_needs_them(run, capsys):
    weights, train = "$@built.append('weights')", "$@train#trainer.run([0], max_epochs=2)"
    assert run(weights, train) == ["weights", "trainer"]
    assert capsys.readouterr().out.startswith("epoch 1/2: ")
    assert run("$@validate#evaluator.run([0])") == ["evaluator"]
    assert not capsys.readouterr().out


@pytest.mark.parametrize("output", ["0.5", "None", "[]", "torch.zeros(2)"])
def test_a_trainer_may_give_what_it_likes(run, capsys, output):
    assert run("$@train#trainer.run([0], max_epochs=1)", output=output) == ["trainer"]
    loss = "loss 0.5000; " if output == "0.5" else ""
    assert capsys.readouterr().out.startswith(f"epoch 1/1: {loss}0.")


def test_losses_are_the_means_of_an_epochs_batches(run, capsys):
    output = "[{'hint': torch.tensor(1.0) * batch, 'loss': torch.tensor(2.0 * batch), 'image': torch.zeros(3)}]"
    run("$@train#trainer.run([1, 2, 6], max_epochs=2)", output=output)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1/2: loss 6.0000, hint 3.0000; ")
    assert second.startswith("epoch 2/2: loss 6.0000, hint 3.0000; ")


def test_a_trainer_that_is_no_engine(run, capsys):
    assert run("$@built.append(@train#trainer)", trainer="mine") == ["mine"]
    assert not capsys.readouterr().out
