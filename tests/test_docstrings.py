# SPDX-License-Identifier: Apache-2.0
"""What every public name says of itself, of which the reference is made; `--doctest-modules` runs its examples."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from importlib.util import find_spec

import pytest

import monai_kd
from monai_kd.data import Layout

# Imports what MONAI Label's own environment has.
ELSEWHERE = () if find_spec("monailabel") else ("monai_kd.label",)
EMPTY = (
    "a all an and are as at be by each for from given in int is it its of on one or str that the their these this "
    "those to what where which whose with"
)
# Of these rooms engineers import classes one by one.
ROOMS = ("losses", "networks", "transforms", "handlers", "engines", "teachers")


def modules():
    yield monai_kd
    for found in pkgutil.walk_packages(monai_kd.__path__, "monai_kd."):
        if not found.name.startswith(ELSEWHERE):
            yield importlib.import_module(found.name)


def public():
    """Every class and function of an ``__all__``, once, however often it is exported; no constants, no modules."""
    for module in modules():
        for value in (getattr(module, name) for name in getattr(module, "__all__", ())):
            if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("monai_kd."):
                yield f"{value.__module__}.{value.__qualname__}", value


def methods():
    """Public methods; an override says what its base says, but ``forward`` has other tensors in every class."""
    for name, value in NAMES.items():
        for key, method in vars(value).items() if inspect.isclass(value) else ():
            bases = (*value.__mro__[1:], Layout if value is not Layout else object)
            is_override = key != "forward" and any(hasattr(base, key) for base in bases)
            is_field = key in getattr(value, "__dataclass_fields__", ())
            if inspect.isfunction(method) and not key.startswith("_") and not is_override and not is_field:
                yield f"{name}.{key}", method


NAMES = dict(public())
METHODS = dict(methods())


def doc(value):
    return inspect.cleandoc(value.__doc__ or "")


def in_args(text):
    """What the section says of each name, several of one meaning before one colon."""
    section = re.search(r"^Args:\n((?: {4}.*\n|\n)*)", f"{text}\n", re.M)
    found = re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", section[1], re.M) if section else []
    return {name.strip(): said for names, said in found for name in names.split(",")}


def words(text):
    """The words of a name or sentence, in the singular and without those that carry no meaning."""
    parts = re.findall(r"[A-Za-z]+|\d+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text.replace("_", " ")))
    return {part.lower().rstrip("s") for part in parts} - {word.rstrip("s") for word in EMPTY.split()}


def says_nothing(name, said, parameter, value):
    """True where the words are those of the argument, its type, and the class or function."""
    known = words(name) | words(str(parameter.annotation)) | words(value.__qualname__)
    return not words(said) - known


def parameters(value):
    return inspect.signature(value).parameters


def reader_facing():
    """What an engineer imports: names of the rooms, and of the root."""
    values = [getattr(getattr(monai_kd, room), name) for room in ROOMS for name in getattr(monai_kd, room).__all__]
    values += [getattr(monai_kd, name) for name in monai_kd.__all__]
    return {f"{v.__module__}.{v.__qualname__}" for v in values if inspect.isclass(v) or inspect.isfunction(v)}


READER_FACING = reader_facing()


def test_everything_public_is_looked_at():
    assert {"monai_kd.losses.logits.kullback_leibler.LogitsKLLoss", "monai_kd.utils.atomic_files.atomic_write"} <= set(
        NAMES
    )
    assert {"monai_kd.data.splits.groups.Split"} & set(NAMES) == set()
    assert "monai_kd.networks.student_unet.StudentUNet.forward" in METHODS


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_with_a_sentence(name):
    sentence = doc(NAMES[name]).split("\n\n")[0]
    assert sentence[:1].isalnum() or sentence.startswith((":", "``")), sentence
    assert sentence.endswith("."), sentence


@pytest.mark.parametrize("name", [*NAMES, *METHODS])
def test_it_tells_of_arguments_that_exist(name):
    value = {**NAMES, **METHODS}[name]
    assert set(in_args(doc(value))) <= set(parameters(value))


@pytest.mark.parametrize("name", [*NAMES, *METHODS])
def test_what_it_tells_of_an_argument_is_more_than_its_name(name):
    """An argument whose name and type say all needs no line."""
    value = {**NAMES, **METHODS}[name]
    told = in_args(doc(value)).items()
    assert not [key for key, said in told if says_nothing(key, said, parameters(value)[key], value)]


@pytest.mark.parametrize("name", [name for name in METHODS if name.rpartition(".")[0] in READER_FACING])
def test_a_tensor_has_a_shape(name):
    value = METHODS[name]
    told = in_args(doc(value))
    tensors = {key for key, parameter in parameters(value).items() if "Tensor" in str(parameter.annotation)}
    shape = r"shape|\bB\w*\[?|\bC?HW|scalar|one number|any size"
    assert not {key for key in tensors if not re.search(shape, told.get(key, doc(value)))}


@pytest.mark.parametrize("name", sorted(READER_FACING))
def test_it_tells_when_it_raises(name):
    tree = ast.parse(textwrap.dedent(inspect.getsource(NAMES[name])))
    nodes = list(ast.walk(tree))
    told = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    raises = any(isinstance(node, ast.Raise) and node.exc for node in nodes)  # a bare one hands on what came
    assert not raises or any("\nRaises:\n" in text for text in told)


@pytest.mark.parametrize("name", [*NAMES, *METHODS])
def test_what_comes_back_has_no_colon(name):
    """Before which the site would take the words for a type."""
    section = re.search(r"^(?:Returns|Yields):\n    (.*)", doc({**NAMES, **METHODS}[name]), re.M)
    assert section is None or ": " not in re.sub(r"``.*?``|:\w+:`.*?`", "", section[1])


@pytest.mark.parametrize(("room", "name"), [(room, name) for room in ROOMS for name in getattr(monai_kd, room).__all__])
def test_every_class_of_the_rooms_has_an_example(room, name):
    value = getattr(getattr(monai_kd, room), name)
    assert not inspect.isclass(value) or "\n    >>> " in doc(value)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_docstring(name):
    assert doc(METHODS[name])


def test_the_gate_knows_words_that_say_nothing():
    def resize_image(image: object, size: int, order: int) -> None: ...

    known = parameters(resize_image)
    assert says_nothing("image", "the image to resize.", known["image"], resize_image)
    assert says_nothing("size", "its size, an int.", known["size"], resize_image)
    assert not says_nothing("size", "side in pixels.", known["size"], resize_image)
    assert not says_nothing("order", "0 or 1.", known["order"], resize_image)
