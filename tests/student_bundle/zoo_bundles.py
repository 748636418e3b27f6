# SPDX-License-Identifier: Apache-2.0
"""Two small bundles in the structure of the Model Zoo, and generated data in their layouts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.bundle import ConfigParser
from PIL import Image

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20220324.json"
DEVICE = "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"
FIRST_LOSS = "$monai.handlers.from_engine(['loss'], first=True)"
PRED_AND_LABEL = "$monai.handlers.from_engine(['pred', 'label'])"
BOTH = ["image", "label"]
ORGANS = ["background", "liver", "spleen", "kidney_left", "kidney_right"]
DECATHLON = "$monai.data.load_decathlon_datalist(@data_list_file_path, data_list_key='{}', base_dir=@dataset_dir)"


def write(root: Path, name: str, config: dict[str, Any]) -> None:
    (root / "configs").mkdir(parents=True, exist_ok=True)
    (root / "configs" / f"{name}.json").write_text(json.dumps(config, indent=4))


def edit(root: Path, name: str, **values: Any) -> None:
    """Change ids of a config; ``__`` stands for ``#``, and None removes a top-level id."""
    parser = ConfigParser(json.loads((root / "configs" / f"{name}.json").read_text()))
    config = parser.get()
    for key, value in values.items():
        if value is None:
            del config[key]
        else:
            parser[key.replace("__", "#")] = value
    write(root, name, config)


def save_weights(root: Path) -> None:
    network = ConfigParser(json.loads((root / "configs" / "inference.json").read_text())).get_parsed_content(
        "network_def"
    )
    (root / "models").mkdir(exist_ok=True)
    torch.save(network.state_dict(), root / "models" / "model.pt")


def engines(spatial_size: list[int] | None) -> dict[str, Any]:
    """What the training configs of both have in common, under the Zoo's ids."""
    window = {"_target_": "SlidingWindowInferer", "roi_size": spatial_size, "sw_batch_size": 4, "overlap": 0.5}
    board = {"_target_": "TensorBoardStatsHandler", "log_dir": "@output_dir"}
    common = {"device": "@device", "network": "@network"}
    return {
        "train": {
            "preprocessing": {
                "_target_": "Compose",
                "transforms": "$@train#deterministic_transforms + @train#random_transforms",
            },
            "dataset": {
                "_target_": "CacheDataset",
                "transform": "@train#preprocessing",
                "cache_rate": 1.0,
                "num_workers": 0,
                "progress": False,
            },
            "dataloader": {
                "_target_": "DataLoader",
                "dataset": "@train#dataset",
                "batch_size": 2,
                "shuffle": True,
                "num_workers": 0,
            },
            "inferer": {"_target_": "SimpleInferer"},
            "handlers": [
                {
                    "_target_": "ValidationHandler",
                    "validator": "@validate#evaluator",
                    "epoch_level": True,
                    "interval": "@val_interval",
                },
                {"_target_": "StatsHandler", "tag_name": "train_loss", "output_transform": FIRST_LOSS},
                {**board, "tag_name": "train_loss", "output_transform": FIRST_LOSS},
            ],
            "key_metric": {
                "train_iou": {
                    "_target_": "MeanIoUHandler",
                    "include_background": False,
                    "output_transform": PRED_AND_LABEL,
                }
            },
            "trainer": {
                "_target_": "SupervisedTrainer",
                "max_epochs": 300,
                **common,
                "train_data_loader": "@train#dataloader",
                "loss_function": "@loss",
                "optimizer": "@optimizer",
                "inferer": "@train#inferer",
                "postprocessing": "@train#postprocessing",
                "key_train_metric": "@train#key_metric",
                "train_handlers": "@train#handlers",
                "amp": True,
            },
        },
        "validate": {
            "preprocessing": {"_target_": "Compose", "transforms": "%train#deterministic_transforms"},
            "dataset": {
                "_target_": "CacheDataset",
                "transform": "@validate#preprocessing",
                "cache_rate": 1.0,
                "num_workers": 0,
                "progress": False,
            },
            "dataloader": {
                "_target_": "DataLoader",
                "dataset": "@validate#dataset",
                "batch_size": 1,
                "shuffle": False,
                "num_workers": 0,
            },
            "inferer": window if spatial_size else {"_target_": "SimpleInferer"},
            "postprocessing": "%train#postprocessing",
            "handlers": [
                {"_target_": "StatsHandler", "iteration_log": False},
                {**board, "iteration_log": False},
                {
                    "_target_": "CheckpointSaver",
                    "save_dir": "@ckpt_dir",
                    "save_dict": {"model": "@network"},
                    "save_key_metric": True,
                    "key_metric_filename": "model.pt",
                },
            ],
            "key_metric": {
                "val_mean_dice": {
                    "_target_": "MeanDice",
                    "include_background": False,
                    "output_transform": PRED_AND_LABEL,
                }
            },
            "evaluator": {
                "_target_": "SupervisedEvaluator",
                **common,
                "val_data_loader": "@validate#dataloader",
                "inferer": "@validate#inferer",
                "postprocessing": "@validate#postprocessing",
                "key_val_metric": "@validate#key_metric",
                "val_handlers": "@validate#handlers",
                "amp": True,
            },
        },
        "initialize": ["$monai.utils.set_determinism(seed=123)"],
        "run": ["$@train#trainer.run()"],
    }


