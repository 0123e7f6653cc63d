"""How works, hits and edition entries become rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from broadsheet.cli.output import Table

if TYPE_CHECKING:
    from broadsheet.papers.model import Work
    from broadsheet.papers.results import EditionEntry, Hit, ScorePart

WORK_COLUMNS = (
    "id",
    "date",
    "title",
    "authors",
    "categories",
    "venue",
    "arxiv",
    "doi",
    "acl",
    "flags",
)
HIT_COLUMNS = ("rank", "score", *WORK_COLUMNS, "why")
SHOWN_OF_HIT = ("rank", "id", "date", "title", "authors")
ENTRY_COLUMNS = ("rank", "score", "section", "id", "title", "why")
SHOWN_OF_ENTRY = ("rank", "id", "title", "section")


def work_row(work: Work) -> list[object]:
    """Return one work under `WORK_COLUMNS`."""
    return [
        work.id,
        work.date,
        work.title_text or work.title,
        [author.full for author in work.authors],
        list(work.categories),
        work.venue,
        work.ids.get("arxiv", ""),
        work.ids.get("doi", ""),
        work.ids.get("acl", ""),
        sorted(work.flags),
    ]


def hit_table(hits: Sequence[Hit], *, explain: bool = False) -> Table:
    """Return hits as a table; a terminal shows flags (withdrawn, retracted) where there are any."""
    flagged = ("flags",) * any(hit.work.flags for hit in hits)
    shown = (*SHOWN_OF_HIT, *flagged, *(("why",) * explain))
    return Table(HIT_COLUMNS, [hit_row(hit) for hit in hits], shown)


def hit_row(hit: Hit) -> list[object]:
    """Return one hit under `HIT_COLUMNS`."""
    return [hit.rank, hit.score, *work_row(hit.work), why(hit.parts)]


def entry_row(entry: EditionEntry) -> list[object]:
    """Return one entry of an edition or a trending list under `ENTRY_COLUMNS`."""
    return [
        entry.rank,
        entry.score,
        entry.section,
        entry.work_id,
        entry.title,
        why(entry.terms),
    ]


def why(parts: Sequence[ScorePart]) -> str:
    """Return the parts of a score on one line.

    Example:
        >>> from broadsheet.papers.results import ScorePart
        >>> why([ScorePart(name="words", value=0.5, detail="rank 1")])
        'words 0.5 (rank 1)'
    """
    return " + ".join(
        f"{part.name} {part.value:.4g}" + (f" ({part.detail})" if part.detail else "")
        for part in parts
    )
