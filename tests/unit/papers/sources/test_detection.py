from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.papers.sources import SOURCES, detect, source_named


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("page/page.txt", "page"),
        ("page/pasted.txt", "page"),
        ("hf/daily.json", "hf"),
        ("hf/paper.json", "hf"),
        ("hf/error.json", "hf"),
        ("arxiv/feed.xml", "arxiv"),
        ("arxiv/error.xml", "arxiv"),
        ("arxiv/empty.xml", "arxiv"),
        ("arxiv/rate.txt", "arxiv"),
        ("acl/2022.xml", "acl"),
        ("acl/2026.xml", "acl"),
        ("acl/J89.xml", "acl"),
        ("bibtex/library.bib", "bibtex"),
        ("jsonl-hf/daily.jsonl", "jsonl-hf"),
        ("jsonl-hf/broken.jsonl", "jsonl-hf"),
        ("jsonl-acl/papers.jsonl", "jsonl-acl"),
    ],
)
def test_content_decides_whatever_the_name(golden: Path, path: str, name: str) -> None:
    head = (golden / path).read_bytes()[:65_536]
    assert detect(head, "download").name == name
    assert detect(head, "misleading.bib").name == name
    assert detect(head, "misleading.json").name == name


@pytest.mark.parametrize(
    "head",
    [
        b"<!DOCTYPE html><html><body>hello</body></html>",
        b"\x89PNG\r\n\x1a\n\0\0\0",
        b"a,b,c\n1,2,3\n",
        b'{"some": "json"}',
        b"%PDF-1.7",
        b"{" * 10_000,
        b"\n" * 60_000 + b"x",
        b"@" * 60_000,
    ],
)
def test_unknown_content_is_one_clear_error(head: bytes) -> None:
    with pytest.raises(BadInput, match="no known format"):
        detect(head, "file")


def test_empty_input_and_our_own_export_are_told() -> None:
    with pytest.raises(BadInput, match="empty"):
        detect(b" \n", "file")
    with pytest.raises(BadInput, match="broadsheet import"):
        detect(b'{"broadsheet": 1, "type": "record"}\n', "file")


def test_names() -> None:
    names = [source.name for source in SOURCES]
    assert names == ["page", "hf", "arxiv", "acl", "bibtex", "jsonl-hf", "jsonl-acl"]
    assert [source_named(name) for name in names] == list(SOURCES)
    assert all(source.description for source in SOURCES)
    with pytest.raises(UsageError, match="jsonl-acl"):
        source_named("nothing")