def inference(network: dict[str, Any], preprocessing: list[Any], postprocessing: list[Any], inferer: Any) -> Any:
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/datasets",
        "device": DEVICE,
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": preprocessing},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': i} for i in @datalist]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": inferer,
        "postprocessing": {"_target_": "Compose", "transforms": postprocessing},
        "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
        },
        "initialize": ["$monai.utils.set_determinism(seed=123)", "$@checkpointloader(@evaluator)"],
        "run": ["$@evaluator.run()"],
    }


def evaluation(postprocessing: list[Any]) -> dict[str, Any]:
    """The Zoo's evaluate.json: an overlay of train.json."""
    return {
        "validate#postprocessing": {"_target_": "Compose", "transforms": postprocessing},
        "validate#handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@ckpt_dir + '/model.pt'",
                "load_dict": {"model": "@network"},
            },
            {"_target_": "StatsHandler", "iteration_log": False},
            {
                "_target_": "MetricsSaver",
                "save_dir": "@output_dir",
                "metrics": ["val_mean_dice"],
                "metric_details": ["val_mean_dice"],
                "batch_transform": "$lambda x: [xx['image'].meta for xx in x]",
                "summary_ops": "*",
            },
        ],
        "run": ["$@validate#evaluator.run()"],
    }


MULTI_GPU = {
    "device": "$torch.device(f'cuda:{dist.get_rank()}')",
    "network": {
        "_target_": "torch.nn.parallel.DistributedDataParallel",
        "module": "$@network_def.to(@device)",
        "device_ids": ["@device"],
    },
    "train#sampler": {"_target_": "DistributedSampler", "dataset": "@train#dataset", "shuffle": True},
    "train#dataloader#sampler": "@train#sampler",
    "train#dataloader#shuffle": False,
    "train#trainer#train_handlers": "$@train#handlers[: -2 if dist.get_rank() > 0 else None]",
    "validate#evaluator#val_handlers": "$@validate#handlers[: 1 if dist.get_rank() > 0 else None]",
    "initialize": [
        "$import torch.distributed as dist",
        "$dist.is_initialized() or dist.init_process_group(backend='nccl')",
    ],
    "run": ["$@train#trainer.run()"],
}


