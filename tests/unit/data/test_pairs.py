"""Files of pairs in all their shapes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.data.pairs import NAMES, read_pairs, write_pairs
from broadsheet.data.records import TextPair

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool)


def test_shapes_of_json_lines(tmp_path: Path) -> None:
    lines = ['["one", " two "]', ""]
    lines += [f'{{"{a}": "one", "{b}": "two", "extra": 1}}' for a, b in NAMES]
    lines += ['{"id": "x", "a": "one", "b": "two"}', '["one", "two", "a hard negative"]']
    (tmp_path / "p.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    pairs = read_pairs(tmp_path / "p.jsonl.gz")
    assert {(pair.a, pair.b) for pair in pairs} == {("one", "two")}
    assert [pair.id for pair in pairs] == ["1", *map(str, range(3, 9)), "x", "10"]


def test_columns(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("one\ttwo\n\nthree\tfour\tmore\n")
    assert read_pairs(tmp_path / "p.tsv") == (
        TextPair("1", "one", "two"),
        TextPair("3", "three", "four"),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.builds(TextPair, TEXTS, TEXTS, TEXTS), max_size=5))
def test_what_is_written_is_read(tmp_path: Path, pairs: list[TextPair]) -> None:
    write_pairs(pairs, tmp_path / "p.jsonl")
    assert read_pairs(tmp_path / "p.jsonl") == tuple(pairs)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("p.jsonl", '["one"]'),
        ("p.jsonl", '["one", 2]'),
        ("p.jsonl", '{"a": "one"}'),
        ("p.jsonl", "7"),
        ("p.jsonl", '["one", "'),
        ("p.tsv", "one"),
        ("p.tsv", "one\t "),
    ],
)
def test_no_pair(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / name).write_text(f"{line}\n")
    with pytest.raises(BadInput, match=r"line 1: (not two texts|broken JSON)"):
        read_pairs(tmp_path / name)
