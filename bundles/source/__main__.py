# SPDX-License-Identifier: Apache-2.0
"""``python -m bundles.source``: write the configs, and print the files that changed."""

from bundles.source.writing import BUNDLES, outdated

for file, text in sorted(outdated().items()):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")
    print(file.relative_to(BUNDLES.parent))
