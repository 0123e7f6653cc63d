"""A reading list in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from broadsheet.papers.citation.reference import Reference, one_line, reference_of, safe_address
from broadsheet.papers.model import Work

_ACTIVE = re.compile(r"([\\`*_{}\[\]<>()#|~$&!:@])")
_SHOWN_AUTHORS = 6
_EXTRA_LINKS = (("pdf", "PDF"), ("code", "code"), ("project", "project page"))


def to_markdown(works: Sequence[Work]) -> str:
    """Write works as a Markdown list with links, one paper a line, in the given order."""
    return "".join(_line(work, reference_of(work)) + "\n" for work in works)


def _line(work: Work, item: Reference) -> str:
    title = _escape(item.title or work.id)
    head = f"[{title}](<{item.url}>)" if item.url else title
    names = [_escape(one_line(author.full or author.family)) for author in item.authors]
    shown = ", ".join(names[:_SHOWN_AUTHORS])
    if len(names) > _SHOWN_AUTHORS:
        shown += f" and {len(names) - _SHOWN_AUTHORS} more"
    facts = [shown, _escape(", ".join(filter(None, (item.container, item.issued))))]
    links = [
        f"[{label}](<{address}>)"
        for name, label in _EXTRA_LINKS
        if (address := safe_address(work.links.get(name, ""))) and address != item.url
    ]
    flag = f" **{item.note}.**" if item.note else ""
    text = ". ".join(filter(None, facts))
    tail = " · ".join(links)
    return f"- **{head}**{flag}" + (f" {text}." if text else "") + (f" {tail}" if tail else "")


def _escape(text: str) -> str:
    return _ACTIVE.sub(r"\\\1", text)