def metadata(name: str, image: dict[str, Any], classes: list[str], size: list[int]) -> dict[str, Any]:
    common = {"type": "image", "spatial_shape": size, "dtype": "float32", "value_range": [0, 1]}
    pred = {
        **common,
        "format": "segmentation",
        "num_channels": len(classes),
        "is_patch_data": True,
        "channel_def": {str(channel): entry for channel, entry in enumerate(classes)},
    }
    return {
        "schema": SCHEMA,
        "version": "0.5.9",
        "changelog": {"0.5.9": "fit to size"},
        "monai_version": "1.4.0",
        "pytorch_version": "2.4.0",
        "numpy_version": "1.24.4",
        "optional_packages_version": {"nibabel": "5.2.1", "pytorch-ignite": "0.4.11"},
        "name": name,
        "task": name,
        "description": f"A pre-trained model for {name}",
        "authors": "Somebody",
        "copyright": "Copyright (c) Somebody",
        "network_data_format": {
            "inputs": {"image": {**common, "is_patch_data": True, **image}},
            "outputs": {"pred": pred},
        },
    }


def make_ct_bundle(root: Path, size: int = 16) -> Path:
    """As spleen_ct_segmentation: volumes, random patches, a sliding window, Decathlon's list."""
    roi = [size] * 3
    network = {
        "_target_": "UNet",
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 2,
        "channels": [4, 8, 8, 16],
        "strides": [2, 2, 2],
        "num_res_units": 2,
        "norm": "batch",
    }
    scale = {"a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1, "clip": True}
    load = [
        {"_target_": "LoadImaged", "keys": BOTH},
        {"_target_": "EnsureChannelFirstd", "keys": BOTH},
        {"_target_": "Orientationd", "keys": BOTH, "axcodes": "RAS"},
        {"_target_": "Spacingd", "keys": BOTH, "pixdim": [1.5, 1.5, 2.0], "mode": ["bilinear", "nearest"]},
        {"_target_": "ScaleIntensityRanged", "keys": "image", **scale},
        {"_target_": "EnsureTyped", "keys": BOTH},
    ]
    softmax = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
    discrete = {"_target_": "AsDiscreted", "keys": ["pred", "label"], "argmax": [True, False], "to_onehot": 2}
    train = {
        "imports": ["$import glob", "$import os", "$import ignite"],
        "bundle_root": "/bundles/spleen_ct_segmentation",
        "ckpt_dir": "$@bundle_root + '/models'",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/datasets/Task09_Spleen",
        "data_list_file_path": "$@dataset_dir + '/dataset.json'",
        "train_datalist": DECATHLON.format("training"),
        "val_datalist": DECATHLON.format("validation"),
        "val_interval": 1,
        "device": DEVICE,
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "loss": {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True, "batch": True},
        "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": 0.001},
        **engines(roi),
    }
    train["train"] |= {
        "deterministic_transforms": load,
        "random_transforms": [
            {
                "_target_": "RandCropByPosNegLabeld",
                "keys": BOTH,
                "label_key": "label",
                "spatial_size": roi,
                "pos": 1,
                "neg": 1,
                "num_samples": 2,
                "image_key": "image",
                "image_threshold": 0,
            }
        ],
        "postprocessing": {"_target_": "Compose", "transforms": [softmax, discrete]},
    }
    train["train"]["dataset"]["data"] = "@train_datalist"
    train["validate"]["dataset"]["data"] = "@val_datalist"
    write(root, "train", train)
    invert = {"_target_": "Invertd", "transform": "@validate#preprocessing", "orig_keys": "image", "to_tensor": True}
    write(
        root,
        "evaluate",
        evaluation(
            [softmax, {**invert, "keys": ["pred", "label"], "nearest_interp": [False, True]}, discrete],
        ),
    )
    alone = [{**transform, "keys": "image"} for transform in copy.deepcopy(load)]
    alone[3]["mode"] = "bilinear"
    saved = [
        softmax,
        {**invert, "keys": "pred", "transform": "@preprocessing", "nearest_interp": False},
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_postfix": "trans"},
    ]
    config = inference(network, alone, saved, train["validate"]["inferer"])
    config["datalist"] = "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))"
    write(root, "inference", config)
    write(root, "multi_gpu_train", MULTI_GPU)
    image = {"format": "hounsfield", "modality": "CT", "num_channels": 1, "channel_def": {"0": "image"}}
    write(root, "metadata", metadata("Spleen CT", image, ["background", "spleen"], roi))
    return finish(root)


