"""Feeds are parsed back, and hold what their specifications require, whatever the papers hold."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from broadsheet.papers.citation.reference import one_line
from broadsheet.papers.feeds import (
    FEED_FORMATS,
    FeedEntry,
    FeedInfo,
    atom,
    entry_of,
    json_feed,
    rss,
    tag_uri,
)
from broadsheet.papers.model import Author, Work

A = "{http://www.w3.org/2005/Atom}"
DC = "{http://purl.org/dc/elements/1.1/}"
INFO = FeedInfo(
    title="Edition of 2025-09-02 <&>",
    home_url="http://127.0.0.1:8000/d/2025-09-02",
    feed_url="http://127.0.0.1:8000/d/2025-09-02.atom?rank=hn",
    description="Forty papers",
    updated="2025-09-02T08:00:00+02:00",
)
WORK = Work(
    id="goraye7deoyn",
    title="A $<$ B & C",
    title_text="A < B & C",
    abstract_text="We show a<b & more.",
    authors=(Author(full="Ada Lovelace"), Author(full="")),
    categories=("cs.CL", "cs.LG"),
    dates={"submitted_v1": "2025-08-30T10:00:00Z", "hf_daily": "2025-09-02", "published": "2025"},
)
ENTRIES = (
    entry_of(WORK, "http://127.0.0.1:8000"),
    FeedEntry(id=tag_uri("work", "b"), title="", url="http://x/p/b", published="2024-05"),
    FeedEntry(id=tag_uri("work", "c"), title="Third", url="http://x/p/c"),
)

hostile = st.text(
    alphabet=st.one_of(
        st.sampled_from("<>&]]>\"'\x00\x08\ufffe\uffff\x85\u2028"),
        st.characters(),
        st.characters(categories=("Cs", "Cc")),
    ),
    max_size=60,
)


def test_entry_of_a_work() -> None:
    entry = ENTRIES[0]
    assert entry.id == "tag:broadsheet.invalid,2025:work/goraye7deoyn"
    assert entry.url == "http://127.0.0.1:8000/p/goraye7deoyn"
    assert (entry.title, entry.summary) == ("A < B & C", "We show a<b & more.")
    assert entry.authors == ("Ada Lovelace",)
    assert (entry.published, entry.updated) == ("2025-09-02", "2025-09-02")


def test_ids_do_not_depend_on_where_the_library_is_served() -> None:
    moved = replace(INFO, feed_url=INFO.feed_url.replace("127.0.0.1:8000", "papers.example.org"))
    first, second = (etree.fromstring(atom(info, ENTRIES)) for info in (INFO, moved))
    assert first.findtext(f"{A}id") == second.findtext(f"{A}id")
    assert entry_of(WORK, "https://papers.example.org").id == ENTRIES[0].id


def test_atom_has_what_rfc_4287_requires() -> None:
    feed = etree.fromstring(atom(INFO, ENTRIES))
    assert feed.tag == f"{A}feed"
    assert feed.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert feed.findtext(f"{A}title") == INFO.title
    assert feed.findtext(f"{A}updated") == "2025-09-02T06:00:00Z"
    assert feed.findtext(f"{A}author/{A}name") == "Broadsheet"
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{A}link")}
    assert links == {"alternate": INFO.home_url, "self": INFO.feed_url}
    entries = feed.findall(f"{A}entry")
    assert [entry.findtext(f"{A}title") for entry in entries] == [
        "A < B & C",
        "http://x/p/b",
        "Third",
    ]
    for entry in entries:
        assert re.fullmatch(r"tag:[^,]+,2025:work/\w+", entry.findtext(f"{A}id") or "")
        assert datetime.fromisoformat(entry.findtext(f"{A}updated") or "").tzinfo
        assert entry.find(f"{A}link").get("href").startswith("http")
    assert entries[0].findtext(f"{A}summary") == WORK.abstract_text
    assert [c.get("term") for c in entries[0].findall(f"{A}category")] == ["cs.CL", "cs.LG"]
    assert entries[1].findtext(f"{A}published") == "2024-05-01T00:00:00Z"
    assert entries[2].find(f"{A}published") is None


def test_rss_has_what_its_specification_requires() -> None:
    root = etree.fromstring(rss(INFO, ENTRIES))
    channel = root.find("channel")
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    assert channel.findtext("title") == INFO.title
    assert channel.findtext("link") == INFO.home_url
    assert channel.findtext("description") == "Forty papers"
    assert channel.find(f"{A}link").get("href") == INFO.feed_url
    built = parsedate_to_datetime(channel.findtext("lastBuildDate"))
    assert built == datetime(2025, 9, 2, 6, tzinfo=UTC)
    items = channel.findall("item")
    assert [item.findtext("guid") for item in items] == [entry.id for entry in ENTRIES]
    assert {item.find("guid").get("isPermaLink") for item in items} == {"false"}
    assert items[0].findtext("pubDate") == "Tue, 02 Sep 2025 00:00:00 +0000"
    assert items[0].findtext("description") == "We show a&lt;b &amp; more."
    assert items[0].findtext(f"{DC}creator") == "Ada Lovelace"
    assert items[2].find("pubDate") is None


def test_json_feed_has_what_its_specification_requires() -> None:
    feed = json.loads(json_feed(INFO, ENTRIES))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert (feed["title"], feed["home_page_url"]) == (INFO.title, INFO.home_url)
    assert [item["id"] for item in feed["items"]] == [entry.id for entry in ENTRIES]
    assert all(item["content_text"] for item in feed["items"])
    assert feed["items"][0]["authors"] == [{"name": "Ada Lovelace"}]
    assert feed["items"][0]["date_published"] == "2025-09-02T00:00:00Z"
    assert "date_published" not in feed["items"][2]


def test_a_feed_without_a_time_takes_its_newest_entry() -> None:
    info = replace(INFO, updated="")
    assert b"<updated>2025-09-02T00:00:00Z</updated>" in atom(info, ENTRIES)
    assert b"<updated>1970-01-01T00:00:00Z</updated>" in atom(info, ())


@pytest.mark.parametrize("suffix", ["atom", "rss", "feed.json"])
def test_writing_twice_gives_the_same_bytes(suffix: str) -> None:
    write = FEED_FORMATS[suffix].write
    assert write(INFO, ENTRIES) == write(INFO, list(ENTRIES))
    assert write(INFO, ()) != write(INFO, ENTRIES)


@settings(deadline=None)
@given(title=hostile, summary=hostile, name=hostile, date=hostile)
def test_hostile_text_stays_text(title: str, summary: str, name: str, date: str) -> None:
    entry = FeedEntry(
        id=tag_uri("work", title),
        title=title,
        url="http://x/p/a",
        summary=summary,
        authors=(name,),
        published=date,
        updated=date,
        categories=(name,),
    )
    info = replace(INFO, title="T" + title, description=summary)
    shown = one_line(title) or entry.url
    feed = etree.fromstring(atom(info, [entry]))
    assert feed.findtext(f"{A}entry/{A}title") == shown
    assert (feed.findtext(f"{A}entry/{A}summary") or "") == one_line(summary)
    channel = etree.fromstring(rss(info, [entry])).find("channel")
    assert channel.findtext("item/title") == shown
    assert len(channel.find("item").findall("*")) <= 7
    item = json.loads(json_feed(info, [entry]))["items"][0]
    assert item["title"] == shown
    assert datetime.fromisoformat(feed.findtext(f"{A}entry/{A}updated") or "").tzinfo


@settings(deadline=None)
@given(identifier=hostile)
def test_tag_uris_are_ascii_without_blanks_and_distinct(identifier: str) -> None:
    uri = tag_uri("work", identifier)
    assert re.fullmatch(r"tag:broadsheet\.invalid,2025:work/[!-~]*", uri)
    assert uri != tag_uri("author", identifier)
