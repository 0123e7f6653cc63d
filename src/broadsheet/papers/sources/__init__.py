"""Formats we read, behind one small protocol (`base.Source`).

`SOURCES` lists them; `detect` finds the one that a stream holds, by what is in it, then by name.
"""

from __future__ import annotations

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.papers.sources.acl import ACL_ANTHOLOGY
from broadsheet.papers.sources.arxiv import ARXIV_ATOM
from broadsheet.papers.sources.base import Source
from broadsheet.papers.sources.bibtex import BIBTEX
from broadsheet.papers.sources.hf import HUGGING_FACE
from broadsheet.papers.sources.jsonl import ACL_LINES, DAILY_LINES
from broadsheet.papers.sources.lines import excerpt
from broadsheet.papers.sources.page import PAGE

SOURCES: tuple[Source, ...] = (
    PAGE,
    HUGGING_FACE,
    ARXIV_ATOM,
    ACL_ANTHOLOGY,
    BIBTEX,
    DAILY_LINES,
    ACL_LINES,
)


def source_named(name: str) -> Source:
    """Return the source of that name.

    Raises:
        UsageError: There is none; the message lists those that exist.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    names = ", ".join(source.name for source in SOURCES)
    raise UsageError("unknown source", received=name, hint=f"one of {names}")


def detect(head: bytes, name: str) -> Source:
    """Return the source that reads a stream which begins with `head` and is called `name`.

    Raises:
        BadInput: No format fits; the message says what was seen.
    """
    if not head.strip():
        raise BadInput("the input is empty", received=name)
    if head.lstrip()[:13] == b'{"broadsheet"':
        raise BadInput(
            "this is an export of Broadsheet", received=name, hint="broadsheet import FILE"
        )
    surest = max(SOURCES, key=lambda source: source.detect(head, name))
    if surest.detect(head, name) > 0:
        return surest
    raise BadInput(
        f"no known format of papers in {name}",
        received=excerpt(head, 80),
        hint="--source with one of " + ", ".join(source.name for source in SOURCES),
    )
