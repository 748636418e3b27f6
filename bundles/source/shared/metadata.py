# SPDX-License-Identifier: Apache-2.0
"""A bundle's metadata, with the versions that both bundles were tested with."""

from typing import Any

from bundles.source.shared.task import Config

META_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"


def metadata(
    changelog: dict[str, str],
    about: Config,
    classes: Config,
    references: list[str],
    prediction: Config,
    scores: Config,
    apps: Config | None = None,
) -> Config:
    """
    A bundle's ``metadata.json``.

    Args:
        changelog: what each version changed, this one first.
        about: name, task and description.
        classes: of label and prediction, in words.
        references: the publications that the bundle follows.
        prediction: type, format, shape, values and channels of the output of both networks.
        scores: of the weights in the bundle, on images that their recipe's networks did not see.
        apps: programs that run the bundle in the tests, with their versions. Defaults to None: none.
    """
    data_format = {"inputs": {"image": IMAGE}, "outputs": {"pred": prediction}}
    return {
        "schema": META_SCHEMA,
        "version": next(iter(changelog)),
        "changelog": changelog,
        "monai_version": "1.6.1",
        "pytorch_version": "2.13.0",
        "numpy_version": "2.4.6",
        "required_packages_version": {
            "monai-kd": "0.2.0",
            "nibabel": "5.4.2",
            "itk-io": "5.4.7",
            "pytorch-ignite": "0.5.5",
            "pillow": "13.0.0",
            "scipy": "1.17.1",
        },
        "supported_apps": apps or {},
        **about,
        "authors": "The monai_kd contributors",
        "copyright": "Copyright (c) The monai_kd contributors",
        "data_source": "Dataset_A (Yap et al. 2018), BrEaST (Pawlowska et al. 2024), "
        "BUS-BRA (Gomez-Flores et al. 2024), BUSI (Al-Dhabyani et al. 2020), BUS-UCLM (Vallez et al. 2025), "
        "or folders of your own",
        "data_type": "png, jpeg, bmp, tiff, nifti, nrrd, dicom",
        "image_classes": "single channel, gray values 0 to 255 of a B-mode ultrasound image",
        **classes,
        "eval_metrics": scores,
        "intended_use": "Research on knowledge distillation. Not a medical device; not for diagnosis.",
        "references": references,
        "network_data_format": data_format,
        "teacher_data_format": data_format,
    }


def tensor(of: Config, channels: dict[str, str], shape: list[int], values: list[Any]) -> Config:
    return {
        **of,
        "num_channels": len(channels),
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": values,
        "is_patch_data": False,
        "channel_def": channels,
    }


SIZE = [224, 224]
IMAGE = tensor({"type": "image", "format": "magnitude", "modality": "US"}, {"0": "image"}, SIZE, [-2, 2.5])
