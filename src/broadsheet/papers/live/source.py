"""The LiveSource protocol: what a live source must know about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from broadsheet.papers.live.client import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: a page of one day's list.

    Args:
        day: ISO date.
        params: Query parameters.
        first: Number of entries before this page.
        low: First minute of the window, "" for the whole day.
        high: Last minute of the window.
    """

    day: str
    params: Mapping[str, str]
    first: int = 0
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What an answer holds.

    Args:
        keys: The source's names of the papers on it.
        total: How many the whole window has, as the source says; -1 when it does not.
        cut: Why the page is not whole ("" when it is): its good part is kept, it is asked again.
        doubt: Why the page can't be all of the truth: it is kept, the day stays open.
    """

    keys: tuple[str, ...]
    total: int = -1
    cut: str = ""
    doubt: str = ""


class LiveSource(Protocol):
    """A source that lists papers by day over HTTP. Instances are stateless.

    Args:
        name: Public name.
        label: Name shown to people.
        reads: Name of the `papers.sources` format of its answers.
        address: Where it is asked.
        every_s: Seconds between two requests that its owner asks for.
        settle_days: A day asked this many days later is not asked again.
    """

    name: str
    label: str
    reads: str
    address: str
    every_s: float
    settle_days: int

    def question(self, home: Path) -> str:
        """Return what is asked of every day, from the settings.

        Raises:
            BadInput: The settings are not readable.
        """
        ...

    def first(self, day: str, question: str) -> Ask:
        """Return the first request for a day."""
        ...

    def read(self, answer: Answer, ask: Ask) -> Page:
        """Check an answer.

        Raises:
            Trouble: It is not an answer to our question.
        """
        ...

    def more(self, ask: Ask, page: Page, fresh: int) -> list[Ask]:
        """Return the requests that must follow a page of which `fresh` papers are new.

        Raises:
            Trouble: The page contradicts itself or an earlier one.
        """
        ...


def looks_like_html(answer: Answer) -> bool:
    """Tell whether the answer is a web page: the mark of a network that wants a login first."""
    head = answer.body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head"))
