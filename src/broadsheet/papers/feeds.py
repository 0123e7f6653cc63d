"""Feeds: any list of papers as Atom 1.0, RSS 2.0 or JSON Feed 1.1.

Writers are pure: no clock is read here, dates come from the data, and the order of entries is the
order given. Ids are tag URIs, so a rebuilt or moved library does not show old papers as new.

Source: RFC 4287 (Atom), RSS 2.0 specification, JSON Feed 1.1, RFC 4151 (tag URIs).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from broadsheet import __version__
from broadsheet.papers.citation.reference import one_line
from broadsheet.papers.model import Work

_ATOM = "http://www.w3.org/2005/Atom"
_DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
register_namespace("atom", _ATOM)
register_namespace("dc", _DUBLIN_CORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedInfo:
    """The feed as a whole.

    Args:
        title: Plain text.
        home_url: The page that shows the same list to people.
        feed_url: This feed's own address.
        description: Plain text.
        updated: ISO 8601 date or time of the newest change; "" takes the newest entry's.
        language: BCP 47 tag.
    """

    title: str
    home_url: str
    feed_url: str
    description: str = ""
    updated: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One entry.

    Args:
        id: A URI that never changes (`tag_uri`).
        summary: Plain text.
        published: ISO 8601 date or time, possibly partial; "" when unknown.
        updated: The same; "" takes `published`.
    """

    id: str
    title: str
    url: str
    summary: str = ""
    authors: tuple[str, ...] = ()
    published: str = ""
    updated: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFormat:
    """A way to write a feed: end of its address, name for people, content type, writer."""

    suffix: str
    label: str
    media_type: str
    write: Callable[[FeedInfo, Sequence[FeedEntry]], bytes]


def tag_uri(kind: str, identifier: str) -> str:
    """Return a URI that names a thing for ever, wherever the library is served from.

    Example:
        >>> tag_uri("work", "goraye7deoyn")
        'tag:broadsheet.invalid,2025:work/goraye7deoyn'
    """
    name = quote(identifier.encode("utf-8", "surrogatepass"), safe="/:=&?")
    return f"tag:broadsheet.invalid,2025:{quote(kind, safe='')}/{name}"


def entry_of(work: Work, base_url: str) -> FeedEntry:
    """Return the feed entry of a work, its address under `base_url` (no slash at the end)."""
    full = sorted(date for date in work.dates.values() if len(date) >= 10)
    return FeedEntry(
        id=tag_uri("work", work.id),
        title=work.title_text or work.title,
        url=f"{base_url}/p/{work.id}",
        summary=work.abstract_text or work.abstract,
        authors=tuple(author.full for author in work.authors if author.full),
        published=work.date,
        updated=full[-1] if full else work.date,
        categories=work.categories,
    )


def atom(info: FeedInfo, entries: Sequence[FeedEntry]) -> bytes:
    """Write an Atom 1.0 feed."""
    feed = Element("feed", {"xmlns": _ATOM, "xml:lang": info.language})
    _add(feed, "title", info.title)
    if info.description:
        _add(feed, "subtitle", info.description)
    _add(feed, "id", _feed_id(info))
    _add(feed, "updated", _rfc3339(_feed_moment(info, entries)))
    _add(feed, "link", rel="alternate", type="text/html", href=info.home_url)
    _add(feed, "link", rel="self", type="application/atom+xml", href=info.feed_url)
    _add(feed, "generator", "Broadsheet", version=__version__)
    _add(SubElement(feed, "author"), "name", "Broadsheet")
    for item in entries:
        entry = SubElement(feed, "entry")
        _add(entry, "title", _label(item))
        _add(entry, "id", item.id)
        _add(entry, "updated", _rfc3339(_moment(item.updated or item.published)))
        if item.published:
            _add(entry, "published", _rfc3339(_moment(item.published)))
        _add(entry, "link", rel="alternate", type="text/html", href=item.url)
        for name in _clean(item.authors):
            _add(SubElement(entry, "author"), "name", name)
        for category in _clean(item.categories):
            _add(entry, "category", term=category)
        if item.summary:
            _add(entry, "summary", item.summary)
    return _document(feed)


