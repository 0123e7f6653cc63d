from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.runtime.artefact import NAME, fingerprint, read_artefact, write_artefact
from broadsheet.runtime.encoder import load_encoder


def test_what_was_written_is_read(static_folder: Path) -> None:
    artefact = read_artefact(static_folder, verify=True)
    assert artefact.version == f"tiny-static@{artefact.fingerprint}"
    assert set(artefact.files) == {"tokenizer.json", "vectors.npy"}
    write_artefact(static_folder, artefact)
    assert read_artefact(static_folder) == artefact


def test_missing_and_changed_files_are_named(static_folder: Path) -> None:
    path = static_folder / "vectors.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(BadInput, match=r"not the one installed.*vectors\.npy.*install"):
        read_artefact(static_folder)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    read_artefact(static_folder)  # the size is right, and hashing is asked for
    with pytest.raises(BadInput, match="not the one installed"):
        read_artefact(static_folder, verify=True)
    path.unlink()
    with pytest.raises(BadInput, match="is missing"):
        read_artefact(static_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 9}, "schema 9"),
        ({"kind": "magic"}, "unknown kind"),
        ({"pooling": "max"}, "unknown kind or pooling"),
        ({"dim": 0}, "dim must be"),
        ({"variants": []}, "there must be a variant"),
        ({"variants": [{"name": "x", "runtime": "numpy", "file": "../../x"}]}, "leaves the folder"),
        ({"files": {"/etc/passwd": {"bytes": 1, "sha256": "0"}}}, "leaves the folder"),
        ({"surprise": 1}, "surprise"),
        ({"files": 3}, "can't be read"),
    ],
)
def test_a_wrong_artefact_is_one_clear_line(
    static_folder: Path, change: dict[str, Any], message: str
) -> None:
    path = static_folder / NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=message):
        read_artefact(static_folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff"])
def test_not_json(static_folder: Path, text: str) -> None:
    (static_folder / NAME).write_text(text)
    with pytest.raises(BadInput, match=r"artefact\.json can't be read"):
        read_artefact(static_folder)


def test_no_artefact(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no artefact\.json"):
        load_encoder(tmp_path)


def test_broken_tokenizer(static_folder: Path) -> None:
    path = static_folder / "tokenizer.json"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(BadInput, match="tokenizer can't be read"):
        load_encoder(static_folder)


def test_fingerprint_depends_on_settings_and_files() -> None:
    one = fingerprint({"dim": 4}, {"a": "1"})
    assert one == fingerprint({"dim": 4}, {"a": "1"})
    assert len({one, fingerprint({"dim": 5}, {"a": "1"}), fingerprint({"dim": 4}, {"a": "2"})}) == 3
