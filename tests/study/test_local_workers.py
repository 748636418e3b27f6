# SPDX-License-Identifier: Apache-2.0
import pytest

from monai_kd.study.running.local_workers import LocalWorkers
from monai_kd.study.running.scheduling import schedule
from monai_kd.utils.folder_lock import locked
from tests.study.fake_runs import fake_run


def test_ctrl_c_ends_the_runs(tmp_path):
    run = fake_run(tmp_path, "long", 600)

    def interrupt(state):
        if (run.folder / "starts").is_file():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schedule([run], LocalWorkers(), interrupt)
    with locked(run.folder):  # no process works in the folder
        assert not run.finished


def test_each_run_sees_the_gpu_with_the_fewest(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    runs = [fake_run(tmp_path, name, 0.0) for name in "abc"]
    for run in runs:
        run.configs["train"]["run"] = [f"$open('{run.folder}/gpu', 'w').write(os.environ['CUDA_VISIBLE_DEVICES'])"]
    schedule(runs, LocalWorkers(3))
    assert [(run.folder / "gpu").read_text() for run in runs] == ["3", "5", "3"]


def test_cores_are_shared(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(16))
    assert [LocalWorkers(jobs).threads for jobs in (1, 4, 5, 32)] == [16, 4, 3, 1]
    assert LocalWorkers(4, threads=2).threads == 2
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        LocalWorkers(0)
