# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd web``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.options import BUNDLE, INT, Network, RuntimeDir

Folder = Annotated[Path, typer.Argument(help="An export with a page; written if it does not exist.")]
Port = Annotated[int, typer.Option(min=1, max=65535, metavar=INT, help="The server's port.")]


def web(
    folder: Folder = Path("exported_web"),
    network: Network = None,
    port: Port = 8100,
    runtime_dir: RuntimeDir = None,
) -> None:
    """
    Segment pictures in the browser, with the shipped student.

    The command serves the page of an export at 127.0.0.1, for browsers of this machine alone. Ctrl+C ends it. A folder
    that does not exist yet is written first, with the bundle's shipped student; `--network small` takes the small one.
    For a student of your own, `export` writes the page with `--forms onnx,web`; then name the folder that it wrote.

    For research only; not for diagnosis.

    Example: `python -m monai_kd web exported`
    """
    from monai_kd.bundle.finding import find_bundle
    from monai_kd.export import Options, export_student, open_bundle, open_export
    from monai_kd.export.web.serving import HOST, page_server
    from monai_kd.export.web.writing import WEB

    if not folder.exists():
        overlays = () if network is None else (f"networks/{network}",)
        bundle = open_bundle(find_bundle(BUNDLE), overlays)
        checkpoint = Path(bundle.parser.get_parsed_content("checkpoint"))
        with console.status("") as status:
            export_student(bundle, checkpoint, folder, Options(("onnx", WEB), runtime_dir=runtime_dir), status.update)
    elif network is not None:
        raise ValueError(f"'{folder}' exists, and --network is for a new one. Leave it out, or name another folder.")
    open_export(folder)  # refuses files that were changed since
    if not (folder / WEB).is_dir():
        raise ValueError(f"'{folder}' has no page. Export it again with --forms onnx,web.")
    server = page_server(folder / WEB, port)
    console.print(f"http://{HOST}:{port} shows the page of {folder}. Ctrl+C ends it.", markup=False, highlight=False)
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()
