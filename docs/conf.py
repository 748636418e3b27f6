# SPDX-License-Identifier: Apache-2.0
"""The site, by Sphinx: `make docs`. Pages are Markdown (MyST), the reference comes from the docstrings."""

import inspect
import os
import re
import runpy
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "monai_kd"
author = "the monai_kd contributors"
project_copyright = "the monai_kd contributors, Apache License 2.0"
# `make docs VERSION=latest` names another one, for a site that shows several.
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "monai_kd" / "version.py").read_text(encoding="utf-8"), re.M)
release = os.environ.get("DOCS_VERSION") or VERSION[1]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
PAGES_OF_NAMES = ROOT / "docs" / "reference" / "names"  # written by each build
# In a page of the reference: of this module each name has a page, and the first also makes a table of them here.
TABLE_OF_NAMES = re.compile(r"^% names: ([\w.]+)$", re.M)
NAMES_OF = re.compile(r"^% (?:names|pages): ([\w.]+)$", re.M)
ROOMS = ("losses", "networks", "transforms", "handlers", "engines", "teachers", "pathways", "features", "data")

exclude_patterns = ["_build"]
highlight_language = "none"  # of blocks that name none: what a command prints
smartquotes_action = "qe"  # not dashes: options begin with two

# Notebooks show what they showed when they were run; a test runs them.
nb_execution_mode = "off"
nb_render_markdown_format = "gfm"  # tables
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_default_options = {"special-members": "__call__", "exclude-members": "extra_repr"}
autodoc_typehints = "description"  # beside what `Args` says
autodoc_typehints_description_target = "documented"
autodoc_inherit_docstrings = False  # MONAI's own are MONAI's
autoclass_content = "class"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
toc_object_entries_show_parents = "hide"
html_title = f"monai_kd {release}"
copybutton_prompt_text = "$ "


def setup(app: Sphinx) -> None:
    """Formulas as MathML, which browsers show without a script from elsewhere; names that lead to the reference."""
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))
    app.connect("doctree-read", _link_names)
    app.connect("source-read", _name_further_losses)
    app.connect("builder-inited", _write_pages_of_names)
    app.connect("source-read", _list_names)


def _name_further_losses(app: Sphinx, name: str, source: list[str]) -> None:
    """A new loss is in the page of methods without a change of the page."""
    if name == "methods":
        source[0] = runpy.run_path(str(Path(__file__).with_name("further_losses.py")))["filled"](source[0])


def _write_pages_of_names(app: Sphinx) -> None:
    """A page of the reference for each public name: one that lists them all would be too long to read."""
    shutil.rmtree(PAGES_OF_NAMES, ignore_errors=True)  # of names that are gone
    PAGES_OF_NAMES.mkdir()
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for room in NAMES_OF.findall(page.read_text(encoding="utf-8")):
            for name, value in _public(room):
                is_class = inspect.isclass(value)
                directive = f".. {'autoclass' if is_class else 'autofunction'}:: {room}.{name}\n"
                options = "   :members:\n   :show-inheritance:\n" if is_class else ""
                text = f":orphan:\n\n{name}\n{'=' * len(name)}\n\nIn :doc:`../{page.stem}`.\n\n{directive}{options}"
                (PAGES_OF_NAMES / f"{room}.{name}.rst").write_text(text, encoding="utf-8")


def _list_names(app: Sphinx, page: str, source: list[str]) -> None:
    """A table of the module's public names, each with the first sentence of its docstring."""
    source[0] = TABLE_OF_NAMES.sub(lambda found: _table_of_names(found[1]), source[0])


def _table_of_names(room: str) -> str:
    lines = ["```{eval-rst}", ".. list-table::", "   :widths: 35 65", "   :class: names", ""]
    for name, value in _public(room):
        first = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
        lines += [f"   * - :py:obj:`~{room}.{name}`", f"     - {first}"]
    return "\n".join([*lines, "```"])


def _public(room: str) -> list[tuple[str, Any]]:
    module = import_module(room)
    named = [(name, getattr(module, name)) for name in module.__all__]
    return [(name, value) for name, value in named if inspect.isclass(value) or inspect.isfunction(value)]


def _formula(writer: Any, node: nodes.Node) -> None:
    text = re.sub(r"\\(big+[lr]?|textstyle|mathrel)(?![a-z])", "", node.astext(), flags=re.IGNORECASE)
    if r"\\" in text:
        text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    formula = tex2mathml(text, as_block=isinstance(node, nodes.math_block))
    # Brackets whose partner has an index would grow, those with one would not.
    formula = re.sub(r"<mo[^>]*>([⟨⟩()\[\]|‖∥])</mo>", r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', formula)
    writer.body.append(formula)
    raise nodes.SkipNode


def _link_names(app: Sphinx, page: nodes.document) -> None:
    """A public name in code letters, on whatever page, leads to where the reference describes it."""
    places = {name: f"monai_kd.{room}.{name}" for room in ROOMS for name in import_module(f"monai_kd.{room}").__all__}
    for literal in list(page.findall(nodes.literal)):
        place = places.get(literal.astext())
        if place and isinstance(literal.parent, nodes.paragraph | nodes.entry):
            link = pending_xref(reftype="obj", refdomain="py", reftarget=place, refdoc=app.env.docname, refwarn=False)
            literal.replace_self(link)
            link += literal
