# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ignite.engine import Events

from monai_kd.engines import loss_terms
from tests.handlers.tiny_run import EPOCH_LENGTH, Run, build
from tests.helpers import assert_identical

ROOT = Path(__file__).parents[2]


def break_off(run: Run, iteration: int) -> None:
    @run.trainer.on(Events.ITERATION_COMPLETED(once=iteration))
    def fail(engine):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The state after four uninterrupted epochs."""
    run = build(tmp_path_factory.mktemp("whole")).train()
    assert run.evaluator.state.best_metric > 0
    return run.state()


@pytest.fixture
def two_epochs(tmp_path):
    """The folder of a run of four epochs that ended in the third."""
    break_off(build(tmp_path), 2 * EPOCH_LENGTH + 1)
    return tmp_path


def check_refused(run: Run, match: str) -> None:
    with pytest.raises(ValueError, match=match) as error:
        run.train()
    assert "\n" not in str(error.value)


def test_the_run_is_worth_comparing(whole, tmp_path):
    before = build(tmp_path).objects
    for name in ("network", "pathways"):
        assert all(not torch.equal(v, whole[name][k]) for k, v in before[name].state_dict().items())
    other = build(tmp_path, initial_seed=2).train().state()
    assert not torch.equal(other["network"]["0.weight"], whole["network"]["0.weight"])


def test_broken_off_and_resumed_equals_one_go(whole, two_epochs):
    resumed = build(two_epochs, initial_seed=77)  # the new objects' own weights must not matter
    torch.manual_seed(123)
    assert_identical(resumed.train().state(), whole)


def test_broken_off_after_every_epoch_equals_one_go(whole, tmp_path):
    for epoch in range(3):
        break_off(build(tmp_path, initial_seed=1 if epoch == 0 else 77), (epoch + 1) * EPOCH_LENGTH + 1)
    assert_identical(build(tmp_path, initial_seed=77).train().state(), whole)


def test_killed_processes_resumed_equal_one_go(whole, tmp_path):
    command = [sys.executable, "-m", "tests.handlers.tiny_run", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == [f"{name} {-signal.SIGKILL}" for name in ("step", "writing")], done.stderr
    for name in ("step", "writing"):
        resumed, epochs = build(tmp_path / name, initial_seed=77), []
        resumed.trainer.add_event_handler(Events.EPOCH_STARTED, lambda e, epochs=epochs: epochs.append(e.state.epoch))
        assert_identical(resumed.train().state(), whole)
        assert epochs == [3, 4]


def test_finished_run_ends_at_once_unchanged(whole, tmp_path):
    build(tmp_path).train()
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = build(tmp_path, initial_seed=77)
    again.trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: pytest.fail("trained on"))
    assert_identical(again.train().state(), whole)
    assert_identical(again.train().state(), whole)  # in one process, too
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_run_that_stopped_early_ends_at_once_unchanged(tmp_path):
    arguments = {"patience": 2, "learning_rate": 1e-12, "max_epochs": 6}  # nothing improves on the first epoch
    first = build(tmp_path, **arguments).train()
    assert first.trainer.state.epoch == 3
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = build(tmp_path, initial_seed=77, **arguments)
    again.trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: pytest.fail("trained on"))
    for _ in range(2):
        assert_identical(again.train().state(), first.state())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_broken_off_run_stops_as_early_as_in_one_go(tmp_path):
    arguments = {"patience": 2, "learning_rate": 1e-12, "max_epochs": 6}
    break_off(build(tmp_path, **arguments), 2 * EPOCH_LENGTH + 1)
    assert build(tmp_path, initial_seed=77, **arguments).train().trainer.state.epoch == 3


def test_without_resume_a_run_starts_anew(whole, two_epochs):
    assert_identical(build(two_epochs, resume=False).train().state(), whole)


@pytest.mark.parametrize("max_epochs", [3, 9])
@pytest.mark.parametrize("finished", [False, True])
def test_another_number_of_epochs_is_refused(tmp_path, max_epochs, finished):
    if finished:
        build(tmp_path).train()
    else:
        break_off(build(tmp_path), 2 * EPOCH_LENGTH + 1)
    run = build(tmp_path, max_epochs=max_epochs)
    before = run.objects["network"][0].weight.clone()
    check_refused(
        run, rf"last\.pt' .*max_epochs=4, .*max_epochs={max_epochs}: .*same max_epochs.*output_dir.*resume=False"
    )
    assert torch.equal(run.objects["network"][0].weight, before)


def test_other_amount_of_data_is_refused(two_epochs):
    check_refused(
        build(two_epochs, images=8), r"last\.pt' .*epoch_length=3, .*epoch_length=4: .*same data and batch size"
    )


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "first bytes": lambda content: content[:10],
    "text": lambda content: b"epoch,dice\n1,0.5\n",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_file_is_refused(two_epochs, damage):
    last = two_epochs / "last.pt"
    last.write_bytes(damage(last.read_bytes()))
    check_refused(build(two_epochs), r"last\.pt' is no state of a run \(.*\)\. Remove it")


@pytest.mark.parametrize("content", [{}, [], {"objects": {}}], ids=repr)
def test_other_kind_of_file_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "last.pt")
    check_refused(build(tmp_path), r"last\.pt' .*(no state of a run|another kind of run)")


def test_file_is_never_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    torch.save({"objects": Evil()}, tmp_path / "last.pt")
    check_refused(build(tmp_path), r"last\.pt' is no state of a run \(torch cannot read it")
    assert not (tmp_path / "executed").exists()


def test_state_of_another_network_is_refused(two_epochs):
    check_refused(
        build(two_epochs, width=5), r"last\.pt' does not fit 'network' of this run: .*0\.weight.*resume=False"
    )


def test_state_of_other_objects_is_refused(two_epochs):
    check_refused(
        build(two_epochs, extra_objects=("discriminator",)),
        r"last\.pt' holds \['best', .*'pathways'\], but this run resumes \[.*'discriminator'.*another output folder",
    )


def test_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    check_refused(
        build(tmp_path, last="file/last.pt"), r"Cannot write to the folder '.*/file': .*Choose one that is writable"
    )


def test_the_history_goes_on_where_the_run_was_broken_off(two_epochs, tmp_path):
    def history(folder):
        build(folder, initial_seed=77).train()
        return torch.load(folder / "last.pt", weights_only=True)["history"]

    (tmp_path / "whole").mkdir()
    whole = build(tmp_path / "whole")
    losses = []
    whole.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: losses.append(float(loss_terms(engine.state.output)["loss"]))
    )
    whole.train()
    found = history(two_epochs)
    assert [epoch for epoch, _ in found["loss"]] == [1, 2, 3, 4]
    epochs = [sum(losses[i : i + EPOCH_LENGTH]) / EPOCH_LENGTH for i in range(0, len(losses), EPOCH_LENGTH)]
    assert [value for _, value in found["loss"]] == pytest.approx(epochs, rel=1e-5)
    assert found[whole.evaluator.state.key_metric_name][-1][0] == 4
