"""Columns in a terminal, lossless TSV in a pipe, versioned JSON on request."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.cli.output import Table, emit, emit_fields, note, to_tsv
from broadsheet.papers.model import Author, Work

TABLE = Table(
    ("id", "title", "hidden"), [("a1", "On \x1b[31mred\nthings", 0.1 + 0.2)], ("id", "title")
)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _unescape(cell: str) -> str:
    plain = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
    return re.sub(
        r"\\(x[0-9a-f]{2}|.)",
        lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" else plain[m[1]],
        cell,
    )


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5))
def test_tsv_is_lossless(rows: list[list[str]]) -> None:
    lines = to_tsv(Table(("a", "b"), rows)).split("\n")
    assert lines[0] == "a\tb"
    assert lines[-1] == ""
    assert [[_unescape(cell) for cell in line.split("\t")] for line in lines[1:-1]] == rows


def test_floats_keep_every_digit_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    emit([], TABLE, as_json=False)
    assert capsys.readouterr().out.split("\n")[1].split("\t")[2] == repr(0.1 + 0.2)


def test_a_terminal_gets_columns_without_control_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    emit([], TABLE, as_json=False)
    text = terminal.getvalue()
    assert "title" in text
    assert "hidden" not in text
    assert "\x1b[31m" not in text
    assert len(text.splitlines()) == 2


@dataclass
class _Answer:
    works: tuple[Work, ...]
    flags: frozenset[str]


def test_json_has_a_schema_version_and_works_in_their_own_form(
    capsys: pytest.CaptureFixture[str],
) -> None:
    work = Work(id="abc", title="T", authors=(Author(full="A B"),))
    emit(_Answer((work,), frozenset({"y", "x"})), Table((), []), as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "schema_version": 1,
        "data": {"works": [json.loads(json.dumps(work.to_json()))], "flags": ["x", "y"]},
    }


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    emit_fields({"a": 0, "b": "", "c": [], "d": ["x", "y"]}, as_json=False)
    assert capsys.readouterr().out == "field\tvalue\na\t0\nd\tx; y\n"


def test_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    note("one\x1b[2Jtwo")
    assert capsys.readouterr() == ("", "one [2Jtwo\n")
