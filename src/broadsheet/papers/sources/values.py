"""Turn untrusted values of a parsed document into the types that `Facts` wants, or into nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from broadsheet.core.errors import BadInput
from broadsheet.papers.identity import parse_arxiv_id
from broadsheet.papers.model import Author, SourceRecord

#: More authors than any paper has; guards memory.
MOST_AUTHORS = 20_000
_MOST_COUNT = 2**53
_UNUSABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_ISO = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_WEB = re.compile(r"https?://[^\s\"'<>\\^`{}|]+", re.IGNORECASE)
_LONGEST_LINK = 2_000


def clean(text: str) -> str:
    r"""Return text with runs of white space as single blanks, without control characters.

    Example:
        >>> clean(" A  title\n with\x00 breaks ")
        'A title with breaks'
    """
    joined = " ".join(text.split())
    if joined.isprintable():
        return joined
    return " ".join(_UNUSABLE.sub("", joined).split())


def text_of(value: object) -> str:
    """Return a string value cleaned, and "" for anything else."""
    return clean(value) if isinstance(value, str) else ""


def texts_of(value: object, limit: int = 1_000) -> tuple[str, ...]:
    """Return the non-empty strings of a list, without repetitions."""
    if not isinstance(value, list):
        return ()
    return tuple(dict.fromkeys(filter(None, map(text_of, value[:limit]))))


def count_of(value: object) -> int | None:
    """Return a count, or None when the value is not one (a missing count isn't zero)."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _MOST_COUNT else None


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return a JSON object, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def date_of(value: object) -> str:
    """Return an ISO 8601 date or time as given, or "" when it isn't one.

    Example:
        >>> date_of("2024-12-27T16:21:58"), date_of("2024-12"), date_of("soon")
        ('2024-12-27T16:21:58', '2024-12', '')
    """
    text = text_of(value)
    match = _ISO.fullmatch(text)
    if not match:
        return ""
    try:
        date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return ""
    return text


def day_of(value: object) -> str:
    """Return the full ISO day inside a date or time, or ""."""
    day = date_of(value)[:10]
    return day if len(day) == 10 else ""


def month_of(text: str) -> int:
    """Return the first month that a printed month names (1 to 12), or 0.

    Example:
        >>> month_of("October-November"), month_of("05 August"), month_of("12"), month_of("Spring")
        (10, 8, 12, 0)
    """
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 2 and 1 <= int(text) <= 12 else 0
    for word in re.findall(r"[a-z]{3,}", text[:200].lower()):
        if word[:3] in _MONTHS:
            return _MONTHS[word[:3]]
    return 0


def year_of(value: object) -> int:
    """Return a year between 1800 and 2200, or 0."""
    text = str(value).strip() if isinstance(value, int | str) and value is not True else ""
    good = len(text) == 4 and text.isascii() and text.isdigit() and 1800 <= int(text) <= 2200
    return int(text) if good else 0


def month_date(year: int, month: str) -> str:
    """Return "2022-05", or "2022" without a month, or "" without a year."""
    number = month_of(month)
    if not year:
        return ""
    return f"{year:04d}-{number:02d}" if number else f"{year:04d}"


def link_of(value: object) -> str:
    """Return a web address, or "" for anything that isn't plain http or https."""
    text = text_of(value)
    return text if len(text) <= _LONGEST_LINK and _WEB.fullmatch(text) else ""


def authors_of(value: object) -> tuple[Author, ...]:
    """Return authors from a list of printed names."""
    if not isinstance(value, list):
        return ()
    names = (text_of(item) for item in value[:MOST_AUTHORS])
    return tuple(Author(full=name) for name in names if name)


def arxiv_links(arxiv_id: str) -> dict[str, str]:
    """Return the addresses that every arXiv paper has.

    Example:
        >>> arxiv_links("2401.00001")["pdf"]
        'https://arxiv.org/pdf/2401.00001'
    """
    return {
        "abs": f"https://arxiv.org/abs/{arxiv_id}",
        "pdf": f"https://arxiv.org/pdf/{arxiv_id}",
    }


def arxiv_ids(text: str) -> dict[str, str]:
    """Return `{"arxiv": id}` when `text` is an arXiv id in any form, else nothing."""
    parsed = parse_arxiv_id(text) if len(text) <= 100 else None
    return {"arxiv": parsed[0]} if parsed else {}


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that hold something (a count of zero is something)."""
    return {key: value for key, value in values.items() if value not in ("", None)}


def json_object(record: SourceRecord) -> dict[str, Any]:
    """Return the JSON object that a record holds.

    Raises:
        BadInput: The record is not one JSON object.
    """
    try:
        value = json.loads(record.raw)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"broken JSON ({error})", received=record.key) from None
    if not isinstance(value, dict):
        raise BadInput("not a JSON object", received=record.key)
    return value
