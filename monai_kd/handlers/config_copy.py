# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from os import PathLike
from pathlib import Path

from ignite.engine import Engine, Events
from monai.bundle import ConfigParser

from monai_kd.bundle.running_config import parser_at_work
from monai_kd.utils.json_files import write_json
from monai_kd.utils.processes import is_first_process

__all__ = ["ConfigCopyHandler"]


class ConfigCopyHandler:
    """
    Writes the whole config of a run, with overlays and arguments merged, beside the run's results.

    ``python -m monai_kd run <path>``, in the folder where the run was started, repeats it. Attach this handler after
    :class:`ResumeHandler`, so that a refused run does not replace the config of the run before. In distributed training
    only the first process writes. Values that JSON cannot hold are written as text.

    Args:
        path: file, rewritten at every start.

    Raises:
        ValueError: When a Python program, not a config, builds it; at the start, when the file cannot be written.

    Example:
        >>> import json
        >>> from tempfile import TemporaryDirectory
        >>> config = {
        ...     "imports": ["$from ignite.engine import Engine"],
        ...     "copy": {"_target_": "monai_kd.handlers.ConfigCopyHandler", "path": "$@folder + '/config.json'"},
        ...     "engine": "$Engine(lambda engine, batch: None)",
        ...     "run": ["$@copy.attach(@engine)", "$@engine.run([0])"],
        ... }
        >>> with TemporaryDirectory() as folder:
        ...     _ = ConfigParser({**config, "folder": folder}).get_parsed_content("run")
        ...     sorted(json.loads(Path(folder, "config.json").read_text()))
        ['copy', 'engine', 'folder', 'imports', 'run']
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        parser = parser_at_work()
        if parser is None:
            raise ValueError(
                "ConfigCopyHandler copies the config that builds it, but it was made in Python. Leave it out."
            )
        self._parser = parser

    def attach(self, engine: Engine) -> None:
        """Write the config whenever ``engine``, a trainer or evaluator, starts."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        if not is_first_process():
            return
        config = {key: value for key, value in self._parser.get().items() if key != ConfigParser.meta_key}
        write_json(self.path, config, default=str)
