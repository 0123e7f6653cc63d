"""One paper: its page, and what is known about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request

from broadsheet.core.errors import BroadsheetError
from broadsheet.papers.citation import CITATION_FORMATS
from broadsheet.papers.diff import VersionChange, version_changes
from broadsheet.papers.library import Library
from broadsheet.papers.model import Work
from broadsheet.papers.store.results import StoredRecord
from broadsheet.web.experiments import Experiment
from broadsheet.web.pages import DATA_TWINS, LIST_TWINS, PAPER_TWINS, Answer, page, site_of
from broadsheet.web.paperfacts import facts_table
from broadsheet.web.presenters import Paper, paper_address, present, present_hit
from broadsheet.web.shapes import RecordSummary, RelatedPage

router = APIRouter()
_log = logging.getLogger(__name__)

#: Authors on the page before "and N more", similar papers beside the abstract and on their own.
AUTHORS = 30
SIMILAR = 6
RELATED = 30

#: Most bytes of a verbatim record that are shown.
RECORD_BYTES = 20_000

_SCHEMES = ("arxiv", "doi", "acl", "openreview", "s2", "openalex", "hf")
_TABS = (
    ("paper", "Paper", ""),
    ("related", "Related", "/related"),
    ("versions", "Versions", "/versions"),
    ("records", "Records", "/records"),
    ("cite", "Cite", "/cite"),
)


def _scheme_route(scheme: str) -> None:
    @page(router, f"/p/{scheme}/{{identifier:path}}", twins=())
    def by_identifier(request: Request, library: Library, identifier: str) -> Answer:
        """The paper that has this identifier."""
        prefix = "arXiv:" if scheme == "arxiv" else ""
        return Answer(see=paper_address(library.find(prefix + identifier).id))


for _scheme in _SCHEMES:
    _scheme_route(_scheme)


@page(router, "/p/{work_id}/related", twins=LIST_TWINS, shape=RelatedPage)
def related(request: Request, library: Library, work_id: str) -> Answer:
    """Papers with a similar text."""
    work = library.store.work(work_id)
    if work.id != work_id:
        return Answer(see=f"{paper_address(work.id)}/related")
    hits = library.related(work.id, limit=RELATED)
    return Answer(
        template="related.html",
        title=f"Related to {work.title_text}",
        data=RelatedPage(work=work, hits=tuple(hits)),
        works=[hit.work for hit in hits],
        values={
            **_values(request, work, "related"),
            "related": [present_hit(hit) for hit in hits],
        },
    )


@page(router, "/p/{work_id}/versions", twins=DATA_TWINS, shape=tuple[VersionChange, ...])
def versions(request: Request, library: Library, work_id: str) -> Answer:
    """The versions of a paper, and the words that changed."""
    work = library.store.work(work_id)
    changes = tuple(reversed(version_changes(work)))
    return Answer(
        template="versions.html",
        title=f"Versions of {work.title_text}",
        data=changes,
        values={
            **_values(request, work, "versions"),
            "timeline": work.versions,
            "changes": changes,
        },
    )


@page(router, "/p/{work_id}/records", twins=DATA_TWINS, shape=tuple[RecordSummary, ...])
def records(request: Request, library: Library, work_id: str) -> Answer:
    """The source records that a paper is made from, and where each field comes from."""
    work = library.store.work(work_id)
    stored = [_summary(record) for record in library.store.records(work.id)]
    return Answer(
        template="records.html",
        title=f"Records of {work.title_text}",
        data=tuple(stored),
        values={
            **_values(request, work, "records"),
            "records": stored,
            "provenance": sorted(work.provenance.items()),
        },
    )


@page(router, "/p/{work_id}/cite")
def cite(request: Request, library: Library, work_id: str) -> Answer:
    """How to cite a paper."""
    work = library.store.work(work_id)
    return Answer(
        template="cite.html",
        title=f"Cite {work.title_text}",
        values={
            **_values(request, work, "cite"),
            "citations": [
                (item.label, suffix, item.write([work]))
                for suffix, item in CITATION_FORMATS.items()
            ],
        },
    )


@page(router, "/p/{reference}", twins=PAPER_TWINS, shape=Work)
def paper(request: Request, library: Library, reference: str, authors: str = "") -> Answer:
    """A paper."""
    work = library.find(reference)
    if work.id != reference:
        return Answer(see=paper_address(work.id))
    return Answer(
        template="paper.html",
        title=work.title_text,
        data=work,
        works=[work],
        values={
            **_values(request, work, "paper", everyone=authors == "all"),
            "similar": _similar(library, work),
            "systems": _systems(request, work),
        },
    )


def _values(
    request: Request, work: Work, tab: str, *, everyone: bool = False
) -> Mapping[str, object]:
    base = paper_address(work.id)
    return {
        "paper": present(work, words=0),
        "tab": tab,
        "tabs": [(name, label, base + suffix) for name, label, suffix in _TABS],
        "facts": facts_table(work),
        "authors_shown": len(work.authors) if everyone else AUTHORS,
    }


def _similar(library: Library, work: Work) -> list[Paper]:
    """Return similar papers; none while the indexes are not built, for the page stands without."""
    try:
        hits = library.related(work.id, limit=SIMILAR)
    except BroadsheetError as error:
        _log.info("no similar papers: %s", error)
        return []
    return [present_hit(hit, words=0) for hit in hits]


def _systems(request: Request, work: Work) -> tuple[Experiment, ...]:
    """Return the systems that build the paper; a damaged card hides them, never the paper."""
    try:
        return site_of(request).experiments.of_work(work)
    except BroadsheetError as error:
        _log.warning("no systems: %s", error)
        return ()


def _summary(record: StoredRecord) -> RecordSummary:
    text = record.raw[:RECORD_BYTES].decode("utf-8", "replace")
    if len(record.raw) > RECORD_BYTES:
        text += f"\n[{len(record.raw) - RECORD_BYTES:,} more bytes]"
    return RecordSummary(
        sequence=record.sequence,
        source=record.source,
        key=record.key,
        sha256=record.sha256.hex(),
        origin=record.origin,
        ingested_at=record.ingested_at,
        text=text,
    )
