"""The facts beside a paper: dates, identifiers, venue, counts."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from broadsheet.papers.model import Work
from broadsheet.web.presenters import ABSTRACT_PAGES, is_web_address
from broadsheet.web.rendering import address, count, short_day

_DATES = {
    "submitted_v1": "Submitted",
    "announced": "Announced",
    "hf_daily": "Daily Papers",
    "published": "Published",
    "latest_version": "Latest version",
}
_SIGNALS = {"upvotes": "upvote", "comments": "comment", "stars": "GitHub star"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One value, with the address it leads to."""

    text: str
    address: str = ""
    outside: bool = False


def facts_table(work: Work) -> list[tuple[str, list[Fact]]]:
    """Return labelled facts; labels without a value are left out."""
    table = [
        ("Dates", _dates(work)),
        ("Venue", [_listed("venue", name) for name in (work.venue,) if name]),
        ("Journal", [Fact(text=text) for text in (work.journal_ref,) if text]),
        ("Organisation", [Fact(text=text) for text in (work.organization,) if text]),
        (
            "Categories",
            [Fact(text=c, address=f"/cat/{quote(c, safe='')}") for c in work.categories],
        ),
        ("Key words", [_keyword(word) for word in work.keywords[:12]]),
        ("Counts", _counts(work)),
        ("Identifiers", _identifiers(work)),
        ("Comments", [Fact(text=text) for text in (work.comments,) if text]),
        ("Licence", _licence(work)),
        ("Permanent id", [Fact(text=work.id, address=f"/p/{quote(work.id, safe='')}")]),
    ]
    return [(label, values) for label, values in table if values]


def _dates(work: Work) -> list[Fact]:
    facts = []
    for name, label in _DATES.items():
        date = work.dates.get(name, "")[:10]
        if not date:
            continue
        leads = f"/d/{date}" if date == work.day else ""
        facts.append(Fact(text=f"{label} {short_day(date)}", address=leads))
    if not facts and work.year:
        facts.append(Fact(text=str(work.year)))
    return facts


def _listed(field: str, name: str) -> Fact:
    return Fact(text=name, address=f"/{field}/{quote(name, safe='')}")


def _keyword(word: str) -> Fact:
    return Fact(text=word, address=address("/search", q=f'"{word}"'))


def _counts(work: Work) -> list[Fact]:
    latest = {}
    for signal in sorted(work.signals, key=lambda item: item.day):
        latest[signal.name] = signal
    return [
        Fact(text=f"{count(signal.value, _SIGNALS.get(name, name))} on {short_day(signal.day)}")
        for name, signal in latest.items()
    ]


def _identifiers(work: Work) -> list[Fact]:
    facts = []
    for scheme, value in work.ids.items():
        label, pattern = ABSTRACT_PAGES.get(scheme, (scheme, ""))
        version = f"v{work.version}" if scheme == "arxiv" and work.version else ""
        leads = pattern.format(quote(value, safe="/")) if pattern else ""
        facts.append(Fact(text=f"{label} {value}{version}", address=leads, outside=bool(leads)))
    return facts


def _licence(work: Work) -> list[Fact]:
    if not work.license:
        return []
    leads = work.license if is_web_address(work.license) else ""
    return [Fact(text=work.license, address=leads, outside=bool(leads))]
