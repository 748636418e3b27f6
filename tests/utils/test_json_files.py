# SPDX-License-Identifier: Apache-2.0
import json
import os

import pytest

from monai_kd.utils.json_files import json_text, read_json, write_json


def test_file_is_text_in_utf_8_and_ends_with_its_last_line(tmp_path):
    content = {"é": [1, None, 0.5], "b": {"text": "µ\n"}}
    write_json(tmp_path / "new" / "a.json", content)
    text = (tmp_path / "new" / "a.json").read_text(encoding="utf-8")
    assert text == json_text(content) and text.endswith("\n}\n") and "é" in text and "µ" in text
    assert read_json(tmp_path / "new" / "a.json") == content


def test_names_that_are_not_utf_8_are_read_back(tmp_path):
    content = {"id": os.fsdecode(b"lesion-\xe9")}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content


def test_former_file_survives_what_cannot_be_written(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", [object()])
    assert read_json(tmp_path / "a.json") == [1] and [path.name for path in tmp_path.iterdir()] == ["a.json"]
    write_json(tmp_path / "a.json", [tmp_path], default=str)
    assert read_json(tmp_path / "a.json") == [str(tmp_path)]


def test_json_too_deep_is_told(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.json' is not JSON"):
        read_json(tmp_path / "a.json")


def test_json_is_read_as_it_stands(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"é": [1, None]}, ensure_ascii=False), encoding="utf-8")
    assert read_json(path) == read_json(str(path)) == {"é": [1, None]}


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe"], ids=["empty", "cut", "no UTF-8"])
def test_what_is_not_json_is_told_with_its_remedy(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^'.*a\.json' is not JSON: .*\. Restore it\.$"):
        read_json(path)
    with pytest.raises(ValueError, match=r"is not JSON: .*\. Write it again\.$"):
        read_json(path, remedy="Write it again.")


def test_json_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_json(tmp_path / "none.json")
