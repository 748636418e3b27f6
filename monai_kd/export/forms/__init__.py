# SPDX-License-Identifier: Apache-2.0
"""
The forms of an export, each a file of its own with the same two verbs: write and load.

A new form is a file here, its test, and its line in ``FORMS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai_kd.export.forms.executorch import ExecuTorch
from monai_kd.export.forms.form import Form, Runner
from monai_kd.export.forms.ncnn import Ncnn
from monai_kd.export.forms.onnx_file import Onnx
from monai_kd.export.forms.onnx_int8 import OnnxInt8
from monai_kd.export.forms.openvino import OpenVino, OpenVinoInt8
from monai_kd.export.forms.torchscript import TorchScript
from monai_kd.utils.messages import first_line

__all__ = ["FORMS", "load_form"]

FORMS: dict[str, Form] = {
    form.name: form for form in (Onnx(), OnnxInt8(), OpenVino(), OpenVinoInt8(), TorchScript(), ExecuTorch(), Ncnn())
}
"""The forms by name; ONNX is the first, because others are made from it."""


def load_form(path: Path, outputs: Sequence[str], threads: int = 1, shape: Sequence[int] | None = None) -> Runner:
    """
    Load an exported file as a function from an array to arrays by output name.

    Args:
        path: ``.onnx``, ``.xml`` of OpenVINO, ``.ts``, ``.pte`` of ExecuTorch or ``.param`` of ncnn.
        outputs: names of its outputs, in order.
        threads: CPU threads; TorchScript and ExecuTorch ignore them and use the process's.
        shape: the only input shape, which makes OpenVINO faster. Defaults to None: any shape.

    Raises:
        FileNotFoundError: When the file does not exist.
        ImportError: When the package that runs the form is not installed.
        ValueError: When the file cannot be loaded.

    Example:
        >>> load_form(Path("student.onnx"), ["mask"])
        Traceback (most recent call last):
        FileNotFoundError: No file 'student.onnx'. Export that form, or leave it out.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No file '{path}'. Export that form, or leave it out.")
    form = next((form for form in FORMS.values() if Path(form.files[0]).suffix == path.suffix), None)
    if form is None:
        files = ", ".join(form.files[0] for form in FORMS.values())
        raise ValueError(f"'{path}' is of no known form. Give a file such as {files}.")
    try:
        return form.load(path, list(outputs), threads, shape)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"'{path}' cannot be loaded: {first_line(error)}. Export it again.") from error
