"""A saved Daily Papers page as plain text: blocks of text, of which some are titles and abstracts.

The page has no marks, so the reader looks for the alternation short, long: a long block is an
abstract, and the nearest block before it that can be a title is its title. Counters and buttons
of the page stay in the record's verbatim bytes. Any other block is reported.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import BinaryIO

from broadsheet.core.errors import BadInput
from broadsheet.papers.identity import normalise_title
from broadsheet.papers.model import Facts, Reject, SourceRecord
from broadsheet.papers.sources import pagedate
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.lines import excerpt, read_document
from broadsheet.papers.sources.values import clean
from broadsheet.papers.tex import to_plain

#: A block of at least this many characters is an abstract.
_ABSTRACT = 200
_LONGEST_TITLE = 400
_LIMIT = 4 << 20
_MOST_BLOCKS = 50_000
_HEADER = re.compile(rb"^[ \t]*Daily Papers[ \t]*\r?$", re.MULTILINE)
_COUNTER = re.compile(
    r"\W*(?:\d[\d.,]*k?|(?:·\s*)?\d+ (?:authors?|comments?|upvotes?|likes?|days? ago|hours? ago)"
    r"|submitted by.{0,60}|upvote\s*\d*|authors?:?|view (?:all|paper|pdf).{0,20}|by\s*\w+"
    r"|\+\d+|new|subscribe|get trending papers in your email inbox!|daily papers"
    r"|previous|next|papers|models|datasets|spaces|docs|pricing|terms of service|privacy|about"
    r"|careers|tos|company|website|system theme|hugging face|log in|sign up|[-–·•|]+)\W*",
    re.IGNORECASE,
)
_UPVOTES = re.compile(r"(?:upvote\s*(\d{1,6})|(\d{1,6}) upvotes?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class _Block:
    line: int
    start: int
    end: int
    text: str

    @property
    def is_abstract(self) -> bool:
        return len(self.text) >= _ABSTRACT

    @property
    def is_counter(self) -> bool:
        return len(self.text) < 80 and _COUNTER.fullmatch(self.text) is not None


class Page:
    """Source: saved Daily Papers page."""

    name = "page"
    description = "saved Daily Papers page as plain text: titles and abstracts in turn"

    def detect(self, head: bytes, name: str) -> float:
        """Look for the page's heading, then for short and long blocks in turn."""
        if b"\0" in head or head.lstrip()[:1] in (b"<", b"{", b"["):
            return 0.0
        if _HEADER.search(head[:4_000]):
            return 0.9
        blocks = list(_blocks(head))
        pairs = sum(
            block.is_abstract and not before.is_abstract and len(before.text) >= 10
            for before, block in pairwise(blocks)
        )
        return 0.4 if pairs >= 2 and 2 * pairs >= 0.6 * len(blocks) else 0.0

    def split(self, stream: BinaryIO, origin: Origin) -> Iterator[SourceRecord | Reject]:
        """Yield one record a paper; the offset is the line of its title."""
        document = read_document(stream, origin, limit=_LIMIT)
        if isinstance(document, Reject):
            yield document
            return
        blocks = list(islice(_blocks(document), _MOST_BLOCKS + 1))
        if len(blocks) > _MOST_BLOCKS:
            yield _reject(blocks.pop(), origin, f"more than {_MOST_BLOCKS:,} blocks; rest not read")
        printed, blocks = _without_header(blocks)
        day, note = pagedate.resolve(printed, document.decode("utf-8", "replace"), origin)
        context = {key: text for key, text in (("date", day), ("note", note)) if text}
        waiting: list[_Block] = []
        found = False
        for block in blocks:
            if not block.is_abstract:
                waiting.append(block)
                continue
            title = max(
                (index for index, item in enumerate(waiting) if _may_be_title(item)), default=-1
            )
            yield from _unread(waiting[: max(title, 0)], origin)
            if title < 0:
                yield _reject(block, origin, "an abstract without a title before it")
            else:
                found = True
                yield self._record(document, waiting[title:], block, context, origin)
            waiting = []
        yield from _unread(waiting, origin)
        if not found and not blocks:
            yield Reject(
                origin=origin.name, offset=1, unit="line", reason="no title and abstract found"
            )

    def _record(
        self,
        document: bytes,
        before: list[_Block],
        abstract: _Block,
        context: dict[str, str],
        origin: Origin,
    ) -> SourceRecord:
        title = before[0]
        return SourceRecord(
            source=self.name,
            key=normalise_title(to_plain(title.text))[:80] or f"line{title.line}",
            raw=document[title.start : abstract.end],
            context=context,
            origin=origin.name,
            offset=title.line,
        )

    def parse(self, record: SourceRecord) -> Facts:
        """Read one paper.

        Raises:
            BadInput: The record isn't a short block followed by a long one.
        """
        blocks = list(_blocks(record.raw))
        if len(blocks) < 2 or not blocks[-1].is_abstract:
            raise BadInput("not a title and an abstract", received=record.key)
        day = record.context.get("date", "")
        note = record.context.get("note", "")
        votes = [match for block in blocks[1:-1] if (match := _UPVOTES.fullmatch(block.text))]
        return Facts(
            title=blocks[0].text,
            abstract=blocks[-1].text,
            dates={"hf_daily": day} if day else {},
            listed=day,
            signals={"upvotes": int(votes[0][1] or votes[0][2])} if votes else {},
            observed=day if votes else "",
            notes=(note,) if note else (),
        )


