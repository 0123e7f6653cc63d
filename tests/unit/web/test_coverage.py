"""The page of counts says how far the quick index of an encoder's vectors has come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.testclient import TestClient

from broadsheet.index.compact import following, merging
from broadsheet.index.compact.following import FOLDER, follow
from broadsheet.index.vectors import VectorStore
from broadsheet.web import coverage

DIM = 4


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VectorStore]:
    """The vectors of an encoder that seems to be installed."""
    monkeypatch.setattr(following, "COMPACT_FROM", 20)
    monkeypatch.setattr(coverage, "COMPACT_FROM", 20)
    monkeypatch.setattr(merging, "FEWEST", 4)
    monkeypatch.setattr(merging, "RECENT", 8)
    card = SimpleNamespace(id="tiny", kind="static", state="active")
    monkeypatch.setattr(coverage.models, "installed", lambda home: [card])
    with VectorStore(tmp_path, DIM, writable=True) as store:
        monkeypatch.setattr(coverage, "_opened", lambda library, encoder: store)
        yield store


def put(store: VectorStore, numbers: range) -> None:
    rows = np.random.default_rng(numbers.start).standard_normal((len(numbers), DIM))
    hashes = [str(number).encode().ljust(16, b".") for number in numbers]
    store.add(list(numbers), hashes, rows.astype(np.float32))


def states(client: TestClient) -> list[dict[str, object]]:
    found: list[dict[str, object]] = client.get("/stats.json").json()["data"]["indexes"]
    return found[1:]


def test_a_small_library_has_no_quick_index(vectors: VectorStore, client: TestClient) -> None:
    put(vectors, range(19))
    assert [one["name"] for one in states(client)] == ["meaning, tiny (in use)"]


def test_vectors_covered_time_and_arrears_are_shown(
    vectors: VectorStore, client: TestClient
) -> None:
    put(vectors, range(30))
    missing = states(client)[1]
    assert (missing["done"], missing["total"], missing["behind"]) == (0, 30, 30)
    assert str(missing["state"]).startswith("not built yet; vectors are searched one by one")
    follow(vectors)
    built = states(client)[1]
    assert built["state"] == "30 vectors, built 2025-09-02 12:00 UTC"
    assert (built["done"], built["total"], built["behind"]) == (30, 30, 0)
    assert built["built"] == "2025-09-02T12:00:00+00:00"
    put(vectors, range(30, 33))
    late = states(client)[1]
    assert (late["done"], late["total"], late["behind"]) == (30, 33, 3)
    page = client.get("/stats").text
    assert "quick index, tiny" in page
    assert "30 vectors, built 2025-09-02 12:00 UTC; 3 changes behind, vectors are" in page


def test_a_damaged_one_is_named(vectors: VectorStore, client: TestClient) -> None:
    put(vectors, range(30))
    follow(vectors)
    (vectors.folder / FOLDER / "meta.json").write_bytes(b"{}")
    state = states(client)[1]
    assert (state["done"], state["behind"]) == (0, 30)
    assert "damaged" in str(state["state"])
    assert "broadsheet index build" in str(state["state"])
