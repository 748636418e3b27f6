# SPDX-License-Identifier: Apache-2.0
"""Ids without effect and values of the wrong kind are refused before anything is built."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from monai.bundle import ConfigParser, ConfigWorkflow, create_workflow

from monai_kd.bundle.argument_checks import check_start
from monai_kd.bundle.running_config import Start
from monai_kd.networks import StudentUNet
from monai_kd.utils.messages import option

BUNDLES = Path(__file__).parents[2] / "bundles"
SEGMENTATION = BUNDLES / "breast_ultrasound_segmentation" / "configs"
CLASSIFICATION = BUNDLES / "breast_ultrasound_classification" / "configs"


def check(names, folder=SEGMENTATION, **arguments):
    files = tuple(folder / f"{name}.json" if "." not in name else Path(name) for name in names.split("+"))
    check_start(Start(files, arguments, files[0].parent))


UNKNOWN = [
    ("evaluate", "checkpiont", "--checkpoint"),
    ("evaluate", "data_dir", "--dataset-dir"),
    ("inference", "outputdir", "--output-dir"),
    ("train", "max_epoch", "--max-epochs"),
    ("train", "lr", "--learning-rate"),
    ("train", "batchsize", "--batch-size"),
    ("train", "MAX_EPOCHS", "--max-epochs"),
    ("train", "metafile", "--meta-file"),
    ("train", "network_def#chanels", "--network_def#channels"),
    ("train", "train#trainer#max_epoch", "--train#trainer#max_epochs"),
    ("train", "train::trainer::max_epoch", "--train#trainer#max_epochs"),
    ("train", "train#trainr#max_epochs", "--max-epochs"),
    ("train", "optimizer#weightdecay", "--optimizer#weight_decay"),
    ("train", "pathways#logit#weight", "--pathways#logits#weight"),
    ("train", "train#random_transforms#0#probb", "--train#random_transforms#0#prob"),
    ("train", "train#dataset#cacherate", "--train#dataset#cache_rate"),
    ("train", "_meta_#nam", "--_meta_#name"),
    ("evaluate", "max_epochs", "train.json"),
    ("train", "teacher_cache", "cached_teacher.json"),
    ("train", "train#handlers#99#tag_name", "train#handlers"),
    ("train", "run_name", "no config of this run has the id 'run_name'"),
]


@pytest.mark.parametrize(("config", "name", "told"), UNKNOWN)
def test_an_unknown_id_is_refused_with_the_closest(config, name, told):
    with pytest.raises(ValueError) as caught:
        check(config, **{name: 1})
    message = str(caught.value)
    assert message.startswith(f"{option(name)}: ") and told in message and "\n" not in message


STUDENT = {"_target_": "monai_kd.networks.StudentUNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 2}
NO_COMPONENT = [
    ("network_def", {**STUDENT, "_target_": "monai_kd.networks.StudentUNett"}, "Closest: 'StudentUNet'."),
    ("network_def", {**STUDENT, "chanels": [4, 8]}, "takes no argument 'chanels'. Closest: 'channels'."),
    ("loss", {"_target_": "DiceLos"}, "Closest: 'DiceLoss'."),
    ("loss", {"_target_": "monai.losses.DiceLoss", "_mode_": "callable", "softmx": True}, "Closest: 'softmax'."),
    ("further_handlers", [{"_target_": "StatsHandler", "tagname": "x"}], "Closest: 'tag_name'."),
]


@pytest.mark.parametrize(("name", "value", "told"), NO_COMPONENT)
@pytest.mark.parametrize("by_overlay", [False, True])
def test_a_misspelt_class_or_argument_is_refused_with_the_closest(name, value, told, by_overlay, tmp_path):
    overlay = tmp_path / "mine.json"
    overlay.write_text(json.dumps({name: value}))
    with pytest.raises(ValueError) as caught:
        check(f"train+{overlay}") if by_overlay else check("train", **{name: value})
    message = str(caught.value)
    assert message.startswith(f"{overlay}, '{name}': " if by_overlay else f"{option(name)}: ") and told in message


@pytest.mark.parametrize(
    "target", ["StudentUNet", "UNet", "other_package.Net", "scripts.net.Mine", "$@student", "list"]
)
def test_a_class_that_only_the_run_can_find_is_left_to_it(target):
    check("train", network_def={"_target_": target})


class Passes(StudentUNet):
    def __init__(self, depth=1, **further):
        super().__init__(**further)


class Takes(StudentUNet):
    def __init__(self, **further):
        self.depth = further.pop("depth", 1)
        super().__init__(**further)


class Helps(StudentUNet):
    def __init__(self, **further):
        self.help = dict(**further)
        super().__init__(2, 1, 2)


@pytest.mark.parametrize(("kind", "is_refused"), [(Passes, True), (Takes, True), (Helps, False)])
def test_what_a_constructor_does_with_its_further_arguments_is_its_own(kind, is_refused):
    """Known are those that it looks up, and those of the base class if nothing else is given the rest."""
    network = {"_target_": f"{__name__}.{kind.__name__}", "depth": 2}
    check("train", network_def=network)
    with pytest.raises(ValueError, match="Closest: 'depth'") if is_refused else nullcontext():
        check("train", network_def={**network, "depht": 2})


def test_a_disabled_component_is_not_looked_at():
    check("train", loss={"_target_": "monai.losses.Gone", "_disabled_": True})


WRONG = {
    **{f"max_epochs {value!r}": ("max_epochs", value) for value in ("abc", -1, 0, 1.5, True, [3], "3 ", None)},
    **{f"batch_size {value!r}": ("batch_size", value) for value in ("16x", 0, -4, 2.5)},
    **{f"learning_rate {value!r}": ("learning_rate", value) for value in ("0,1", 0, -0.1, float("nan"), True)},
    **{f"supervised_weight {value!r}": ("supervised_weight", value) for value in (-1, "half", float("inf"))},
    **{f"patience {value!r}": ("patience", value) for value in (0, -1, "never")},
    **{f"val_interval {value!r}": ("val_interval", value) for value in (0, -2, 0.5)},
    **{f"fold {value!r}": ("fold", value) for value in (-1, "first", 0.5)},
    **{f"seed {value!r}": ("seed", value) for value in (-1, 2**32, "x", 0.1)},
    **{f"resume {value!r}": ("resume", value) for value in ("no", "false", "True", 0, 1)},
    **{f"crop_margins {value!r}": ("crop_margins", value) for value in ("no", 0)},
    **{f"amp {value!r}": ("amp", value) for value in ("off", 1)},
    **{f"quiet {value!r}": ("quiet", value) for value in ("no", 1)},
    **{f"size {value!r}": ("spatial_size", value) for value in (64, [64], [64] * 3, "64x64", [64, "a"], [0, 64])},
    **{f"student_channels {value!r}": ("student_channels", value) for value in (16, [], "8,16", [8, 0], [8, 1.5])},
    **{f"device {value!r}": ("device", value) for value in ("foo", "gpu", "cuda:99", -3, True)},
    **{f"dataset_dir {value!r}": ("dataset_dir", value) for value in (7, "", [7], [""], None)},
    **{f"checkpoint {value!r}": ("checkpoint", value) for value in (3, True)},
    **{f"teacher_checkpoint {value!r}": ("teacher_checkpoint", value) for value in (3, [], [1])},
    "split_file": ("split_file", 3),
    "further_handlers": ("further_handlers", 3),
    "a component": ("network_def", "UNet"),
    "a rate in the optimizer": ("optimizer#lr", -1),
    "epochs in the trainer": ("train#trainer#max_epochs", "a"),
    "an argument that is not written": ("optimizer#weight_decay", "a"),
    "a boolean that is not written": ("train#dataloader#drop_last", "no"),
    "a boolean in a component": ("loss#to_onehot_y", "no"),
    "a weight": ("pathways#logits#weight", "half"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG.values(), ids=WRONG)
def test_a_value_of_the_wrong_kind_is_refused_with_one_that_is_right(name, value):
    with pytest.raises(ValueError) as caught:
        check("train", **{name: value})
    message = str(caught.value)
    assert message.startswith(f"{option(name)} ") and repr(value)[:20] in message and "\n" not in message
    assert "Write " in message or "Set a part" in message


@pytest.mark.parametrize("value", ["tests", "", 1, "Test"])
def test_a_choice_is_refused(value):
    with pytest.raises(ValueError, match="training, validation or test"):
        check("evaluate", section=value)


RIGHT = [
    ("train", {"max_epochs": 1, "learning_rate": 1, "supervised_weight": 0, "seed": 0, "resume": False}),
    ("train", {"spatial_size": (64, 96), "device": "cpu", "quiet": None, "amp": "$False"}),
    ("train", {"device": "$torch.device('cpu')", "max_epochs": "$2 * 10", "learning_rate": "@supervised_weight"}),
    ("train", {"network_def#norm": ["group", {"num_groups": 2}], "train#dataloader#num_workers": 2}),
    ("train", {"optimizer#lr": 0.1, "loss#weight": [1.0, 2.0], "pathways#logits#weight": 1}),
    ("train", {"pathways#features": {"_target_": "monai_kd.Pathway"}, "settings#more": 1, "_meta_#version": "2"}),
    ("train", {"tracking": "mlflow", "run_name": "x", "run_id": "run", "bundle_root": "x"}),
    ("train", {"train#random_transforms#0#prob": 0.1, "train#random_transforms#1#rotate_range": [0.1, 0.2]}),
    ("train", {"train#random_transforms": [], "network": "$@network_def"}),
    ("train+cached_teacher", {"teacher_cache": "x"}),
    ("train+teachers/ensemble", {"teacher_checkpoint": ["a", "b"]}),
    ("train+teachers/ensemble", {"teacher_checkpoint": "a"}),
    ("train+methods/logits_kl+teachers/self_ema+views/shared+networks/separable+multi_gpu_train", {}),
    ("train+methods/unlabelled+federated", {"rounds": 2, "unlabelled_dir": "x"}),
    ("evaluate+teacher+teachers/paper", {"teacher_channels": [2, 4, 6]}),
    ("train+recipes/few_labels+recipes/mixup", {"teacher_cache": "x", "views#alpha": 0.4}),
    ("train+recipes/few_labels+recipes/function_matching", {"views#alpha": 0.4}),  # does not use the cache
    ("evaluate+adaptation/target", {"target_dir": "x"}),
]


@pytest.mark.parametrize(("config", "arguments"), RIGHT)
def test_what_is_right_is_taken(config, arguments):
    check(config, **arguments)


def test_every_overlay_of_the_bundles_is_taken():
    for folder in (SEGMENTATION, CLASSIFICATION):
        for overlay in [*folder.glob("*/*.json"), *folder.glob("*.json")]:
            name = str(overlay.relative_to(folder).with_suffix(""))
            if name != "metadata" and "run" not in json.loads(overlay.read_text()):
                base = "evaluate" if name in ("teacher", "adaptation/target") else "train"
                base = "inference" if name in ("dicom_segmentation", "dicom_pictures", "smooth_frames") else base
                if '"views#' in overlay.read_text():  # it changes the views of the recipe for few labels
                    base = "train+recipes/few_labels"
                check(f"{base}+{name}", folder)


def test_every_config_of_the_bundles_checks_first():
    for folder in (SEGMENTATION, CLASSIFICATION):
        for file in folder.rglob("*.json"):
            first = json.loads(file.read_text()).get("initialize", ["$monai_kd.bundle.check_arguments()"])[0]
            assert first == "$monai_kd.bundle.check_arguments()", file


OVERLAYS = {
    "an unknown id": ("mine.yaml", "max_epoch: 3\n", "mine.yaml, 'max_epoch': no config"),
    "a wrong kind": ("mine.yaml", "max_epochs: many\n", "whole number from 1, got 'many'"),
    "a key twice": ("mine.yaml", "max_epochs: 1\nmax_epochs: 2\n", "has 'max_epochs' twice"),
    "a key twice below": ("mine.yaml", "network_def:\n  a: 1\n  a: 2\n", "has 'a' twice"),
    "a key twice in JSON": ("mine.json", '{"seed": 1, "seed": 2}', "has 'seed' twice"),
    "a key twice below in JSON": ("mine.json", '{"optimizer": {"lr": 1, "lr": 2}}', "has 'lr' twice"),
    "no JSON": ("mine.json", "{", "is not JSON"),
    "no YAML": ("mine.yaml", "a: [", "is not YAML"),
    "a list": ("mine.yaml", "- a\n", "must be names with values"),
    "empty": ("mine.yaml", "", "must be names with values"),
}


@pytest.mark.parametrize(("file", "text", "told"), OVERLAYS.values(), ids=OVERLAYS)
def test_a_bad_overlay_is_refused(tmp_path, file, text, told):
    path = tmp_path / file
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        check(f"train+{path}")
    assert told in str(caught.value)


def test_a_good_overlay_is_taken(tmp_path):
    (tmp_path / "mine.yaml").write_text("max_epochs: 3\n+further_handlers: []\noptimizer#lr: 0.1\n")
    check(f"train+{tmp_path / 'mine.yaml'}")


@pytest.mark.parametrize("name", ["meta_file", "logging_file"])
def test_a_missing_file_of_monais_is_refused(name):
    with pytest.raises(FileNotFoundError, match=f"{option(name)}: no file"):
        check("train", **{name: "nowhere.json"})


@pytest.mark.parametrize("name", ["init_id", "run_id", "final_id"])
def test_a_missing_program_is_refused(name):
    with pytest.raises(ValueError, match=f"{option(name)}: no config of this run has the id 'runn'. Choose from .*run"):
        check("train", **{name: "runn"})


def cause_of(make):
    with pytest.raises(Exception) as caught:
        make()
    error = caught.value
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def test_monais_own_run_refuses_too(tmp_path):
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"max_epoch": 3}))
    train = str(SEGMENTATION / "train.json")
    told = "--max-epoch: no config of this run has the id 'max_epoch', and nothing uses it. Closest: --max-epochs."
    assert cause_of(lambda: create_workflow(config_file=train, max_epoch=3)) == told
    assert cause_of(lambda: create_workflow(args_file=str(arguments), config_file=train)) == told


def test_a_workflow_made_in_python_refuses_what_no_config_of_the_folder_has():
    def start(**arguments):
        return ConfigWorkflow(str(SEGMENTATION / "evaluate.json"), logging_file=False, **arguments).initialize()

    assert "Closest: checkpoint" in cause_of(lambda: start(checkpiont="x"))
    assert "section" in cause_of(lambda: start(section="tests"))


def test_nothing_is_built_before_the_check(tmp_path):
    config = {
        "imports": ["$import monai_kd", "$from pathlib import Path"],
        "seed": 0,
        "built": f"$Path({str(tmp_path)!r}, 'built').touch()",
        "initialize": ["$monai_kd.bundle.check_arguments()", "$@built"],
        "run": ["$@seed"],
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "--sead" in cause_of(lambda: create_workflow(config_file=str(tmp_path / "config.json"), sead=1))
    assert not (tmp_path / "built").exists()
    create_workflow(config_file=str(tmp_path / "config.json"), seed=1)
    assert (tmp_path / "built").exists()


def test_a_part_of_another_file_is_taken_for_a_component(tmp_path):
    (tmp_path / "other.json").write_text(json.dumps({"net": {"_target_": "UNet"}}))
    check("train", network_def=f"%{tmp_path / 'other.json'}#net")


def test_a_bundle_with_values_of_other_kinds_keeps_them(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"seed": None, "patience": 0, "x": "$@seed or @patience"}))
    check(str(tmp_path / "config.json"), seed=3, patience=0)
    with pytest.raises(ValueError, match="patience must be a whole number"):
        check(str(tmp_path / "config.json"), patience="a")


def test_called_in_python_it_says_so():
    from monai_kd.bundle import check_arguments

    with pytest.raises(ValueError, match="was called in Python"):
        check_arguments()
    ConfigParser({"imports": ["$import monai_kd"], "a": "$monai_kd.bundle.check_arguments()"}).get_parsed_content("a")


@pytest.mark.parametrize("argument", [["--checkpiont", "x"], ["--section", "tests"]])
def test_the_command_line_of_monai_tells(argument):
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(SEGMENTATION / "evaluate.json")]
    run = subprocess.run([*command, *argument], check=False, capture_output=True, text=True)
    assert run.returncode == 1 and f"ValueError: {argument[0]}" in run.stderr
