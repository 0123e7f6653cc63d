"""The Hugging Face list: good days, empty days, lists of the wrong day, and no lists at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broadsheet.papers.live.client import Answer
from broadsheet.papers.live.huggingface import PAGE_SIZE, HuggingFaceDaily
from broadsheet.papers.live.source import Page
from broadsheet.papers.live.trouble import Kind, Trouble

DAY = "2025-08-20"
HF = HuggingFaceDaily()
ASK = HF.first(DAY, "")


def answer(body: bytes, status: int = 200, cut: str = "") -> Answer:
    return Answer(url="http://x", status=status, content_type="text/x", body=body, cut=cut)


def refusal(body: bytes, status: int = 200) -> Trouble:
    with pytest.raises(Trouble) as caught:
        HF.read(answer(body, status), ASK)
    return caught.value


def test_a_good_day_and_an_empty_one(daily: Any) -> None:
    assert ASK.params == {"date": DAY, "limit": "50", "p": "0"}
    page = HF.read(answer(daily(DAY, 2)), ASK)
    assert page == Page(keys=("2508.00000", "2508.00001"))
    assert HF.more(ASK, page, 2) == []
    assert HF.read(answer(b"[]"), ASK) == Page(keys=())


def test_full_pages_are_followed_until_nothing_is_new() -> None:
    page = Page(keys=tuple(map(str, range(PAGE_SIZE))))
    (second,) = HF.more(ASK, page, PAGE_SIZE)
    assert second.params == {"date": DAY, "limit": "50", "p": "1"}
    assert HF.more(second, page, 0) == []


def test_endless_pages_end() -> None:
    page, ask = Page(keys=tuple(map(str, range(PAGE_SIZE)))), ASK
    for _ in range(19):
        (ask,) = HF.more(ask, page, PAGE_SIZE)
    with pytest.raises(Trouble, match="more than 20 pages"):
        HF.more(ask, page, PAGE_SIZE)


def test_the_list_of_another_day_is_refused(daily: Any) -> None:
    caught = refusal(daily("2025-08-25", 3))
    assert caught.kind is Kind.DOUBTFUL
    assert caught.why == "asked for 2025-08-20, got the list of 2025-08-25"
    assert len(HF.read(answer(daily("2025-08-21", 3)), ASK).keys) == 3


def test_a_day_without_a_list_is_doubted_when_past_and_empty_when_not(clock: Any) -> None:
    body = b'{"error":"Invalid date"}'
    assert refusal(body, 400).kind is Kind.DOUBTFUL
    for day in ("2025-09-01", "2025-09-02"):
        assert HF.read(answer(body, 400), HF.first(day, "")) == Page(keys=())


def test_lies_about_the_format_are_seen_through(atom: Any) -> None:
    assert refusal(b"<html><body>Log in</body>").kind is Kind.UNREACHABLE
    assert refusal(atom(DAY, 1)).kind is Kind.FAILING
    assert refusal(b'[1, "x", {"title": "no id"}]').kind is Kind.FAILING
    assert refusal(b'{"error": "try later"}').why == "sent no list of papers (try later)"
    assert refusal(b"", 403).kind is Kind.REFUSED


@pytest.mark.parametrize("part", [0.2, 0.5, 0.99])
def test_a_list_that_breaks_off_is_cut(daily: Any, part: float) -> None:
    body = daily(DAY, 5)
    page = HF.read(answer(body[: int(len(body) * part)]), ASK)
    assert page == Page(keys=(), cut="the list broke off")
    assert HF.read(answer(body, cut="too slow"), ASK).cut == "too slow"


def test_deep_nesting_does_not_crash() -> None:
    assert HF.read(answer(b"[" * 200_000), ASK).cut == "the list broke off"


def test_items_without_an_id_do_not_hide_the_others() -> None:
    items = [None, {"paper": {"id": "2508.1"}}, {"paper": {"id": 7}}, {"id": "x"}]
    assert HF.read(answer(json.dumps(items).encode()), ASK).keys == ("2508.1", "x")
