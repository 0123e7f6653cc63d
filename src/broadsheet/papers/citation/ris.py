"""RIS: one tag a line, for reference managers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broadsheet.papers.citation.reference import Reference, one_line, reference_of
from broadsheet.papers.model import Author, Work

_TYPES = {"preprint": "UNPB", "paper": "CPAPER", "article": "JOUR"}


def to_ris(works: Sequence[Work]) -> str:
    """Write works as RIS with CRLF line ends, in the given order."""
    lines: list[str] = []
    for work in works:
        lines += (f"{tag}  - {value}" for tag, value in _tags(reference_of(work)) if value)
        lines += ["ER  - ", ""]
    return "".join(line + "\r\n" for line in lines)


def _tags(item: Reference) -> Iterator[tuple[str, str]]:
    yield "TY", _TYPES[item.kind]
    yield "ID", item.work_id
    yield "TI", item.title
    for author in item.authors:
        yield "AU", _name(author)
    yield "PY", item.year
    if item.issued:
        parts = (*item.issued.split("-"), "", "")[:3]
        yield "DA", "/".join(parts) + "/"
    yield "T2", item.container
    yield "DO", item.doi
    yield "M1", f"arXiv:{item.arxiv}" if item.arxiv else ""
    yield "UR", item.url
    yield "AB", item.abstract
    for keyword in item.keywords:
        yield "KW", keyword
    yield "N1", item.note


def _name(author: Author) -> str:
    parts = [one_line(part) for part in (author.family, author.given, author.suffix)]
    return ", ".join(filter(None, parts)) if parts[0] else one_line(author.full)
