"""arXiv's Atom API, one submission day at a time.

Source: arXiv API user manual: one request every 3 s, at most 2,000 entries a slice; windows past
10,000 results are reported to fail, so a larger window is halved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from lxml import etree

from broadsheet.core.errors import BadInput
from broadsheet.papers.live.client import Answer
from broadsheet.papers.live.source import Ask, Page, looks_like_html
from broadsheet.papers.live.trouble import Kind, Trouble

DEFAULT_CATEGORIES = ("cs.CL", "cs.IR", "cs.LG", "cs.CV")
PAGE_SIZE = 200
WINDOW = 10_000
_CATEGORY = re.compile(r"[a-z]+(-[a-z]+)*(\.[A-Za-z]+(-[A-Za-z]+)*)?", re.ASCII)
_MINUTE = "%Y%m%d%H%M"
_ATOM = "{http://www.w3.org/2005/Atom}"
_TOTAL = "{http://a9.com/-/spec/opensearch/1.1/}totalResults"


def categories(home: Path) -> tuple[str, ...]:
    """Return the categories to fetch: `arxiv_categories` of `home/settings.json`, or the default.

    Raises:
        BadInput: The settings are unreadable, or the list is not one of arXiv category names.
    """
    path = home / "settings.json"
    hint = '"arxiv_categories": ["cs.CL", "cs.IR"] in settings.json'
    try:
        settings = json.loads(path.read_bytes())
    except FileNotFoundError:
        return DEFAULT_CATEGORIES
    except (OSError, ValueError) as error:
        raise BadInput("the settings are not readable JSON", received=error, hint=hint) from None
    chosen = settings.get("arxiv_categories") if isinstance(settings, dict) else None
    if chosen is None:
        return DEFAULT_CATEGORIES
    if not isinstance(chosen, list) or not chosen:
        raise BadInput("arxiv_categories must be a list of names", received=chosen, hint=hint)
    for name in chosen:
        if not isinstance(name, str) or not _CATEGORY.fullmatch(name):
            raise BadInput("not an arXiv category", received=name, hint=hint)
    return tuple(dict.fromkeys(chosen))


class ArxivApi:
    """New papers of some categories, from arXiv itself."""

    name = "arxiv"
    label = "arXiv API"
    reads = "arxiv"
    address = "https://export.arxiv.org/api/query"
    every_s = 3.0
    settle_days = 7

    def question(self, home: Path) -> str:
        """Return the category part of the query."""
        return " OR ".join(f"cat:{name}" for name in categories(home))

    def first(self, day: str, question: str) -> Ask:
        """Ask for the papers first submitted on `day`, oldest first."""
        compact = day.replace("-", "")
        return _ask(day, question, compact + "0000", compact + "2359", 0)

    def read(self, answer: Answer, ask: Ask) -> Page:
        """Check a feed: its errors come as feeds too."""
        feed = _scan(answer.body)
        if feed.error:
            raise Trouble(Kind.REFUSED, f"refused the question ({feed.error})")
        if answer.status != 200:
            raise Trouble(Kind.REFUSED, f"answered {answer.status}")
        if not feed.is_feed:
            if looks_like_html(answer):
                raise Trouble(Kind.UNREACHABLE, "is hidden behind a web page (a login?)")
            if not answer.cut:
                what = answer.content_type or "no type"
                raise Trouble(Kind.FAILING, f"sent something that is not an Atom feed ({what})")
        doubt = ""
        if feed.days and not any(_near(day, ask.day) for day in feed.days):
            doubt = f"asked for {ask.day}, got papers of {min(feed.days)}"
        return Page(
            keys=tuple(feed.keys), total=feed.total, cut=answer.cut or feed.broken, doubt=doubt
        )

    def more(self, ask: Ask, page: Page, fresh: int) -> list[Ask]:
        """Go on with the next slice; halve a window that is too wide to be served."""
        got = ask.first + len(page.keys)
        if len(page.keys) < PAGE_SIZE:
            if got < page.total:
                raise Trouble(Kind.DOUBTFUL, f"promised {page.total:,} papers, gave {got:,}")
            return []
        if ask.first and not fresh:
            raise Trouble(Kind.DOUBTFUL, "sent the same papers again instead of the next ones")
        if page.total > WINDOW and not ask.first and ask.low != ask.high:
            return list(_halves(ask))
        if got >= WINDOW:
            raise Trouble(Kind.DOUBTFUL, f"has more than {WINDOW:,} papers for {ask.low}")
        if got == page.total:
            return []
        return [_ask(ask.day, _question(ask), ask.low, ask.high, got)]


@dataclass(slots=True)
class _Feed:
    is_feed: bool = False
    total: int = -1
    error: str = ""
    broken: str = ""
    keys: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)


def _scan(body: bytes) -> _Feed:
    """Read what checking needs from a feed, up to where it breaks off."""
    feed = _Feed()
    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True
    )
    try:
        parser.feed(body)
        _collect(parser, feed)
        parser.close()
    except etree.XMLSyntaxError as error:
        _collect(parser, feed)
        feed.broken = f"the feed broke off ({str(error)[:100]})"
    return feed


def _collect(parser: etree.XMLPullParser, feed: _Feed) -> None:
    for event, element in parser.read_events():
        if event == "start":
            feed.is_feed = feed.is_feed or element.tag == f"{_ATOM}feed"
        elif element.tag == _TOTAL:
            text = (element.text or "").strip()
            feed.total = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
        elif element.tag == f"{_ATOM}entry":
            key = (element.findtext(f"{_ATOM}id") or "").strip()
            if "/api/errors" in key:
                feed.error = " ".join((element.findtext(f"{_ATOM}summary") or "").split())[:200]
                feed.error = feed.error or "no reason given"
            elif key:
                feed.keys.append(key)
                feed.days.append((element.findtext(f"{_ATOM}published") or "").strip()[:10])
            element.clear()


def _near(day: str, asked: str) -> bool:
    try:
        return abs((date.fromisoformat(day) - date.fromisoformat(asked)).days) <= 1
    except ValueError:
        return False


def _ask(day: str, question: str, low: str, high: str, first: int) -> Ask:
    params = {
        "search_query": f"({question}) AND submittedDate:[{low} TO {high}]",
        "sortBy": "submittedDate",
        "sortOrder": "ascending",
        "start": str(first),
        "max_results": str(PAGE_SIZE),
    }
    return Ask(day=day, params=params, first=first, low=low, high=high)


def _question(ask: Ask) -> str:
    return ask.params["search_query"].rpartition(") AND ")[0][1:]


def _halves(ask: Ask) -> Iterator[Ask]:
    # strptime's result is naive on purpose: all of arXiv's minutes are GMT.
    low, high = (datetime.strptime(text, _MINUTE) for text in (ask.low, ask.high))  # noqa: DTZ007
    middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
    after = middle + timedelta(minutes=1)
    for start, end in ((low, middle), (after, high)):
        yield _ask(ask.day, _question(ask), start.strftime(_MINUTE), end.strftime(_MINUTE), 0)
