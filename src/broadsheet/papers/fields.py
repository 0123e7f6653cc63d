"""The fields of the query language: what values each takes, and what it asks of a paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from broadsheet.core.errors import UsageError
from broadsheet.index.predicates import Between, Contains, Predicate
from broadsheet.papers.documents import (
    PARTS,
    category_label,
    fold,
    fold_author,
    fold_id,
    period,
)
from broadsheet.papers.model import FLAGS

_COMPARISON = re.compile(r"(>=|<=|>|<|=)(.+)")
_LAST_YEAR = 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field: a line of help, the canonical form of a value, and the value as a predicate."""

    help: str
    normalise: Callable[[str], str]
    predicate: Callable[[str], Predicate]


def normalise(field: str, value: str) -> str:
    """Return the canonical form of a value; it is its own canonical form.

    Raises:
        UsageError: The field does not take this value.
    """
    clean = " ".join(value.split())
    if not clean:
        raise UsageError(f"{field}: needs a value", received=f"{field}:{value}", hint=_hint(field))
    return FIELDS[field].normalise(clean)


def to_predicate(field: str, value: str) -> Predicate:
    """Return what a value in canonical form asks of a paper."""
    return FIELDS[field].predicate(value)


def _hint(field: str) -> str:
    return f"{field}: takes {FIELDS[field].help}"


def _term(name: str, form: Callable[[str], str]) -> Callable[[str], Predicate]:
    return lambda value: Contains(name, form(value))


def _author(value: str) -> str:
    if not fold_author(value):
        raise UsageError("author: needs a name", received=value, hint=_hint("author"))
    return value


def _one_of(field: str, allowed: tuple[str, ...]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if fold(value) not in allowed:
            raise UsageError(
                f"{field}: does not know this value",
                received=f"{field}:{value}",
                hint="one of " + ", ".join(allowed),
            )
        return fold(value)

    return check


def _ends(text: str) -> tuple[str, str, bool, bool]:
    """Split a range into its ends and whether each is left out."""
    comparison = _COMPARISON.fullmatch(text)
    if not comparison:
        low, dots, high = text.partition("..")
        return (low, high, False, False) if dots else (text, text, False, False)
    sign, end = comparison[1], comparison[2].strip()
    if sign == "=":
        return end, end, False, False
    return (end, "", sign == ">", False) if sign[0] == ">" else ("", end, False, sign == "<")


def _range_error(field: str, value: str) -> UsageError:
    return UsageError(f"{field}: is not understood", received=f"{field}:{value}", hint=_hint(field))


def _year_range(value: str) -> str:
    low, high, after, before = _ends(value)
    if not (low or high) or any(
        end and not re.fullmatch(r"\d{1,4}", end, re.ASCII) for end in (low, high)
    ):
        raise _range_error("year", value)
    first = int(low) + after if low else 0
    last = int(high) - before if high else _LAST_YEAR
    if first > last or first > _LAST_YEAR or last < 1:
        raise _range_error("year", value)
    return _joined(str(first) if low else "", str(last) if high else "")


def _date_range(value: str) -> str:
    low, high, after, before = _ends(value)
    first, last = period(low) if low else None, period(high) if high else None
    if not (low or high) or (low and not first) or (high and not last):
        raise _range_error("date", value)
    try:
        if first and after:
            low = (first[1] + timedelta(days=1)).isoformat()
        if last and before:
            high = (last[0] - timedelta(days=1)).isoformat()
    except OverflowError:
        raise _range_error("date", value) from None
    begin, end = _days(_joined(low, high))
    if begin > end:
        raise _range_error("date", value)
    return _joined(low, high)


def _joined(low: str, high: str) -> str:
    return low if low == high else f"{low}..{high}"


def _days(value: str) -> tuple[date, date]:
    low, dots, high = value.partition("..")
    first, last = period(low), period(high if dots else low)
    return first[0] if first else date.min, last[1] if last else date.max


def _year_between(value: str) -> Predicate:
    low, dots, high = value.partition("..")
    last = high if dots else low
    return Between("year", int(low or 0), int(last or _LAST_YEAR))


def _day_between(value: str) -> Predicate:
    first, last = _days(value)
    return Between("day", first.toordinal(), last.toordinal())


def _as_typed(value: str) -> str:
    return value


#: Every field of the language, in the order shown to people.
FIELDS: Mapping[str, Field] = {
    "author": Field(
        help='a family name or "a full name"',
        normalise=_author,
        predicate=_term("author", fold_author),
    ),
    "cat": Field(
        help="a category (cs.CL) or an archive (cs)",
        normalise=lambda value: category_label(fold(value)),
        predicate=_term("cat", fold),
    ),
    "venue": Field(
        help='a venue, such as acl or "neurips 2024"',
        normalise=_as_typed,
        predicate=_term("venue", fold),
    ),
    "keyword": Field(
        help='a keyword or "several words"', normalise=fold, predicate=_term("keyword", fold)
    ),
    "year": Field(
        help="2024, 2022..2024, 2022.., >=2023",
        normalise=_year_range,
        predicate=_year_between,
    ),
    "date": Field(
        help="2025-09, 2025-09-02, 2025-09-01..2025-09-15, 2025-09..",
        normalise=_date_range,
        predicate=_day_between,
    ),
    "has": Field(
        help="one of " + ", ".join(PARTS),
        normalise=_one_of("has", PARTS),
        predicate=_term("has", fold),
    ),
    "flag": Field(
        help="one of " + ", ".join(FLAGS),
        normalise=_one_of("flag", FLAGS),
        predicate=_term("flag", fold),
    ),
    "source": Field(
        help="where a record came from, such as hf or acl",
        normalise=fold,
        predicate=_term("source", fold),
    ),
    "id": Field(
        help="an arXiv id, a DOI or any other id",
        normalise=fold_id,
        predicate=_term("id", fold_id),
    ),
    "sim": Field(
        help="the id of a paper, to find similar ones",
        normalise=_as_typed,
        predicate=_term("id", fold_id),
    ),
}
