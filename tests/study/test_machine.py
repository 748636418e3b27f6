# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.study.running.machine import describe_machines, record_machine


def test_machines_are_counted_where_they_differ(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    record_machine(folders[0], {"device": "$torch.device('cpu')"})
    alone = describe_machines(folders[:1])
    assert f"torch {torch.__version__}" in alone and "runs" not in alone
    assert describe_machines(folders) == f"{alone} (1 runs); unknown (2 runs)"


@pytest.mark.parametrize("content", ["", "[]", '{"device": "x"}'])
def test_a_damaged_file_is_named_with_the_remedy(content, tmp_path):
    (tmp_path / "machine.json").write_text(content)
    with pytest.raises(ValueError, match=r"machine.json' is (damaged|not JSON).* Remove it"):
        describe_machines([tmp_path])