def _blocks(document: bytes) -> Iterator[_Block]:
    """Yield blocks: runs of lines without a blank one; a line as long as an abstract is its own."""
    open_lines: list[_Block] = []
    offset = 0
    for number, raw in enumerate(io.BytesIO(document), 1):
        end = offset + len(raw.rstrip(b"\r\n"))
        line = _Block(number, offset, end, clean(raw.decode("utf-8", "replace")))
        offset += len(raw)
        if line.text and not line.is_abstract:
            open_lines.append(line)
            continue
        yield from _joined(open_lines)
        open_lines = []
        if line.text:
            yield line
    yield from _joined(open_lines)


def _joined(lines: list[_Block]) -> Iterable[_Block]:
    """Return wrapped lines as one block, unless they are lines that stand alone."""
    if not lines:
        return []
    joined = _Block(
        lines[0].line, lines[0].start, lines[-1].end, " ".join(line.text for line in lines)
    )
    standing_alone = any(line.is_counter or pagedate.read_day(line.text) for line in lines)
    return lines if standing_alone else [joined]


def _without_header(
    blocks: list[_Block],
) -> tuple[pagedate.PrintedDay | None, list[_Block]]:
    """Cut off what stands before the date (the page's menu); return the date and the rest."""
    for index, block in enumerate(blocks):
        if block.is_abstract:
            break
        printed = pagedate.read_day(block.text)
        if printed:
            return printed, blocks[index + 1 :]
    return None, blocks


def _may_be_title(block: _Block) -> bool:
    return (
        not block.is_counter
        and 3 <= len(block.text) <= _LONGEST_TITLE
        and any(char.isalpha() for char in block.text)
        and pagedate.read_day(block.text) is None
    )


def _unread(blocks: list[_Block], origin: Origin) -> Iterator[Reject]:
    before = ""
    for block in blocks:
        is_handle = before.lower() == "submitted by"
        before = block.text
        if not (is_handle or block.is_counter or pagedate.read_day(block.text)):
            yield _reject(
                block, origin, "a block that is neither a title with an abstract nor known"
            )


def _reject(block: _Block, origin: Origin, reason: str) -> Reject:
    return Reject(
        origin=origin.name,
        offset=block.line,
        unit="line",
        reason=reason,
        excerpt=excerpt(block.text.encode()),
    )


PAGE = Page()
