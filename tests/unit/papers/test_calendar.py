from __future__ import annotations

import pytest

from broadsheet.core.errors import UsageError
from broadsheet.papers import calendar
from broadsheet.papers.calendar import Axis


class Days:
    """A store that knows only its days."""

    def __init__(self, days: dict[str, int], published: tuple[str, ...] = ()) -> None:
        self._days, self._published = days, published

    def days(self) -> list[tuple[str, int]]:
        return sorted(self._days.items())

    def edition_days(self) -> list[tuple[str, int, str]]:
        return [(day, 1, "") for day in self._published]


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-10T08:00:00+00:00")


def test_age_skips_weekends_and_days_without_papers() -> None:
    axis = Axis(["2025-08-27", "2025-08-29", "2025-09-02"], "2025-09-02")
    assert axis.age("2025-09-02") == 0
    assert axis.age("2025-08-29") == 1, "a weekend and a holiday lie between"
    assert axis.age("2025-08-28") == 1, "a day without papers counts with the next one"
    assert axis.age("2025-08-27") == 2


def test_a_weekend_paper_counts_with_monday() -> None:
    axis = Axis(["2025-08-29", "2025-08-30", "2025-09-01"], "2025-09-01")
    assert axis.age("2025-08-30") == 0
    assert axis.last(9) == ["2025-08-29", "2025-09-01"]


def test_now_is_on_the_axis_even_on_a_weekend_and_the_future_is_not() -> None:
    axis = Axis(["2025-08-29", "2025-09-02"], "2025-08-30")
    assert axis.last(3) == ["2025-08-29", "2025-08-30"]
    assert axis.age("2025-08-29") == 1
    assert axis.age("2025-09-02") == 0


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2025-01-20", "Martin Luther King Jr. Day"),
        ("2025-05-26", "Memorial Day"),
        ("2024-05-27", "Memorial Day"),
        ("2025-05-19", ""),
        ("2025-09-01", "Labor Day"),
        ("2025-09-08", ""),
        ("2025-11-27", "Thanksgiving"),
        ("2025-11-20", ""),
        ("2025-12-25", "Christmas Day"),
    ],
)
def test_holidays(day: str, name: str) -> None:
    assert calendar.holiday(day) == name


@pytest.mark.usefixtures("frozen")
def test_every_empty_day_says_why() -> None:
    store = Days({"2025-09-02": 40, "2025-09-04": 3}, published=("2025-09-02",))
    days = {item.day: item for item in calendar.month_days(store, "2025-09")}
    assert len(days) == 30
    assert days["2025-09-02"].papers == 40
    assert days["2025-09-02"].published
    assert not days["2025-09-04"].published
    assert days["2025-09-04"].reason == ""
    assert days["2025-09-01"].reason == "holiday: Labor Day (recalled)"
    assert days["2025-09-06"].reason.startswith("weekend")
    assert days["2025-09-03"].reason == "no paper of this day in any source read so far"
    assert "2025-09-04" in days["2025-09-05"].reason
    assert days["2025-09-11"].reason == "in the future"
    assert calendar.month_days(store, "2025-08")[0].reason == (
        "before the first paper we know (2025-09-02)"
    )
    assert calendar.why_empty("2025-09-09", []) == "the library is empty"


@pytest.mark.parametrize("text", ["2025-9-2", "20250902", "2025-02-30", "", "yesterday"])
def test_a_day_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        calendar.parse_day(text)


@pytest.mark.parametrize(
    "text", ["2025-13", "2025-00", "0000-01", "2025", "2025-W01", "２０２５-09"]
)
def test_a_month_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        calendar.month_range(text)


@pytest.mark.parametrize("text", ["2025-W54", "2025-W00", "2025W36", "2025-36", "9999-W53"])
def test_a_week_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        calendar.week_range(text)


def test_ranges_at_the_ends_of_years() -> None:
    assert [str(day) for day in calendar.month_range("2024-12")] == ["2024-12-01", "2024-12-31"]
    assert [str(day) for day in calendar.week_range("2026-W01")] == ["2025-12-29", "2026-01-04"]
    assert calendar.weeks_around(calendar.week_range("2026-W01")[0]) == ("2025-W52", "2026-W02")
    assert calendar.months_around(calendar.month_range("2025-01")[0]) == ("2024-12", "2025-02")
    assert calendar.weeks_around(calendar.week_range("0001-W01")[0]) == ("", "0001-W02")
    assert calendar.months_around(calendar.month_range("0001-01")[0]) == ("", "0001-02")


def test_neighbouring_days_with_papers() -> None:
    assert calendar.neighbours("2025-09-03", ["2025-09-02", "2025-09-04"]) == (
        "2025-09-02",
        "2025-09-04",
    )
    assert calendar.neighbours("2025-09-03", []) == ("", "")
