# SPDX-License-Identifier: Apache-2.0
"""The losses that docs/methods.md does not name, as a table; the site's build writes it into the page."""

import monai_kd.losses as losses
from monai_kd.losses.parts.loss_table import described

MARK = "<!-- further losses: the site's build lists here what this page does not name -->"


def filled(page: str) -> str:
    """
    The page with a row for each loss that it does not name.

    Args:
        page: the text of docs/methods.md, with the line ``MARK`` at the table's place.
    """
    missing = [name for name in losses.__all__ if f"`{name}`" not in page]
    rows = [(f"`{name}`", *described(getattr(losses, name))) for name in missing]
    table = "\n".join("| " + " | ".join(row) + " |" for row in [("loss", "compares", "source"), ("---",) * 3, *rows])
    return page.replace(MARK, table if rows else "")
