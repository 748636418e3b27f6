# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from monai_kd import load_weights


def network(width=4):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.Dropout(0.5), nn.Conv2d(width, 2, 1)
    )


def test_weights_round_trip(tmp_path):
    saved, bare, nested = network(), tmp_path / "bare.pt", tmp_path / "nested.pt"
    torch.save(saved.state_dict(), bare)
    torch.save({"model": saved.state_dict(), "epoch": 3}, nested)
    for path in (bare, nested):
        loaded = load_weights(network(), path)
        assert all(
            torch.equal(a, b) for a, b in zip(saved.state_dict().values(), loaded.state_dict().values(), strict=True)
        )


def test_weights_load_into_wrapped_networks(tmp_path):
    saved = network()
    torch.save(saved.state_dict(), tmp_path / "w.pt")
    wrapped = torch.compile(network())
    load_weights(wrapped, tmp_path / "w.pt")
    assert torch.equal(wrapped._orig_mod[0].weight, saved[0].weight)


def test_checkpoint_of_another_network_names_the_first_keys_that_differ(tmp_path):
    torch.save(network(width=8).state_dict(), tmp_path / "wide.pt")
    with pytest.raises(
        ValueError, match=r"wide\.pt.*'0\.weight' is \(8, 1, 3, 3\) in the file, \(4, 1, 3, 3\) in the network"
    ):
        load_weights(network(), tmp_path / "wide.pt")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pt")
    with pytest.raises(ValueError, match=r"'0\.weight' is not in the file"):
        load_weights(network(), tmp_path / "linear.pt")


def test_checkpoint_that_is_missing_damaged_or_code_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No checkpoint at '.*none\.pt'"):
        load_weights(network(), tmp_path / "none.pt")
    with pytest.raises(FileNotFoundError, match=r"which is a folder\. Name a file, such as model\.pt\."):
        load_weights(network(), tmp_path)
    for name in ("last.pt", "model.pt"):  # the former is what a training resumes from
        torch.save(network().state_dict(), tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"which is a folder\. Name one of its files: \S*model\.pt\."):
        load_weights(network(), tmp_path)
    (tmp_path / "text.pt").write_text("not a checkpoint")
    with pytest.raises(ValueError, match=r"text\.pt' is not a checkpoint of plain tensors\. It is damaged"):
        load_weights(network(), tmp_path / "text.pt")
    torch.save(network(), tmp_path / "pickled.pt")
    with pytest.raises(
        ValueError, match=r"pickled\.pt' is not a checkpoint of plain tensors\. It holds Python objects"
    ):
        load_weights(network(), tmp_path / "pickled.pt")
    torch.jit.script(network()).save(tmp_path / "scripted.ts")
    with pytest.raises(ValueError, match=r"It is TorchScript: torch\.jit\.load reads it"):
        load_weights(network(), tmp_path / "scripted.ts")
    torch.save(network().state_dict(), tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cut\.pt' is not a checkpoint"):
        load_weights(network(), tmp_path / "cut.pt")
    torch.save({"epoch": 3}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt' holds no state dict.* it has \['epoch'\]\. Name the entry"):
        load_weights(network(), tmp_path / "other.pt")


def test_names_that_are_no_text_are_another_networks(tmp_path):
    torch.save({0: torch.zeros(1)}, tmp_path / "numbers.pt")
    with pytest.raises(ValueError, match="holds the weights of another network"):
        load_weights(network(), tmp_path / "numbers.pt")


def test_a_prefix_is_found_where_names_end_alike(tmp_path):
    deep = nn.Sequential(*(nn.Linear(1, 1) for _ in range(21)))  # "0.weight" also ends "10.weight" and "20.weight"
    torch.save(nn.ModuleDict({"net": deep}).state_dict(), tmp_path / "deep.pt")
    with pytest.raises(ValueError, match=r"behind 'net\.'"):
        load_weights(deep, tmp_path / "deep.pt")


def test_names_behind_a_prefix_are_named(tmp_path):
    torch.save(nn.ModuleDict({"net": network()}).state_dict(), tmp_path / "wrapped.pt")
    with pytest.raises(ValueError, match=r"Its names are this network's behind 'net\.': save them alone and without"):
        load_weights(network(), tmp_path / "wrapped.pt")


def test_a_whole_distiller_names_where_its_student_is(tmp_path):
    """Adapters stand beside the student in such a file."""
    student = network()
    parts = nn.ModuleDict({"student": student, "pathways": nn.Linear(1, 1)})
    torch.save(parts.state_dict(), tmp_path / "distiller.pt")
    with pytest.raises(ValueError, match=r"Its names are this network's behind 'student\.': save them alone"):
        load_weights(network(), tmp_path / "distiller.pt")
