"""The Hugging Face daily papers list, one page of one day at a time."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

from broadsheet.core.clock import today
from broadsheet.papers.live.client import Answer
from broadsheet.papers.live.source import Ask, Page, looks_like_html
from broadsheet.papers.live.trouble import Kind, Trouble

PAGE_SIZE = 50
_MAX_PAGES = 20
_LISTED = re.compile(rb'"submittedOnDailyAt"\s*:\s*"(\d{4}-\d\d-\d\d)')


class HuggingFaceDaily:
    """The day's hand-picked papers, with votes as they stand."""

    name = "huggingface"
    label = "Hugging Face Daily Papers"
    reads = "hf"
    address = "https://huggingface.co/api/daily_papers"
    every_s = 1.0
    settle_days = 14  # votes keep moving for one to two weeks

    def question(self, home: Path) -> str:
        """Every day is asked in the same way."""
        return ""

    def first(self, day: str, question: str) -> Ask:
        """Ask for the first page of a day."""
        return _ask(day, 0)

    def read(self, answer: Answer, ask: Ask) -> Page:
        """Check a list: it must be JSON, of papers, and of the day we asked for."""
        if looks_like_html(answer):
            raise Trouble(Kind.UNREACHABLE, "is hidden behind a web page (a login?)")
        if answer.status in {400, 404} and ask.day >= (today() - timedelta(days=1)).isoformat():
            return Page(keys=())  # that day's list does not exist yet
        if answer.status in {400, 404}:
            raise Trouble(Kind.DOUBTFUL, f"has no list for {ask.day} ({answer.status})")
        if answer.status != 200:
            raise Trouble(Kind.REFUSED, f"answered {answer.status}")
        _check_day(answer.body, ask.day)
        try:
            items = json.loads(answer.body)
        except (ValueError, RecursionError):
            if answer.body.lstrip()[:1] != b"[":
                what = answer.content_type or "no type"
                raise Trouble(
                    Kind.FAILING, f"sent something that is not a JSON list ({what})"
                ) from None
            return Page(keys=(), cut=answer.cut or "the list broke off")
        if not isinstance(items, list):
            said = items.get("error", "") if isinstance(items, dict) else ""
            raise Trouble(Kind.DOUBTFUL, f"sent no list of papers ({str(said)[:100]})")
        keys = tuple(filter(None, map(_key, items)))
        if items and not keys:
            raise Trouble(Kind.FAILING, "sent a list without papers in it")
        return Page(keys=keys, cut=answer.cut)

    def more(self, ask: Ask, page: Page, fresh: int) -> list[Ask]:
        """Go on after a full page, until one brings nothing new."""
        if len(page.keys) < PAGE_SIZE or not fresh:
            return []
        number = int(ask.params["p"]) + 1
        if number == _MAX_PAGES:
            raise Trouble(Kind.DOUBTFUL, f"has more than {_MAX_PAGES} pages for {ask.day}")
        return [_ask(ask.day, number)]


def _ask(day: str, number: int) -> Ask:
    params = {"date": day, "limit": str(PAGE_SIZE), "p": str(number)}
    return Ask(day=day, params=params, first=number * PAGE_SIZE)


def _check_day(body: bytes, asked: str) -> None:
    """Refuse a list that is mostly of another day: it will come again under its own."""
    listed = [match[1].decode() for match in _LISTED.finditer(body)]
    wrong = [day for day in listed if not _near(day, asked)]
    if len(wrong) * 2 > len(listed):
        raise Trouble(Kind.DOUBTFUL, f"asked for {asked}, got the list of {wrong[0]}")


def _near(day: str, asked: str) -> bool:
    try:
        return abs((date.fromisoformat(day) - date.fromisoformat(asked)).days) <= 1
    except ValueError:
        return False


def _key(item: object) -> str:
    if not isinstance(item, dict):
        return ""
    paper = item.get("paper")
    identifier = paper.get("id") if isinstance(paper, dict) else item.get("id")
    return identifier if isinstance(identifier, str) else ""
