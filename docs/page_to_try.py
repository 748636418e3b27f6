# SPDX-License-Identifier: Apache-2.0
"""The page that segments, within the site, where docs/web.md has its mark."""

import logging
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from monai_kd.bundle.finding import find_bundle
from monai_kd.export import Options, export_student, open_bundle
from monai_kd.export.web.npm_packages import cache_folder
from monai_kd.export.web.writing import WEB

MARK = "<!-- try: the site's build puts the page itself here -->"
FOLDER = "try"
BUNDLE = "breast_ultrasound_segmentation"
FRAME = f"""## Try it here

The page segments synthetic scans, and pictures of your own, with the small shipped student. Choose *Example* first. The
browser loads 15 MB when you open it.

<details>
<summary>Open the page</summary>
<iframe class="page" src="{FOLDER}/index.html" title="The page that segments" loading="lazy"
  allow="camera; display-capture"></iframe>
</details>

You can also <a href="{FOLDER}/index.html">open it in a tab of its own</a>."""
WITHOUT = "This copy of the site was built without the page itself, because a package that it needs was not at hand."


def write(site: Path) -> bool:
    """
    Write the page with the small shipped student into the site, and say on stderr why if that is not possible.

    Args:
        site: the folder of the site's files.

    Returns:
        Whether the page is there.
    """
    shutil.rmtree(site / FOLDER, ignore_errors=True)  # of an earlier build
    bundle = open_bundle(find_bundle(BUNDLE), ("networks/small",))
    logging.disable(logging.INFO)  # Sphinx would print what the exporter's packages note
    try:
        with TemporaryDirectory() as work:
            exported = Path(work, "exported")
            export_student(
                bundle, Path(bundle.parser.get_parsed_content("checkpoint")), exported, Options(("onnx", WEB))
            )
            shutil.copytree(exported / WEB, site / FOLDER)
    except (ImportError, ValueError) as error:
        print(f"The site has no page to try. {error} For the site, that folder is {cache_folder()}.", file=sys.stderr)
        return False
    finally:
        logging.disable(logging.NOTSET)
    return True


def filled(text: str, is_there: bool) -> str:
    """
    docs/web.md with the page, or with a sentence that says that it is missing.

    Args:
        text: of docs/web.md.
        is_there: the answer of :func:`write`.
    """
    return text.replace(MARK, FRAME if is_there else WITHOUT)
