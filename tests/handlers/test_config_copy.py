# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from ignite.engine import Engine
from monai.bundle import ConfigParser

from monai_kd.handlers import ConfigCopyHandler

CONFIG = {
    "imports": ["$from ignite.engine import Engine"],
    "folder": ".",
    "size": [32, 32],
    "double": "$[2 * side for side in @size]",
    "handler": {"_target_": "monai_kd.handlers.ConfigCopyHandler", "path": "$@folder + '/config.json'"},
    "engine": "$Engine(lambda engine, batch: @double)",
    "start": ["$@handler.attach(@engine)", "$@engine.run([0])"],
}


def start(config):
    parser = ConfigParser(config)
    for i in range(2):
        parser.get_parsed_content(f"start#{i}")
    return parser.get_parsed_content("engine")


def test_what_ran_can_be_run_again(tmp_path):
    first = start({**CONFIG, "folder": str(tmp_path), "size": [48, 48]})
    copied = json.loads((tmp_path / "config.json").read_text())
    assert copied == {**CONFIG, "folder": str(tmp_path), "size": [48, 48]}  # expressions as they were, not their values
    again = start({**copied, "folder": str(tmp_path / "again")})
    assert again.state.output == first.state.output == [96, 96]


def test_what_json_does_not_have_is_text(tmp_path):
    start({**CONFIG, "folder": str(tmp_path), "given": tmp_path})
    assert json.loads((tmp_path / "config.json").read_text())["given"] == str(tmp_path)


def test_nothing_is_written_before_the_start(tmp_path):
    ConfigParser({**CONFIG, "folder": str(tmp_path)}).get_parsed_content("handler").attach(Engine(lambda *_: None))
    assert not list(tmp_path.iterdir())


def test_without_a_config_there_is_nothing_to_copy(tmp_path):
    with pytest.raises(ValueError, match="it was made in Python"):
        ConfigCopyHandler(tmp_path / "config.json")


def test_an_unwritable_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError) as caught:
        start({**CONFIG, "folder": str(tmp_path / "file")})
    assert "Cannot write to the folder" in str(caught.value.__cause__)
