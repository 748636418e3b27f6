# SPDX-License-Identifier: Apache-2.0
"""The site, by Sphinx: `make docs`. Pages are Markdown (MyST), the reference comes from the docstrings."""

import re
from pathlib import Path

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
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# Notebooks show what they showed when they were run; a test runs them.
nb_execution_mode = "off"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # `Args` name types where they matter, with shapes and units
autoclass_content = "both"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"monai_kd {release}"
copybutton_prompt_text = "$ "
