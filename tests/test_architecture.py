# SPDX-License-Identifier: Apache-2.0
"""The floors of the house: imports point down only, and the ground floor's rooms do not know each other."""

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import monai_kd

PACKAGE = Path(monai_kd.__file__).parent
# From the ground up: a room imports rooms of lower floors, and on its own floor those that BESIDE names.
FLOORS = [
    {"utils", "version"},
    {"outputs"},
    {"losses", "networks", "features", "transforms", "data", "phantom", "metrics", "bundle"},
    {"pathways", "teachers"},
    {"distiller"},
    {"handlers"},
    {"engines"},
    {"demo", "study", "label", "packing", "student_bundle", "export", "benchmark", "segmentation", "diagnosis"},
    {"commands"},
    {"__main__"},
]
BESIDE = {("benchmark", "export"), ("diagnosis", "study"), ("student_bundle", "packing")}
MOST_MODULES = 15


def floor_of(room):
    return next(level for level, rooms in enumerate(FLOORS) if room in rooms)


def room_of(name):
    """Where a name of the package's root comes from: a room, or what a room gives to the root."""
    return monai_kd._HOMES.get(name, name)


@cache
def tree(path):
    return ast.parse(path.read_text())


def imports():
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(tree(path)) if room != "__init__" else ():
            if isinstance(node, ast.ImportFrom) and node.module == "monai_kd":
                yield from ((path, room, room_of(alias.name)) for alias in node.names)
                continue
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            yield from ((path, room, name.split(".")[1]) for name in names if name.startswith("monai_kd."))


def test_every_room_is_on_a_floor():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms == set().union(*FLOORS)
    floors = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    assert not {room for room in rooms if f"`{room}`" not in floors}


def test_no_folder_holds_more_than_one_can_take_in():
    counts = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    assert not {str(folder): count for folder, count in counts.items() if count > MOST_MODULES}


def test_every_file_names_its_license():
    for folder in (PACKAGE, PACKAGE.parent / "tests", PACKAGE.parent / "bundles"):
        for path in folder.rglob("*.py"):
            assert not path.stat().st_size or path.read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n"), (
                path
            )


def test_imports_point_down_only():
    upward = [
        f"{path.name} ({room}) imports {other}"
        for path, room, other in imports()
        if room != other and floor_of(other) >= floor_of(room) and (room, other) not in BESIDE
    ]
    assert not upward


def test_what_may_be_imported_from_beside_is_needed_and_no_circle():
    assert {(room, other) for _, room, other in imports()} >= BESIDE
    assert not {(other, room) for room, other in BESIDE} & BESIDE


def test_groups_of_one_room_import_no_circle():
    """Folders beside each other; a folder and the one that it is in may know each other."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    edges = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree(path)):
            module = node.module if isinstance(node, ast.ImportFrom) and node.module else ""
            place = PACKAGE.joinpath(*module.split(".")[1:]) if module.startswith("monai_kd.") else path.parent
            other = place if place in folders else place.parent
            if other != path.parent and other.parent == path.parent.parent != PACKAGE:
                edges.add((str(path.parent), str(other)))
    assert not {edge for edge in edges if edge[::-1] in edges}


def test_what_is_imported_at_once_is_installed_along():
    """But in monai_kd/label, which runs in MONAI Label's environment and has requirements of its own."""
    setup = ast.parse((Path(__file__).parents[1] / "setup.py").read_text())
    (required,) = (node.value for node in ast.walk(setup) if getattr(node, "arg", None) == "install_requires")
    installed = {re.split("[<>=]", text)[0] for text in ast.literal_eval(required)}
    distributions = packages_distributions()
    for path in PACKAGE.rglob("*.py"):
        for node in [] if "label" in path.relative_to(PACKAGE).parts[:1] else tree(path).body:
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for top in {name.split(".")[0] for name in names} - {"monai_kd", *sys.stdlib_module_names}:
                assert installed & {*distributions[top]}, f"{path} imports {top}, which setup.py does not require"


def test_nothing_heavy_is_needed_at_import():
    heavy = ["itk", "mlflow", "ray", "matplotlib", "openpyxl", "typer", "rich", "onnx", "tensorboard", "tqdm"]
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy})); from monai_kd import *"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_rooms_are_imported_when_they_are_asked_for():
    code = """
import sys, monai_kd
assert not {"torch", "monai", "monai_kd.data"} & set(sys.modules)
assert {*monai_kd.__all__, "__version__"} <= set(dir(monai_kd))
for name in monai_kd.__all__:
    getattr(monai_kd, name)
assert monai_kd.utils.atomic_files.require_writable
from monai_kd import *
try:
    monai_kd.LogitKLLoss
except AttributeError as error:
    assert "no attribute 'LogitKLLoss'" in str(error)
"""
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_help_needs_neither_torch_nor_monai():
    code = """
import sys
sys.modules.update(dict.fromkeys(["torch", "monai", "ignite", "nibabel", "scipy"]))
sys.argv = ["monai_kd", "study", "run", "--help"]
from monai_kd.__main__ import main
main()
"""
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 0 and "--dataset-dir" in run.stdout, run.stderr