def rss(info: FeedInfo, entries: Sequence[FeedEntry]) -> bytes:
    """Write an RSS 2.0 feed; authors are `dc:creator`, the feed names itself by `atom:link`."""
    root = Element("rss", {"version": "2.0"})
    channel = SubElement(root, "channel")
    _add(channel, "title", info.title)
    _add(channel, "link", info.home_url)
    _add(channel, "description", info.description or info.title)
    _add(channel, "language", info.language)
    _add(channel, "lastBuildDate", format_datetime(_feed_moment(info, entries)))
    _add(channel, "generator", f"Broadsheet {__version__}")
    _add(channel, f"{{{_ATOM}}}link", rel="self", type="application/rss+xml", href=info.feed_url)
    for entry in entries:
        item = SubElement(channel, "item")
        _add(item, "title", _label(entry))
        _add(item, "link", entry.url)
        _add(item, "guid", entry.id, isPermaLink="false")
        if entry.published:
            _add(item, "pubDate", format_datetime(_moment(entry.published)))
        for name in _clean(entry.authors):
            _add(item, f"{{{_DUBLIN_CORE}}}creator", name)
        for category in _clean(entry.categories):
            _add(item, "category", category)
        if entry.summary:
            _add(item, "description", _as_html(entry.summary))
    return _document(root)


def json_feed(info: FeedInfo, entries: Sequence[FeedEntry]) -> bytes:
    """Write a JSON Feed 1.1."""
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": one_line(info.title),
        "home_page_url": one_line(info.home_url),
        "feed_url": one_line(info.feed_url),
        "description": one_line(info.description),
        "language": info.language,
        "items": [_json_item(entry) for entry in entries],
    }
    feed = {name: value for name, value in feed.items() if value or name == "items"}
    return (json.dumps(feed, ensure_ascii=False, indent=1) + "\n").encode()


def _json_item(entry: FeedEntry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": one_line(entry.id),
        "url": one_line(entry.url),
        "title": _label(entry),
        "date_published": _rfc3339(_moment(entry.published)) if entry.published else "",
        "date_modified": _rfc3339(_moment(entry.updated)) if entry.updated else "",
        "authors": [{"name": name} for name in _clean(entry.authors)],
        "tags": _clean(entry.categories),
    }
    kept = {name: value for name, value in item.items() if value}
    return kept | {"content_text": one_line(entry.summary) or item["title"]}


def _add(parent: Element, tag: str, text: str = "", **attributes: str) -> None:
    child = SubElement(parent, tag, {name: one_line(v) for name, v in attributes.items()})
    child.text = one_line(text) or None


def _document(root: Element) -> bytes:
    text = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _label(entry: FeedEntry) -> str:
    return one_line(entry.title) or one_line(entry.url)


def _clean(texts: Sequence[str]) -> list[str]:
    return [line for line in map(one_line, texts) if line]


def _as_html(text: str) -> str:
    """Escape plain text: readers take an RSS description for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _feed_id(info: FeedInfo) -> str:
    parts = urlsplit(info.feed_url)
    return tag_uri("feed", parts.path.strip("/") + (f"?{parts.query}" if parts.query else ""))


def _feed_moment(info: FeedInfo, entries: Sequence[FeedEntry]) -> datetime:
    if info.updated:
        return _moment(info.updated)
    return max((_moment(item.updated or item.published) for item in entries), default=_EPOCH)


def _moment(text: str) -> datetime:
    """Read an ISO 8601 date or time, filling what a partial date leaves open with the first."""
    year_month_day = (*text[:10].split("-"), "01", "01")[:3]
    padded = "-".join(year_month_day) + text[10:]
    try:
        moment = datetime.fromisoformat(padded)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _EPOCH


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


#: Feed formats by the suffix used in addresses.
FEED_FORMATS: Mapping[str, FeedFormat] = MappingProxyType(
    {
        item.suffix: item
        for item in (
            FeedFormat(
                suffix="atom",
                label="Atom",
                media_type="application/atom+xml; charset=utf-8",
                write=atom,
            ),
            FeedFormat(
                suffix="rss",
                label="RSS",
                media_type="application/rss+xml; charset=utf-8",
                write=rss,
            ),
            FeedFormat(
                suffix="feed.json",
                label="JSON Feed",
                media_type="application/feed+json; charset=utf-8",
                write=json_feed,
            ),
        )
    }
)
