"""What holds for any title and abstract: white space, TeX, RTL, emoji, anything."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any
from xml.sax.saxutils import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.papers.model import Facts, Reject, canonical_json
from broadsheet.papers.sources import SOURCES, detect, source_named
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.values import clean
from broadsheet.papers.tex import to_html, to_plain

ODD = st.sampled_from(
    ["  ", "\t\n", "\r\n", "\u00a0", "\u2028", "$x^2$", "\\emph{", "{", "}", "مرحبا بالعالم",
     "שלום", "\u202e", "\U0001f469\u200d\U0001f467", "e\u0301", "ﬁ", "𝔼", "<b>", "&amp;", "\x00",
     "\x7f", "\ufeff", "\ud800", "%", "~", "--"]
)  # fmt: skip
TEXT = st.lists(st.one_of(ODD, st.text(max_size=10)), max_size=20).map("".join)
XML_TEXT = TEXT.map(
    lambda text: "".join(char for char in text if char.isprintable() or char in "\t\n\r")
).map(lambda text: text.encode("utf-8", "ignore").decode())


def facts_of(name: str, content: bytes) -> list[Facts]:
    source = source_named(name)
    found = []
    for item in source.split(io.BytesIO(content), Origin(name="x")):
        if not isinstance(item, Reject):
            try:
                found.append(source.parse(item))
            except BadInput:
                continue
    return found


def hold(facts: Facts, title: str, abstract: str) -> None:
    assert facts.title == clean(title)
    assert facts.abstract == clean(abstract)
    canonical_json([facts.title, facts.abstract]).decode()
    to_plain(facts.title).encode()
    to_html(facts.abstract).encode()


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT)
def test_json_formats_keep_any_text(title: str, abstract: str) -> None:
    shapes: dict[str, Any] = {
        "jsonl-hf": {"day": "2025-01-01", "id": "2501.00001", "title": title, "abstract": abstract},
        "jsonl-acl": {"id": "2025.a-1.1", "year": 2025, "venue": [], "title": title}
        | {"abstract": abstract},
        "hf": [{"paper": {"id": "2501.00001", "title": title, "summary": abstract, "upvotes": 1}}],
    }
    for name, shape in shapes.items():
        found = facts_of(name, json.dumps(shape).encode())
        assert len(found) == bool(clean(title))
        for facts in found:
            hold(facts, title, abstract)


@settings(max_examples=150, deadline=None)
@given(XML_TEXT, XML_TEXT)
def test_xml_formats_keep_any_text(title: str, abstract: str) -> None:
    head, tail = '<collection id="2025.a"><volume id="1">', "</volume></collection>"
    marked = f"<title>{escape(title)}</title>"
    acl = f'{head}<paper id="1">{marked}<abstract>{escape(abstract)}</abstract></paper>{tail}'
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry>'
        f"<id>http://arxiv.org/abs/2501.00001v1</id>{marked}<summary>{escape(abstract)}</summary>"
        "</entry></feed>"
    )
    for name, content in (("acl", acl), ("arxiv", atom)):
        found = facts_of(name, content.encode())
        assert len(found) == bool(clean(title))
        for facts in found:
            hold(facts, title, abstract)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["{", "}", '"', "#", "@misc{a,", ",", "=", "\\", "x"]), max_size=60)
)
def test_bibtex_of_any_shape_is_read_or_reported(pieces: list[str]) -> None:
    source = source_named("bibtex")
    content = ("@misc{k, title={T}}\n" + "".join(pieces)).encode()
    items = list(source.split(io.BytesIO(content), Origin(name="x")))
    assert items, "never silent"
    assert facts_of("bibtex", content) or any(isinstance(item, Reject) for item in items)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_survived_by_every_source(content: bytes) -> None:
    for source in SOURCES:
        assert 0 <= source.detect(content, "x") <= 1
        for item in source.split(io.BytesIO(content), Origin(name="x")):
            if isinstance(item, Reject):
                assert item.unit in ("line", "byte")
                assert 0 <= item.offset <= len(content) + 1
    with contextlib.suppress(BadInput):
        assert detect(content, "x") in SOURCES


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["id", "title", "day", "authors", "upvotes", "keywords",
    "published", "code", "abstract", "paper", "organization"]), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner,
    max_size=3), max_leaves=5)))  # fmt: skip
def test_values_of_any_type_are_survived(value: dict[str, Any]) -> None:
    line = json.dumps(value | {"id": "2501.00001"}).encode()
    for name in ("jsonl-hf", "jsonl-acl", "hf"):
        for facts in facts_of(name, line):
            assert facts.title
            assert all(isinstance(count, int) and count >= 0 for count in facts.signals.values())
