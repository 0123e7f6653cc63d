from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from broadsheet.papers.model import Reject
from broadsheet.papers.sources import source_named
from broadsheet.papers.sources.base import Origin


def test_daily_lines(golden: Path, read: Any) -> None:
    got = read(golden / "jsonl-hf" / "daily.jsonl")
    assert got.source == "jsonl-hf"
    assert got.rejects == []
    first, second = got.facts
    assert first.ids == {"arxiv": "2511.00011", "hf": "2511.00011"}
    assert first.authors[1].full == "Jürgen Østgård"
    assert first.dates == {"submitted_v1": "2025-10-31T17:20:01", "hf_daily": "2025-11-04"}
    assert first.listed == first.observed == "2025-11-04"
    assert first.signals == {"upvotes": 48, "comments": 0, "stars": 12}
    assert first.links["code"] == "https://github.com/example/lantern"
    assert first.links["project"] == "https://lantern.example.org/"
    assert first.organization == "Institute of Invented Towns"
    assert first.keywords == ("lantern", "maps")
    assert second.signals == {"upvotes": 0, "comments": 1}
    assert "code" not in second.links, "only web addresses become links"


def test_acl_lines(golden: Path, read: Any) -> None:
    got = read(golden / "jsonl-acl" / "papers.jsonl")
    assert got.source == "jsonl-acl"
    first, second = got.facts
    assert first.ids == {"acl": "2022.maps-long.1", "doi": "10.18653/v1/2022.maps-long.1"}
    assert (first.year, first.dates, first.venue) == (2022, {"published": "2022-10"}, "maps, towns")
    assert first.comments == "Best Paper"
    assert first.links["pdf"] == "https://aclanthology.org/2022.maps-long.1.pdf"
    assert second.dates == {"published": "2019-08"}


def test_broken_lines_cost_themselves_only(golden: Path, read: Any) -> None:
    got = read(golden / "jsonl-hf" / "broken.jsonl")
    assert [record.offset for record in got.records] == [1, 7]
    assert [(reject.offset, reject.unit) for reject in got.rejects] == [
        (3, "line"),
        (4, "line"),
        (5, "line"),
        (6, "line"),
    ]
    assert "not a JSON object" in got.rejects[1].reason
    assert "no id" in got.rejects[2].reason


def test_records_are_verbatim_lines(golden: Path, read: Any) -> None:
    content = (golden / "jsonl-hf" / "daily.jsonl").read_bytes()
    got = read(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert [record.raw for record in got.records] == content.splitlines()


def test_duplicate_ids_are_all_kept(golden: Path, read: Any) -> None:
    content = (golden / "jsonl-hf" / "daily.jsonl").read_bytes()
    got = read(content + content.replace(b"2025-11-04", b"2025-11-05"))
    assert [record.key for record in got.records] == ["2511.00011", "2511.00012"] * 2
    assert len({record.sha256 for record in got.records}) == 4


def test_three_thousand_authors(read: Any) -> None:
    names = ",".join(f'"Author {number}"' for number in range(3_000))
    line = f'{{"day":"2025-01-01","id":"2501.00001","title":"Big","authors":[{names}]}}'
    assert len(read(line.encode()).facts[0].authors) == 3_000


def test_a_title_is_needed(read: Any) -> None:
    got = read(b'{"day":"2025-01-01","id":"2501.00001","title":" "}')
    assert (got.facts, got.unparsed) == ([], ["no title in this record"])


@pytest.mark.parametrize("value", ["true", "-1", "1e400", "NaN", '"7"', "[]", "1" + "0" * 30])
def test_odd_counts_are_not_counts(read: Any, value: str) -> None:
    line = f'{{"day":"2025-01-01","id":"2501.00001","title":"T","upvotes":{value}}}'
    assert read(line.encode()).facts[0].signals == {}


class _Endless(io.RawIOBase):
    """Pieces of a stream that is never held whole."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def test_a_line_of_100_megabytes_is_one_reject_in_bounded_memory() -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"id":"a","title":"before","day":"2025-01-01"}\n{"id":"'
        for _ in range(100):
            yield b"x" * (1 << 20)
        yield b'"}\n{"id":"b","title":"after","day":"2025-01-01"}\n'

    stream = io.BufferedReader(_Endless(pieces()))
    tracemalloc.start()
    items = list(source_named("jsonl-hf").split(stream, Origin(name="long")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(item).__name__ for item in items] == ["SourceRecord", "Reject", "SourceRecord"]
    assert isinstance(items[1], Reject)
    assert items[1].offset == 2
    assert "longer than the limit" in items[1].reason
    assert peak < 40 << 20


def test_100_thousand_lines_are_a_stream() -> None:
    made = 0

    def lines() -> Iterator[bytes]:
        nonlocal made
        for made in range(1, 100_001):
            yield b'{"day":"2025-01-01","id":"2501.%05d","title":"T"}\n' % (made % 100_000)

    stream = io.BufferedReader(_Endless(lines()))
    for seen, _ in enumerate(source_named("jsonl-hf").split(stream, Origin(name="many")), 1):
        assert made - seen < 1_000, "lines are not read much before they are needed"
    assert seen == made == 100_000


@pytest.mark.data
@pytest.mark.parametrize(
    ("path", "source", "count"),
    [
        ("hf-daily-papers/daily-2024.jsonl.zst", "jsonl-hf", 2_202),
        ("acl-anthology/acl-2016-2019.jsonl.zst", "jsonl-acl", 9_057),
    ],
)
def test_real_lines(data_folder: Path, read: Any, path: str, source: str, count: int) -> None:
    with (data_folder / path).open("rb") as handle:
        content = zstandard.ZstdDecompressor().stream_reader(handle).read()
    got = read(content)
    assert (got.source, len(got.facts)) == (source, count)
    assert got.rejects == got.unparsed == []
    assert all(facts.abstract and facts.authors for facts in got.facts)
