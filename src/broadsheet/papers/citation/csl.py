"""CSL-JSON: the input of citation processors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from broadsheet.papers.citation.reference import Reference, one_line, reference_of
from broadsheet.papers.model import Author, Work

_TYPES = {"preprint": "article", "paper": "paper-conference", "article": "article-journal"}


def to_csl(works: Sequence[Work]) -> str:
    """Write works as a CSL-JSON list, in the given order."""
    items = [_item(reference_of(work)) for work in works]
    return json.dumps(items, ensure_ascii=False, indent=2) + "\n"


def _item(item: Reference) -> dict[str, Any]:
    date_parts = [int(part) for part in item.issued.split("-") if part.isdigit()]
    notes = [f"arXiv:{item.arxiv}" if item.arxiv else "", item.note]
    fields: dict[str, Any] = {
        "id": item.work_id,
        "type": _TYPES[item.kind],
        "title": item.title,
        "author": [_name(author) for author in item.authors],
        "issued": {"date-parts": [date_parts]} if date_parts else {},
        "container-title": item.container,
        "publisher": "arXiv" if item.kind == "preprint" and item.arxiv else "",
        "number": f"arXiv:{item.arxiv}" if item.arxiv else "",
        "DOI": item.doi,
        "URL": item.url,
        "abstract": item.abstract,
        "keyword": ", ".join(item.keywords),
        "note": "; ".join(filter(None, notes)),
    }
    return {name: value for name, value in fields.items() if value}


def _name(author: Author) -> dict[str, str]:
    if not one_line(author.family):
        return {"literal": one_line(author.full)}
    parts = {"family": author.family, "given": author.given, "suffix": author.suffix}
    return {name: one_line(value) for name, value in parts.items() if one_line(value)}
