# SPDX-License-Identifier: Apache-2.0
"""A student of some of its teacher's classes."""

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd.bundle.config_files import write_config
from monai_kd.networks import ClassSubset
from monai_kd.student_bundle import is_made, run_training, write_bundle
from monai_kd.student_bundle.class_choice import choose_classes
from monai_kd.student_bundle.teacher.data_format import DataFormat
from tests.student_bundle.test_variants import draft_of, read
from tests.student_bundle.zoo_bundles import ORGANS, make_organs_bundle, make_organs_data

FORMAT = DataFormat((16, 16, 16), 1, 5, dict(enumerate(ORGANS)))


@pytest.fixture
def organs(tmp_path):
    """The CT bundle with five classes, and volumes whose balls have four parts."""
    return make_organs_bundle(tmp_path / "ct"), make_organs_data(tmp_path / "data")


def test_the_whole_way(organs, zoo, tmp_path):
    """Trained, validated and applied: the teacher answers for the chosen classes, and the labels hold them alone."""
    teacher, data = organs
    draft = draft_of(teacher, zoo, data=data, classes="Spleen,kidney_left+kidney_right", epochs=1)
    assert draft.student.network(torch.zeros(1, 1, 16, 16, 16)).shape[1] == 3
    assert all(pair.teacher.name.startswith("network.model") for pair in draft.pairs) and draft.pairs
    new = tmp_path / "new"
    assert write_bundle(draft, draft.pairs, new, data) == []
    metadata = read(new, "metadata")
    output = metadata["network_data_format"]["outputs"]["pred"]
    names = {"0": "background", "1": "spleen", "2": "kidney_left+kidney_right"}
    assert output["num_channels"] == 3 and output["channel_def"] == names and output["value_range"] == [0, 2]
    assert metadata["teacher_data_format"]["outputs"]["pred"]["num_channels"] == 5
    assert metadata["label_classes"] == "0 is background, 1 is spleen, 2 is kidney_left+kidney_right"
    assert "3 channel(s) of logits, 0 background, 1 spleen" in (new / "docs" / "README.md").read_text()

    parser = ConfigParser({**read(new, "train"), "bundle_root": str(new), "dataset_dir": str(data)})
    inside = parser.get_parsed_content("teacher")
    assert isinstance(inside, ClassSubset) and inside.groups == [[2], [3, 4]]
    old = ConfigParser({**read(teacher, "train"), "bundle_root": str(teacher), "dataset_dir": str(data)})
    for place in (0, 1):
        before, after = (p.get_parsed_content("validate#dataset")[0]["label"] for p in (old, parser))
        assert torch.equal(after, torch.tensor([0, 0, 1, 2, 2])[before.long()])
        assert len(torch.unique(after)) == 3, place
    assert parser.get_parsed_content("train#postprocessing").transforms[1].to_onehot == [3, 3]
    assert read(new, "evaluate")["validate#postprocessing"]["transforms"][2]["to_onehot"] == [3, 3]

    run_training(new, str(data))
    weights = torch.load(new / "models" / "model.pt", weights_only=True)
    assert weights.keys() == draft.student.network.state_dict().keys()
    assert read(new, "metadata")["eval_metrics"]


def test_a_step_that_names_the_teachers_channels_is_told(organs, zoo, tmp_path):
    teacher, data = organs
    inference = read(teacher, "inference")
    last = {"_target_": "Lambdad", "keys": "pred", "func": "$lambda pred: pred[[4]]"}
    inference["postprocessing"]["transforms"].insert(1, last)
    write_config(teacher / "configs" / "inference.json", inference)
    draft = draft_of(teacher, zoo, data=data, classes="spleen,liver")
    with pytest.raises(ValueError, match=r"index 4 is out of bounds.*postprocessing#transforms#1 \(Lambdad\) may name"):
        write_bundle(draft, [], tmp_path / "new", data)


def test_classes_that_overlap_keep_their_channels():
    """A sigmoid head without a background, as of tumour regions."""
    regions = DataFormat((8, 8, 8), 4, 3, {0: "Tumor core", 1: "Whole tumor", 2: "Enhancing tumor"})
    choice = choose_classes("whole tumor,tumor core", regions, sigmoid=True)
    assert choice.subset == {"classes": [[1], [0]], "sigmoid": True}
    assert choice.student.classes == {0: "Whole tumor", 1: "Tumor core"} and not choice.background


def test_a_sigmoid_head_with_a_background_keeps_it():
    choice = choose_classes("2,1", FORMAT, sigmoid=True)
    assert choice.subset == {"classes": [[0, 3, 4], [2], [1]], "sigmoid": True} and choice.student.out_channels == 3


def test_a_bundle_of_some_classes_is_not_continued_with_all(tmp_path):
    """Of independent classes in another order, nothing but the classes differs."""
    write_config(tmp_path / "configs" / "metadata.json", {"distillation": {"student": {}, "classes": ["b", "a"]}})
    assert is_made(tmp_path, {"student": {}, "classes": ["b", "a"]})
    with pytest.raises(ValueError, match=r'made with another classes: \["b", "a"\] there, null here'):
        is_made(tmp_path, {"student": {}})


@pytest.mark.parametrize(
    ("text", "teacher", "message"),
    [
        ("livers", FORMAT, r"no class 'livers'\. Its channels are 0 to 4, and the closest name is 'liver'"),
        ("5", FORMAT, r"no class '5'\. Its channels are 0 to 4"),
        ("liver,,spleen", FORMAT, "no class ''"),
        ("liver,1", FORMAT, "names 'liver' twice"),
        ("background,liver", FORMAT, "names 'background', the background, which takes all that is not named"),
        ("liver+0", FORMAT, "names '0', the background"),
        ("1", DataFormat((8, 8), 1, 2, {}), "the teacher has one class"),
        ("1", DataFormat((8, 8), 1, 1, {}), "the teacher has one class"),
    ],
)
def test_classes_that_cannot_be_chosen(text, teacher, message):
    with pytest.raises(ValueError, match=message):
        choose_classes(text, teacher, sigmoid=teacher.out_channels == 1)
