# SPDX-License-Identifier: Apache-2.0
"""The site, by Sphinx: `make docs`. Pages are Markdown (MyST), the reference comes from the docstrings."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "monai_kd"
author = "the monai_kd authors"
project_copyright = "the monai_kd authors, Apache License 2.0"
release = re.search(r'^__version__ = "(.+)"$', (ROOT / "monai_kd" / "__init__.py").read_text(encoding="utf-8"), re.M)[1]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# Notebooks show what they showed when they were run; a test runs them.
nb_execution_mode = "off"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "extra_repr"}
autodoc_typehints = "none"  # `Args` name types where they matter, with shapes and units
autoclass_content = "class"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
toc_object_entries_show_parents = "hide"
html_title = f"monai_kd {release}"
copybutton_prompt_text = "$ "


def setup(app: Sphinx) -> None:
    """Formulas as MathML, which browsers show without a script from elsewhere."""
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))


def _formula(writer: Any, node: nodes.Node) -> None:
    text = re.sub(r"\\(big+[lr]?|textstyle|mathrel)(?![a-z])", "", node.astext(), flags=re.IGNORECASE)
    if r"\\" in text:
        text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    formula = tex2mathml(text, as_block=isinstance(node, nodes.math_block))
    # Brackets whose partner has an index would grow, those with one would not.
    formula = re.sub(r"<mo[^>]*>([⟨⟩()\[\]|‖∥])</mo>", r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', formula)
    writer.body.append(formula)
    raise nodes.SkipNode
