# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's reading, preprocessing and writing as components of a bundle's configs."""

from __future__ import annotations

from typing import Any

from monai_kd.student_bundle.nnunet.results import Results
from monai_kd.transforms.nnunet.normalization import SCHEMES

__all__ = ["loading", "preprocessing", "saving"]

# Those that reorient their images are not here: MONAI would need another transform for each.
READERS = {
    "SimpleITKIO": ("NibabelReader", "ITKReader"),
    "NibabelIO": ("NibabelReader",),
    "NaturalImage2DIO": ("PILReader",),
}
BY_NIBABEL = (".nii", ".nii.gz")


def loading(results: Results, keys: list[str]) -> dict[str, Any]:
    """
    The transform that reads files with the axes that nnU-Net's reader gives them.

    Args:
        results: of nnU-Net.
        keys: of what is read.

    Raises:
        ValueError: When nnU-Net used a reader that has no counterpart here.
    """
    used, ending = str(results.plans["image_reader_writer"]), str(results.dataset["file_ending"])
    if used not in READERS:
        raise ValueError(
            f"'{results.root / 'plans.json'}' reads images by {used}, and {', '.join(READERS)} are known. Plan again "
            "with one of these: overwrite_image_reader_writer in dataset.json."
        )
    reader = READERS[used][0 if used != "SimpleITKIO" or ending in BY_NIBABEL else 1]
    return {"_target_": "LoadImaged", "keys": keys, "reader": reader, "ensure_channel_first": True}


def preprocessing(results: Results, keys: list[str]) -> dict[str, Any]:
    """
    The transform that does what nnU-Net does before its network.

    Args:
        results: of nnU-Net.
        keys: of what is preprocessed.

    Raises:
        ValueError: When a normalization is unknown.
    """
    schemes, masks = results.configuration["normalization_schemes"], results.configuration["use_mask_for_norm"]
    unknown = [scheme for scheme in schemes if scheme not in SCHEMES]
    if unknown:
        raise ValueError(
            f"'{results.root / 'plans.json'}' normalizes by {unknown[0]}, and {', '.join(SCHEMES)} are known. Train "
            "nnU-Net with one of these."
        )
    intensities = results.plans.get("foreground_intensity_properties_per_channel", {})
    normalization = []
    for place, (scheme, mask) in enumerate(zip(schemes, masks, strict=True)):
        how: dict[str, Any] = {"scheme": scheme, "use_mask": mask}
        if scheme == "CTNormalization":
            told = intensities[str(place)]
            how |= {key: told[key] for key in ("mean", "std", "percentile_00_5", "percentile_99_5")}
        normalization.append(how)
    return {
        "_target_": "monai_kd.transforms.NnUnetPreprocessd",
        "keys": keys,
        "spacing": results.configuration["spacing"],
        "transpose": results.plans["transpose_forward"],
        "normalization": normalization,
    }


def saving(results: Results) -> dict[str, Any]:
    """
    The transform that writes a mask as nnU-Net does: ``<case>`` with the images' ending, on the file's own grid.

    Args:
        results: of nnU-Net.
    """
    ending = str(results.dataset["file_ending"])
    cut = len(ending) + len("_0000")
    return {
        "_target_": "SaveImaged",
        "keys": "pred",
        "output_dir": "@output_dir",
        "output_postfix": "",
        "output_ext": ending,
        "output_dtype": "$np.uint8",
        "separate_folder": False,
        "print_log": False,
        "output_name_formatter": (
            f"$lambda meta, saver: {{'subject': meta['filename_or_obj'][:-{cut}] + '{ending}', 'idx': None}}"
        ),
    }
