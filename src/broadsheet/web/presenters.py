"""From works and hits to what a template draws: nothing here asks the store anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from broadsheet.papers.model import Work
from broadsheet.papers.results import EditionEntry, Hit, ScorePart
from broadsheet.web.rendering import typeset

#: Authors shown in a byline before "and N more".
BYLINE_AUTHORS = 4

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9“\"(])")
_LINK_LABELS = {"pdf": "PDF", "html": "HTML", "code": "Code", "project": "Project"}
ABSTRACT_PAGES = {
    "arxiv": ("arXiv", "https://arxiv.org/abs/{}"),
    "acl": ("ACL Anthology", "https://aclanthology.org/{}/"),
    "doi": ("DOI", "https://doi.org/{}"),
    "openreview": ("OpenReview", "https://openreview.net/forum?id={}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A work as a page shows it, with its rank and score where it stands in a ranked list."""

    work: Work
    title: Markup
    brief: str
    links: tuple[tuple[str, str], ...]
    facts: tuple[str, ...]
    rank: int = 0
    score: float = 0.0
    parts: tuple[ScorePart, ...] = ()

    @property
    def address(self) -> str:
        """Return the address of its page."""
        return paper_address(self.work.id)

    @property
    def abstract(self) -> Markup:
        """Return the whole abstract as HTML."""
        return typeset(self.work.abstract)

    @property
    def byline(self) -> tuple[str, ...]:
        """Return the first authors' names."""
        return tuple(author.full for author in self.work.authors[:BYLINE_AUTHORS])

    @property
    def unnamed(self) -> int:
        """Return how many authors the byline leaves out."""
        return max(0, len(self.work.authors) - BYLINE_AUTHORS)


def paper_address(work_id: str) -> str:
    """Return the address of a paper's page."""
    return f"/p/{quote(work_id, safe='')}"


def present(work: Work, *, words: int = 45) -> Paper:
    """Present a work with an excerpt of about `words` words."""
    return Paper(
        work=work,
        title=typeset(work.title),
        brief=excerpt(work.abstract_text, words),
        links=links_of(work),
        facts=facts_of(work),
    )


def present_hit(hit: Hit, *, words: int = 45) -> Paper:
    """Present one result of a search."""
    return _ranked(present(hit.work, words=words), hit.rank, hit.score, hit.parts)


def present_entries(
    entries: Iterable[EditionEntry], works: Mapping[str, Work], *, words: Sequence[int] = (45,)
) -> list[Paper]:
    """Present the entries of an edition; the n-th gets an excerpt of `words[n]` words."""
    shown = []
    for place, entry in enumerate(entries):
        work = works.get(entry.work_id)
        if work is None:
            work = Work(id=entry.work_id, title=entry.title, title_text=entry.title)
        paper = present(work, words=words[min(place, len(words) - 1)])
        shown.append(_ranked(paper, entry.rank, entry.score, entry.terms))
    return shown


def _ranked(paper: Paper, rank: int, score: float, parts: tuple[ScorePart, ...]) -> Paper:
    return Paper(
        work=paper.work,
        title=paper.title,
        brief=paper.brief,
        links=paper.links,
        facts=paper.facts,
        rank=rank,
        score=score,
        parts=parts,
    )


def excerpt(text: str, words: int) -> str:
    """Cut text after a sentence near `words` words, or inside a long one with an ellipsis.

    Example:
        >>> excerpt("One two three. Four five six seven. Eight.", 4)
        'One two three.'
        >>> excerpt("One two three four five six seven eight.", 4)
        'One two three four…'
    """
    if len(text.split()) <= words:
        return text
    kept: list[str] = []
    room = words
    for sentence in _SENTENCE_END.split(text):
        length = len(sentence.split())
        if length > room and kept and room <= words // 3:
            break
        if length > room:
            kept.append(" ".join(sentence.split()[:room]).rstrip(",;:—-") + "…")
            break
        kept.append(sentence)
        room -= length
        if room <= 0:
            break
    return " ".join(kept)


def links_of(work: Work) -> tuple[tuple[str, str], ...]:
    """Return (label, address) of every place outside where the work can be read.

    Only http and https addresses pass: a record is not trusted to say where a link leads.
    """
    found: list[tuple[str, str]] = []
    for scheme, (label, pattern) in ABSTRACT_PAGES.items():
        if work.ids.get(scheme):
            found.append((label, pattern.format(quote(work.ids[scheme], safe="/"))))
    abstract_page = work.links.get("abs", "")
    if abstract_page and not found:
        found.append(("Source", abstract_page))
    for name, label in _LINK_LABELS.items():
        if work.links.get(name):
            found.append((label, work.links[name]))
    return tuple(link for link in found if is_web_address(link[1]))


def is_web_address(address: str) -> bool:
    """Tell whether an address is plain http or https."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def facts_of(work: Work) -> tuple[str, ...]:
    """Return the small facts under a headline: flags, version, organisation, counts."""
    facts = sorted(work.flags)
    if work.version > 1:
        facts.append(f"version {work.version}")
    if work.organization:
        facts.append(work.organization)
    for name in ("upvotes", "stars"):
        values = [signal for signal in work.signals if signal.name == name]
        if values:
            latest = max(values, key=lambda signal: signal.day)
            noun = name[:-1] if latest.value == 1 else name
            facts.append(f"{latest.value:,} {noun}")
    return tuple(facts)