def make_organs_bundle(root: Path, size: int = 16) -> Path:
    """As wholeBody_ct_segmentation: the CT bundle with several organs, whose number the configs say in three ways."""
    make_ct_bundle(root, size)
    edit(root, "train", network_def__out_channels=5, organs=ORGANS)
    config = json.loads((root / "configs" / "train.json").read_text())
    one_hot = config["train"]["postprocessing"]["transforms"][1] | {"to_onehot": "$len(@organs)"}
    edit(root, "train", train__postprocessing__transforms__1=one_hot)
    config = json.loads((root / "configs" / "evaluate.json").read_text())
    config["validate#postprocessing"]["transforms"][2]["to_onehot"] = [5, 5]
    write(root, "evaluate", config)
    edit(root, "inference", network_def__out_channels=5)
    channels = {str(channel): name for channel, name in enumerate(ORGANS)}
    edit(root, "metadata", network_data_format__outputs__pred__num_channels=5, label_classes="1 is liver")
    edit(root, "metadata", network_data_format__outputs__pred__channel_def=channels)
    save_weights(root)
    return root


def make_organs_data(root: Path, **values: int) -> Path:
    """The balls of :func:`make_ct_data` in four parts."""
    make_ct_data(root, **values)
    for file in (root / "labelsTr").glob("*.nii.gz"):
        old = nibabel.load(file)
        first, second, _ = np.indices(old.shape) > old.shape[0] // 2
        parts = old.get_fdata() * (1 + first + 2 * second)
        nibabel.save(nibabel.Nifti1Image(parts.astype(np.uint8), old.affine), file)
    return root


