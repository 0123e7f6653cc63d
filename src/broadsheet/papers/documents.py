"""Works as documents: what the indexes know of a paper, in one place.

The terms are comparison forms (case-folded, names without accents), so that the same functions
serve papers and queries. Attributes that end in `_name` hold printed forms, for facets only.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable
from datetime import date

from broadsheet.index.predicates import Document
from broadsheet.papers.identity import (
    family_name,
    normalise_doi,
    normalise_name,
    parse_arxiv_id,
)
from broadsheet.papers.model import Author, Work

#: Set-valued attributes that a query can filter by.
TERMS = ("author", "cat", "venue", "keyword", "has", "flag", "source", "id")

#: Integer attributes.
NUMBERS = ("day", "year")

#: Values of `has`.
PARTS = ("abstract", "code", "doi", "pdf", "project")

_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_TRAILING_YEAR = re.compile(r"[\s'’]+\d{2,4}$", re.ASCII)


def to_document(number: int, work: Work) -> Document:
    """Return the document that stands for a work in every index."""
    first_day = period(work.date)
    numbers = {"day": first_day[0].toordinal()} if first_day else {}
    year = work.year or (first_day[0].year if first_day else 0)
    if year:
        numbers["year"] = year
    venues = venue_names(work.venue)
    terms = {
        "author": _unique(form for author in work.authors for form in author_forms(author)),
        "author_name": _unique(author.full for author in work.authors),
        "cat": _unique(form for name in work.categories for form in category_forms(name)),
        "cat_name": _unique(fold(name) for name in work.categories),
        "venue": _unique(fold(form) for name in venues for form in venue_forms(name)),
        "venue_name": _unique(venues),
        "keyword": _unique(fold(keyword) for keyword in work.keywords),
        "has": _unique(_parts(work)),
        "flag": _unique(sorted(work.flags)),
        "source": _unique(sorted(entry.partition(":")[0] for entry in work.provenance.values())),
        "id": _unique(fold_id(name) for name in (work.id, *work.aliases, *work.ids.values())),
    }
    return Document(
        number=number,
        title=work.title_text or work.title,
        body=work.abstract_text or work.abstract,
        names="\n".join(author.full for author in work.authors),
        terms={name: values for name, values in terms.items() if values},
        numbers=numbers,
    )


def fold(text: str) -> str:
    """Return the comparison form of a term: case-folded, white space runs as single blanks."""
    return " ".join(text.split()).casefold()


def fold_id(text: str) -> str:
    """Return the comparison form of any identifier: arXiv ids without version, DOIs without host.

    Example:
        >>> [fold_id(one) for one in ("arXiv:2401.00001v2", "doi:10.1234/AB", "P16-1")]
        ['2401.00001', '10.1234/ab', 'p16-1']
    """
    arxiv = parse_arxiv_id(text)
    return arxiv[0] if arxiv else normalise_doi(text) or fold(text)


def author_forms(author: Author) -> list[str]:
    """Return the names an author is found by: family, full, and initial with family.

    Example:
        >>> author_forms(Author(full="Ashish Vaswani"))
        ['vaswani', 'ashishvaswani', 'avaswani']
    """
    family = normalise_name(author.family or family_name(author.full))
    full = normalise_name(author.full)
    if author.given and author.family:
        full = normalise_name(f"{author.given} {author.family}")
    forms = [family, full, normalise_name(author.full)]
    if full.endswith(family) and full != family:
        forms.append(full[0] + family)
    return [form for form in dict.fromkeys(forms) if form]


def fold_author(text: str) -> str:
    """Return the comparison form of an author as typed: `Vaswani, Ashish` is `Ashish Vaswani`."""
    family, comma, given = text.partition(",")
    return normalise_name(f"{given} {family}" if comma and given.strip() else text)


def category_forms(name: str) -> list[str]:
    """Return a category and its archive.

    Example:
        >>> category_forms("cs.CL"), category_forms("quant-ph")
        (['cs.cl', 'cs'], ['quant-ph'])
    """
    folded = fold(name)
    archive = folded.partition(".")[0]
    return [form for form in dict.fromkeys((folded, archive)) if form]


def category_label(folded: str) -> str:
    """Return a category as arXiv prints it.

    Example:
        >>> category_label("cs.cl"), category_label("cond-mat.mes-hall"), category_label("hep-th")
        ('cs.CL', 'cond-mat.mes-hall', 'hep-th')
    """
    archive, dot, subject = folded.partition(".")
    return (
        f"{archive}{dot}{subject.upper() if len(subject) == 2 and subject.isascii() else subject}"
    )


def venue_names(printed: str) -> list[str]:
    """Return the venues in a printed list; a comma inside a long name does not divide it.

    Example:
        >>> venue_names("findings, acl"), venue_names("Proc. of the Conference, Volume 2")
        (['findings', 'acl'], ['Proc. of the Conference, Volume 2'])
    """
    parts = [part.strip() for part in printed.split(",") if part.strip()]
    if any(" " in part for part in parts):
        return [" ".join(printed.split())]
    return parts


def venue_forms(name: str) -> list[str]:
    """Return a venue with and without the year at its end ("NeurIPS 2024", "NeurIPS")."""
    return list(dict.fromkeys((name, _TRAILING_YEAR.sub("", name) or name)))


def period(partial: str) -> tuple[date, date] | None:
    """Return the first and last day of a year, month or day in ISO 8601; None when it is none.

    Example:
        >>> [str(day) for day in period("2024-02")]
        ['2024-02-01', '2024-02-29']
    """
    match = _PARTIAL_DATE.fullmatch(partial)
    if not match:
        return None
    year, month, day = (int(part) if part else 0 for part in match.groups())
    try:
        first = date(year, month or 1, day or 1)
    except ValueError:
        return None
    if day:
        return first, first
    last_month = month or 12
    return first, date(year, last_month, monthrange(year, last_month)[1])


def _parts(work: Work) -> list[str]:
    held = {
        "abstract": bool(work.abstract),
        "code": bool(work.links.get("code")),
        "doi": bool(work.ids.get("doi")),
        "pdf": bool(work.links.get("pdf")),
        "project": bool(work.links.get("project")),
    }
    return [name for name in PARTS if held[name]]


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
