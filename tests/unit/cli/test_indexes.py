"""`index verify` and the states of the vector indexes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from broadsheet.cli.indexes import verify_indexes
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.compact import following, merging
from broadsheet.index.compact.following import FOLDER, follow
from broadsheet.index.vectors import HASH_BYTES, VectorStore
from broadsheet.papers.embedding import vectors_folder
from broadsheet.papers.search.refreshing import attributes_folder
from broadsheet.runtime import models
from broadsheet.runtime.models import ModelCard


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with filters and ten vectors of one encoder, with a quick index beside them."""
    monkeypatch.setattr(following, "COMPACT_FROM", 4)
    monkeypatch.setattr(merging, "FEWEST", 2)
    monkeypatch.setattr(merging, "RECENT", 4)
    card = ModelCard(
        id="tiny", kind="static", dim=3, state="active", summary="", licence="", variant=""
    )
    monkeypatch.setattr(models, "installed", lambda home: [card])
    AttributeStore().save(attributes_folder(tmp_path))
    with VectorStore(vectors_folder(tmp_path, "tiny"), 3, writable=True) as store:
        names = [bytes([number]) * HASH_BYTES for number in range(10)]
        store.add(list(range(10)), names, np.eye(10, 3, dtype=np.float32))
        follow(store)
    return tmp_path


def test_intact_files_are_read_whole(home: Path) -> None:
    states = {one.name: one.state for one in verify_indexes(home)}
    assert states == dict.fromkeys(("filters", "vectors tiny", "quick index tiny"), "intact")


@pytest.mark.parametrize("file", ["rows.bin", "facts.json"])
def test_damage_is_named(home: Path, file: str) -> None:
    folder = vectors_folder(home, "tiny") / FOLDER
    path = next(folder.glob(f"segment.*/{file}"))
    raw = bytearray(path.read_bytes())
    raw[3] ^= 1
    path.write_bytes(raw)
    (attributes_folder(home) / "attributes.npz").unlink()
    states = {one.name: one.state for one in verify_indexes(home)}
    assert states["filters"] == "missing"
    assert states["vectors tiny"] == "intact"
    assert states["quick index tiny"].startswith("broken: a file of the vector index is damaged")
