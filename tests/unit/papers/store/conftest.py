"""A source for tests: the raw bytes of a record are the JSON of its facts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.papers.model import Author, Facts, SourceRecord, Version, canonical_json
from broadsheet.papers.store import Store

Told = tuple[SourceRecord, Facts]
Tell = Callable[..., Told]


def parse(record: SourceRecord) -> Facts:
    try:
        data: dict[str, Any] = json.loads(record.raw)
    except ValueError:
        raise BadInput("broken JSON") from None
    data.pop("nonce", None)
    data["authors"] = tuple(
        Author(full=name, family=name.split()[-1]) for name in data.get("authors", ())
    )
    data["versions"] = tuple(Version(**item) for item in data.get("versions", ()))
    data["flags"] = frozenset(data.get("flags", ()))
    for name in ("categories", "keywords", "notes"):
        data[name] = tuple(data.get(name, ()))
    return Facts(**data)


def tell(source: str = "arxiv", key: str = "", **facts: Any) -> Told:
    """Make a record that says these facts, as (record, facts)."""
    raw = canonical_json(facts)
    record = SourceRecord(source=source, key=key or raw.decode()[:60], raw=raw, origin="test")
    return record, parse(record)


@pytest.fixture(name="tell", scope="session")
def tell_fixture() -> Tell:
    return tell


@pytest.fixture(name="parse", scope="session")
def parse_fixture() -> Callable[[SourceRecord], Facts]:
    return parse


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "home", create=True, parser=parse) as opened:
        yield opened


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """Open a new, empty store at a frozen moment; the caller closes it."""

    def make() -> Store:
        return Store.open(tmp_path_factory.mktemp("home"), create=True, parser=parse)

    return make