def make_tools_bundle(root: Path, size: tuple[int, int] = (64, 32)) -> Path:
    """As endoscopic_tool_segmentation: RGB frames, an EfficientNet, its own lists of files."""
    network = {
        "_target_": "FlexibleUNet",
        "in_channels": 3,
        "out_channels": 2,
        "backbone": "efficientnet-b0",
        "spatial_dims": 2,
        "pretrained": "@use_imagenet_pretrain",
        "is_pad": False,
        "pre_conv": None,
    }
    load = [
        {"_target_": "LoadImaged", "keys": BOTH},
        {"_target_": "EnsureChannelFirstd", "keys": "image", "channel_dim": -1},
        {"_target_": "EnsureChannelFirstd", "keys": "label", "channel_dim": "no_channel"},
        {"_target_": "Resized", "keys": BOTH, "spatial_size": list(size), "mode": ["bilinear", "nearest"]},
        {"_target_": "ScaleIntensityd", "keys": BOTH},
    ]
    discrete = {"_target_": "AsDiscreted", "keys": ["pred", "label"], "argmax": [True, False], "to_onehot": [2, 2]}
    files = "$list(sorted(glob.glob(os.path.join(@dataset_dir, '{}', '*', '*[!seg].png'))))"
    train = {
        "imports": ["$import glob", "$import os", "$import numpy as np"],
        "bundle_root": ".",
        "use_imagenet_pretrain": False,
        "ckpt_dir": "$@bundle_root + '/models'",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/datasets/endoscopic_tool_dataset",
        "images": files.format("train"),
        "labels": "$[x.replace('.png', '_seg.png') for x in @images]",
        "val_images": files.format("val"),
        "val_labels": "$[x.replace('.png', '_seg.png') for x in @val_images]",
        "val_interval": 1,
        "device": DEVICE,
        "network_def": {**network, "dropout": 0.6},
        "network": "$@network_def.to(@device)",
        "loss": {"_target_": "DiceFocalLoss", "to_onehot_y": True, "softmax": True, "jaccard": True},
        "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": 0.0001},
        "lr_scheduler": {
            "_target_": "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
            "optimizer": "@optimizer",
            "T_0": 100,
        },
        **engines(None),
    }
    train["train"] |= {
        "deterministic_transforms": load,
        "random_transforms": [
            {"_target_": "RandRotated", "keys": BOTH, "range_x": "$np.pi", "mode": ["bilinear", "nearest"]}
        ],
        "postprocessing": {"_target_": "Compose", "transforms": [discrete]},
    }
    train["train"]["handlers"].append(
        {"_target_": "LrScheduleHandler", "lr_scheduler": "@lr_scheduler", "print_lr": True}
    )
    train["train"]["dataset"]["data"] = "$[{'image': i, 'label': l} for i, l in zip(@images, @labels)]"
    train["validate"]["dataset"]["data"] = "$[{'image': i, 'label': l} for i, l in zip(@val_images, @val_labels)]"
    write(root, "train", train)
    invert = {"_target_": "Invertd", "transform": "@validate#preprocessing", "orig_keys": "image", "to_tensor": True}
    write(
        root,
        "evaluate",
        evaluation([{**invert, "keys": ["pred", "label"], "nearest_interp": [False, True]}, discrete]),
    )
    alone = [{**transform, "keys": ["image"]} for transform in copy.deepcopy(load) if transform["keys"] != "label"]
    alone[2]["mode"] = ["bilinear"]
    saved = [
        {**invert, "keys": "pred", "transform": "@preprocessing", "nearest_interp": False},
        {"_target_": "AsDiscreted", "keys": ["pred"], "argmax": True},
        {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_ext": ".png", "scale": 255},
    ]
    config = inference({**network, "pretrained": False}, alone, saved, {"_target_": "SimpleInferer"})
    config["datalist"] = files.format("test")
    write(root, "inference", config)
    image = {
        "format": "RGB",
        "modality": "regular",
        "num_channels": 3,
        "is_patch_data": False,
        "channel_def": {"0": "R", "1": "G", "2": "B"},
    }
    write(root, "metadata", metadata("Endoscopic Tool Segmentation", image, ["background", "tools"], list(size)))
    return finish(root)


def finish(root: Path) -> Path:
    (root / "docs").mkdir()
    (root / "docs" / "README.md").write_text("# Model Overview\n")
    (root / "LICENSE").write_text("A license of its own.\n")
    save_weights(root)
    return root


def make_ct_data(root: Path, count: int = 4, inside: int = 1, side: int = 32) -> Path:
    """Cubes with a ball in them, in Decathlon's layout."""
    generator = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"))
    affine = np.diag([1.5, 1.5, 2.0, 1.0])
    for folder in ("imagesTr", "labelsTr", "imagesTs"):
        (root / folder).mkdir(parents=True)
    entries = []
    for number in range(count):
        center = generator.uniform(12, 20, 3).reshape(3, 1, 1, 1)
        ball = ((grid - center) ** 2).sum(0) < 49
        volume = generator.normal(0, 30, ball.shape) + 100 * ball
        name = f"spleen_{number}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), affine), root / "imagesTr" / name)
        nibabel.save(nibabel.Nifti1Image((inside * ball).astype(np.uint8), affine), root / "labelsTr" / name)
        entries.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), affine), root / "imagesTs" / "spleen_9.nii.gz")
    lists = {"training": entries[:-1], "validation": entries[-1:], "test": ["./imagesTs/spleen_9.nii.gz"]}
    (root / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "spleen"}, **lists}))
    return root


def make_tools_data(root: Path) -> Path:
    """Frames of 80 × 48 with a bright bar in them."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2), ("test", 1)):
        folder = root / part / "video1"
        folder.mkdir(parents=True)
        for number in range(count):
            frame = generator.integers(0, 100, (48, 80, 3), dtype=np.uint8)
            mask = np.zeros((48, 80), np.uint8)
            mask[10 + number : 25, 20:60] = 255
            frame[mask > 0] += 100
            Image.fromarray(frame).save(folder / f"frame{number}.png")
            if part != "test":
                Image.fromarray(mask).save(folder / f"frame{number}_seg.png")
    return root
