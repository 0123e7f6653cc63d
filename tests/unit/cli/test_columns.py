"""Columns: aligned, never wider than the terminal, wide characters counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from broadsheet.cli.columns import fields_in_columns, table_in_columns

NAMES = ("rank", "id", "title", "authors")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")


@given(
    st.lists(
        st.tuples(
            st.integers(1, 999).map(str),
            st.text("abc234", min_size=1, max_size=12),
            st.text(st.characters(categories=["L", "P", "Zs"]), max_size=150),
            st.text("äß漢字 x", max_size=150),
        ),
        max_size=6,
    )
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, ...]]) -> None:
    lines = table_in_columns(NAMES, rows).splitlines()
    assert len(lines) == len(rows) + 1
    assert all(cell_len(line) <= 60 for line in lines)
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.split()[:2] == [row[0], row[1]]


def test_narrow_columns_are_never_shortened_and_the_title_has_most_room() -> None:
    text = table_in_columns(NAMES, [("1", "abcdefghijkl", "t" * 90, "a" * 90)])
    line = text.splitlines()[1]
    assert "abcdefghijkl" in line
    assert line.count("t") > line.count("a") - 1
    assert line.count("…") == 2


def test_the_reason_stands_whole_below_its_row() -> None:
    reason = "words 0.5 " * 12
    text = table_in_columns(("rank", "title", "why"), [("1", "T", reason)])
    assert "why" not in text
    assert " ".join(text.split()).endswith(" ".join(reason.split()))


def test_fields_wrap_and_keep_every_word() -> None:
    text = fields_in_columns([("id", "x"), ("abstract", "word " * 40)])
    assert text.count("word") == 40
    assert all(len(line) <= 60 for line in text.splitlines())
    assert text.splitlines()[0].split() == ["id", "x"]
