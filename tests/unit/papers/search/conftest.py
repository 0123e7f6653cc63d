"""A small library with two tiny static encoders: each token has a vector of our own choosing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from broadsheet.papers.model import Author, Facts, SourceRecord, canonical_json
from broadsheet.papers.search import Searcher
from broadsheet.papers.store import Store
from broadsheet.runtime.artefact import Artefact, Variant, describe_files, write_artefact

#: Words with a meaning; all others have none. "picture" and "image" mean the same.
MEANINGS = {
    "retrieval": (1.0, 0.0, 0.0),
    "search": (0.9, 0.1, 0.0),
    "image": (0.0, 1.0, 0.0),
    "picture": (0.0, 1.0, 0.0),
    "translation": (0.0, 0.0, 1.0),
}

PAPERS: tuple[dict[str, Any], ...] = (
    {
        "title": "Dense retrieval",
        "abstract": "Retrieval with late interaction.",
        "day": "2024-01-05",
        "authors": ("Ana Müller", "Bo Li"),
        "categories": ("cs.IR", "cs.CL"),
        "code": True,
    },
    {
        "title": "Image search",
        "abstract": "Search in an image archive.",
        "day": "2024-03-01",
        "authors": ("Bo Li",),
        "categories": ("cs.CV",),
    },
    {
        "title": "Neural translation",
        "abstract": "A picture of translation.",
        "day": "2023-07-09",
        "authors": ("Ida Stone",),
        "venue": "acl",
        "categories": ("cs.CL",),
    },
    {
        "title": "Passages and their retrieval",
        "abstract": "Late, and without interaction.",
        "day": "2022-02-02",
        "authors": ("Ana Müller",),
        "venue": "findings, acl",
    },
    {"title": "Stones", "abstract": "On the picture of a stone.", "day": "", "authors": ()},
)


def parse(record: SourceRecord) -> Facts:
    data = json.loads(record.raw)
    dates = {"hf_daily": data["day"]} if data["day"] else {}
    return Facts(
        ids={"hf": record.key},
        title=data["title"],
        abstract=data["abstract"],
        authors=tuple(Author(full=name) for name in data["authors"]),
        categories=tuple(data.get("categories", ())),
        dates=dates,
        year=int(data["day"][:4] or 0),
        venue=data.get("venue", ""),
        links={"code": "https://example.org/code"} if data.get("code") else {},
    )


@dataclass
class Desk:
    """A store and its searcher, with short ways to change the one and to ask the other."""

    home: Path
    store: Store
    searcher: Searcher

    def add(self, *papers: dict[str, Any], first: int = 0) -> None:
        batch = []
        for position, paper in enumerate(papers, first):
            record = SourceRecord(source="hf", key=f"p{position}", raw=canonical_json(paper))
            batch.append((record, parse(record)))
        self.store.add(batch)

    def titles(self, query: str, **options: Any) -> list[str]:
        return [hit.work.title for hit in self.searcher.search(query, **options).hits]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    home = tmp_path / "home"
    with Store.open(home, create=True, parser=parse) as store:
        made = Desk(home, store, Searcher(home, store))
        made.add(*PAPERS)
        yield made
        made.searcher.close()


@pytest.fixture
def indexed(desk: Desk) -> Desk:
    desk.searcher.refresh()
    return desk


def install(home: Path, name: str, *, flip: bool = False) -> None:
    """Install a static encoder; a flipped one looks along the axes in another order."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    vocabulary = {word: position for position, word in enumerate(("[UNK]", *MEANINGS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.array([(0.0, 0.0, 0.0), *MEANINGS.values()], dtype=np.float32)
    np.save(folder / "vectors.npy", table[:, ::-1] if flip else table)
    variant = Variant(name="as-shipped", runtime="numpy", file="vectors.npy")
    write_artefact(
        folder,
        Artefact(
            id=name,
            kind="static",
            dim=3,
            files=describe_files(folder),
            variants=(variant,),
            fingerprint=name,
        ),
    )


@pytest.fixture(name="install")
def install_fixture() -> Callable[..., None]:
    return install


@pytest.fixture
def dense(desk: Desk) -> Desk:
    install(desk.home, "tiny")
    desk.searcher.refresh()
    return desk
