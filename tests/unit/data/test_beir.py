"""Retrieval sets: BEIR in and out, LIMIT's shape, Cranfield in two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.beir import read_beir, read_cranfield, write_beir
from broadsheet.data.records import RetrievalSet

IDS = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n"), min_size=1).filter(
    lambda text: text == text.strip() and text != "query-id"
)
TEXTS = st.text(st.characters(codec="utf-8")).map(str.strip)


def test_json_judgements_and_titles(golden: Path) -> None:
    limit = read_beir(golden / "data" / "limit")
    assert limit.documents["Solo"] == "Solo likes lamps."
    assert list(limit.queries) == ["q0", "q1"]  # The third was never judged.
    assert limit.qrels["q0"] == {"Mira Okafor": 1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    documents=st.dictionaries(IDS, TEXTS, min_size=1, max_size=4),
    queries=st.dictionaries(IDS, TEXTS, min_size=1, max_size=3),
    gain=st.integers(-1, 4),
)
def test_what_is_written_is_read(
    tmp_path: Path, documents: dict[str, str], queries: dict[str, str], gain: int
) -> None:
    whole = RetrievalSet(documents, queries, {q: dict.fromkeys(documents, gain) for q in queries})
    write_beir(whole, tmp_path)
    assert read_beir(tmp_path) == whole


def test_ids_that_would_break_the_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a tab, a line end or outer blanks"):
        write_beir(RetrievalSet({"a\tb": "text"}, {}, {}), tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("qrels.jsonl", '{"query-id": "q0", "corpus-id": "?", "score": 1}', "an unknown query or"),
        ("qrels.jsonl", '{"query-id": "q0", "corpus-id": "Solo"}', "no query-id, corpus-id or"),
        ("qrels.jsonl", '{"query-id": "q0", "corpus-id": "Solo", "score": 1.5}', "whole number"),
        ("corpus.jsonl", '{"_id": "Solo"}', "no _id or no text"),
        ("queries.jsonl", '{"_id": "q", "text": "a"}\n{"_id": "q", "text": "b"}', "met before"),
    ],
)
def test_broken_sets(golden: Path, tmp_path: Path, name: str, text: str, message: str) -> None:
    for path in (golden / "data" / "limit").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=message):
        read_beir(tmp_path)


def test_cranfield_gains_and_halves(golden: Path) -> None:
    graded = read_cranfield(golden / "data", gains="graded")
    assert graded.qrels == {"1": {"1": 4, "3": 2}, "2": {"2": 4, "3": 1}}
    binary = read_cranfield(golden / "data" / "cranfield", "even")
    assert binary.qrels == {"2": {"2": 1, "3": 1}}
    assert list(binary.queries) == ["2"]
    assert list(read_cranfield(golden / "data", "odd").queries) == ["1"]
    assert len(binary.documents) == 3
    with pytest.raises(UsageError, match="odd or even"):
        read_cranfield(golden / "data", "third")  # type: ignore[arg-type]


def test_cranfield_originals_are_the_same_set(golden: Path) -> None:
    ours = read_cranfield(golden / "data" / "cranfield", gains="graded")
    assert read_cranfield(golden / "data" / "cran-original", gains="graded") == ours


def test_marks_inside_a_text_are_text(tmp_path: Path, golden: Path) -> None:
    for path in (golden / "data" / "cran-original").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "cran.all.1400").open("a") as handle:
        handle.write(".I 4\n.W\nhot\n.A\ncold\n")
    assert read_cranfield(tmp_path).documents["4"] == "hot .A cold"
    (tmp_path / "cranqrel").write_text("1 1 7\n")
    with pytest.raises(BadInput, match="no relevance code"):
        read_cranfield(tmp_path)
    (tmp_path / "cranqrel").write_text("1 one 1\n")
    with pytest.raises(BadInput, match="not query, document and code"):
        read_cranfield(tmp_path)


@pytest.mark.data
def test_real_sets(data_folder: Path) -> None:
    cranfield = read_cranfield(data_folder)
    assert len(cranfield.documents) == 1400
    assert len(cranfield.queries) == 225
    assert sum(map(len, cranfield.qrels.values())) == 1837
    assert len(read_cranfield(data_folder, "even").queries) == 112
    limit = read_beir(data_folder / "limit" / "limit-small")
    assert (len(limit.documents), len(limit.queries)) == (46, 1000)
    assert all(len(gains) == 2 for gains in limit.qrels.values())
    assert json.dumps(dict(limit.qrels))
