"""Titles and abstracts of papers, each with the licence that its text may be used under.

Three kinds of input give the same records: the application's own export (`broadsheet export`),
JSON lines of the ACL Anthology, and JSON lines of the daily feeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from broadsheet.core.errors import BadInput
from broadsheet.data.files import PACKINGS, broken, json_lines

CC0 = "CC0-1.0"
CC_BY = "CC-BY-4.0"
UNKNOWN = "unknown"
#: Licences under which a model that is shipped may be trained on a paper's text.
TRAINABLE = frozenset({CC0, CC_BY})
#: Since this year the Association for Computational Linguistics publishes under CC BY 4.0.
ACL_SINCE = 2016
ACL_PUBLISHER = "Association for Computational Linguistics"
_ARXIV = re.compile(r"(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What training needs of a paper.

    Args:
        id: The source's name, a colon and its id, such as "arxiv:2402.14776".
        title: The title.
        abstract: The abstract, "" where there is none.
        licence: CC0-1.0, CC-BY-4.0 or unknown; of title and abstract.
        year: Of publication, 0 when unknown.
        venues: Short names, such as "acl".
        keywords: Key words.
        keyword_licence: Of the key words; a machine of somebody else may have made them.

    Example:
        >>> Paper(id="arxiv:1", title="A", abstract="B", licence=CC0).licence in TRAINABLE
        True
    """

    id: str
    title: str
    abstract: str
    licence: str = UNKNOWN
    year: int = 0
    venues: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    keyword_licence: str = UNKNOWN


def read_acl(path: Path) -> tuple[Paper, ...]:
    """Read JSON lines of the ACL Anthology: id, title, abstract, year, venue.

    The lines must be a selection of what the Association itself published, as the one described
    in docs/guide/data.md is; a line that names another publisher, or an earlier year than 2016,
    gets the licence "unknown".

    Args:
        path: A file, or a folder whose files acl-*.jsonl are read in order of name.

    Raises:
        BadInput: A file is missing or broken.
    """
    return tuple(
        acl_paper(path, number, data, publisher=str(data.get("publisher") or ACL_PUBLISHER))
        for path in _files(path, "acl")
        for number, data in json_lines(path)
    )


def read_daily(path: Path) -> tuple[Paper, ...]:
    """Read JSON lines of daily feeds: day, id, title, abstract, keywords; each paper once.

    Title and abstract of a paper with an arXiv id are arXiv's descriptive metadata, CC0. The key
    words were made by a machine of the feed, under no stated licence.

    Args:
        path: A file, or a folder whose files daily-*.jsonl are read in order of name.

    Raises:
        BadInput: A file is missing or broken.
    """
    papers: dict[str, Paper] = {}
    for file in _files(path, "daily"):
        for number, data in json_lines(file):
            paper = daily_paper(file, number, data)
            papers.setdefault(paper.id, paper)
    return tuple(papers.values())


def trainable(papers: Iterable[Paper]) -> tuple[Paper, ...]:
    """Return the papers whose title and abstract are CC0 or CC BY, without foreign key words.

    Key words under any other licence are taken off, so that nothing trained on the result has
    seen them.
    """
    return tuple(
        paper if paper.keyword_licence in TRAINABLE else replace(paper, keywords=())
        for paper in papers
        if paper.licence in TRAINABLE
    )


def acl_paper(path: Path, number: int, data: Mapping[str, Any], publisher: str) -> Paper:
    """Return one paper of the Anthology.

    Args:
        path: The file, for messages.
        number: The line, for messages.
        data: id, title, year, venue and abstract.
        publisher: Who published it, "" when unknown.

    Raises:
        BadInput: No id or no title, or a value of the wrong kind.
    """
    identifier, title, abstract = _texts(path, number, data)
    year = _year(data.get("year"))
    ours = publisher == ACL_PUBLISHER and year >= ACL_SINCE
    return Paper(
        id=f"acl:{identifier}",
        title=title,
        abstract=abstract,
        licence=CC_BY if ours else UNKNOWN,
        year=year,
        venues=_words(data.get("venue")),
    )


def daily_paper(path: Path, number: int, data: Mapping[str, Any]) -> Paper:
    """Return one paper of a daily feed.

    Args:
        path: The file, for messages.
        number: The line, for messages.
        data: id, title, abstract, published and keywords.

    Raises:
        BadInput: No id or no title, or a value of the wrong kind.
    """
    identifier, title, abstract = _texts(path, number, data)
    arxiv = _ARXIV.fullmatch(identifier)
    return Paper(
        id=f"arxiv:{arxiv[1]}" if arxiv else f"hf:{identifier}",
        title=title,
        abstract=abstract,
        licence=CC0 if arxiv else UNKNOWN,
        year=_year(str(data.get("published") or data.get("day") or "")[:4]),
        keywords=_words(data.get("keywords")),
    )


def _files(path: Path, name: str) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    inside = {"acl": "acl-anthology", "daily": "hf-daily-papers"}[name]
    folder = path / inside if (path / inside).is_dir() else path
    endings = tuple(f".jsonl{packing}" for packing in PACKINGS)
    found = [p for p in sorted(folder.glob(f"{name}-*")) if p.name.endswith(endings)]
    if not found:
        raise BadInput(
            f"no files {name}-*.jsonl", received=path, hint="docs/guide/data.md says what they are"
        )
    yield from found


def _texts(path: Path, number: int, data: Mapping[str, Any]) -> tuple[str, str, str]:
    values = [data.get(name) or "" for name in ("id", "title", "abstract")]
    if not all(isinstance(value, str) for value in values) or not all(values[:2]):
        raise broken(path, number, data, "no id or no title, or they are not text")
    identifier, title, abstract = (" ".join(value.split()) for value in values)
    return identifier, title, abstract


def _year(value: object) -> int:
    text = str(value)
    return int(text) if len(text) == 4 and text.isascii() and text.isdecimal() else 0


def _words(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    words = (" ".join(item.split()) for item in items if isinstance(item, str))
    return tuple(dict.fromkeys(filter(None, words)))
