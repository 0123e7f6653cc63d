"""What a citation says about a work, before it is written in any format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from broadsheet.papers.model import Author, Work

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_JOURNAL = re.compile(r"\b(journal|transactions|tacl|letters|annals|magazine)\b", re.IGNORECASE)
_ADDRESSES = (
    ("arxiv", "https://arxiv.org/abs/{}"),
    ("acl", "https://aclanthology.org/{}"),
    ("openreview", "https://openreview.net/forum?id={}"),
    ("doi", "https://doi.org/{}"),
)
_LINKS = ("abs", "html", "pdf", "project", "code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A work as a bibliography sees it. All strings are single lines of clean text.

    Args:
        work_id: The work's own id.
        kind: "preprint", "paper" (in proceedings) or "article" (in a journal).
        title: Plain text.
        tex_title: The title as the source gave it, TeX included.
        issued: ISO 8601 date of publication, possibly partial, "" when unknown.
        container: Proceedings or journal, "" for a preprint.
        url: The page to send a reader to, "" when there is none.
        note: "Retracted", "Withdrawn" or "".
    """

    work_id: str
    kind: str
    title: str
    tex_title: str
    authors: tuple[Author, ...]
    issued: str
    container: str
    doi: str
    arxiv: str
    primary_category: str
    url: str
    abstract: str
    keywords: tuple[str, ...]
    note: str

    @property
    def year(self) -> str:
        """Return the year of publication, "" when unknown."""
        return self.issued[:4]


def reference_of(work: Work) -> Reference:
    """Gather what a citation needs from a work."""
    container = one_line(work.venue or work.journal_ref)
    if not container:
        kind = "preprint"
    elif not work.venue or _JOURNAL.search(container):
        kind = "article"
    else:
        kind = "paper"
    flags = [name.capitalize() for name in ("retracted", "withdrawn") if name in work.flags]
    return Reference(
        work_id=work.id,
        kind=kind,
        title=one_line(work.title_text or work.title),
        tex_title=one_line(work.title),
        authors=tuple(author for author in work.authors if one_line(author.full or author.family)),
        issued=_issued(work, published=kind != "preprint"),
        container=container,
        doi=one_line(work.ids.get("doi", "")),
        arxiv=one_line(work.ids.get("arxiv", "")),
        primary_category=one_line(work.primary_category),
        url=address_of(work),
        abstract=one_line(work.abstract_text or work.abstract),
        keywords=tuple(filter(None, map(one_line, work.keywords))),
        note=", ".join(flags),
    )


def address_of(work: Work) -> str:
    """Return the public page of a work: built from its best id, else its first usable link.

    Example:
        >>> address_of(Work(id="x", ids={"arxiv": "2401.00001"}))
        'https://arxiv.org/abs/2401.00001'
    """
    for scheme, pattern in _ADDRESSES:
        if identifier := one_line(work.ids.get(scheme, "")):
            return pattern.format(quote(identifier, safe="/:.()"))
    return next(filter(None, (safe_address(work.links.get(name, "")) for name in _LINKS)), "")


def safe_address(text: str) -> str:
    """Return `text` as an http(s) address fit for any markup, or "" when it is not one.

    Example:
        >>> safe_address("https://a.org/b c"), safe_address("javascript:alert(1)")
        ('https://a.org/b%20c', '')
    """
    address = one_line(text)
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    return quote(address, safe="%/:=&?~#+!$,;'@*.-_[]")


def one_line(text: str) -> str:
    """Return `text` on one line without control characters and lone surrogates.

    What is left is valid in XML 1.0, in UTF-8 and in every citation format.
    """
    return " ".join(_FORBIDDEN.sub(" ", text).split())


def _issued(work: Work, *, published: bool) -> str:
    year = f"{work.year:04d}" if work.year else ""
    if published:
        first = (work.dates.get("published", ""), year)
    else:
        first = (work.dates.get("submitted_v1", ""), work.dates.get("announced", ""))
    rest = (work.dates.get("published", ""), work.date, year)
    return next((date[:10] for date in (*first, *rest) if date), "")
