"""Reading verbs on the bundled sample: columns, TSV, JSON, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

#: Arguments, the TSV columns that must be there, and a rough number of rows.
TABLES = [
    (["today"], {"rank", "score", "id", "title"}, 40),
    (["day", "2025-09-02"], {"rank", "id", "section"}, 40),
    (["week", "2025-W36", "--limit", "5"], {"rank", "id", "section"}, 5),
    (["month", "2025-09"], {"rank", "id"}, 40),
    (["trending", "--rank", "votes", "--limit", "3"], {"rank", "score", "why"}, 3),
    (["calendar", "2025-09"], {"day", "papers", "reason"}, 30),
    (["search", "retrieval", "--limit", "4"], {"rank", "id", "authors", "arxiv"}, 4),
    (["related", "2505.20292", "--limit", "3"], {"rank", "id"}, 3),
    (["show", "2505.20292"], {"field", "value"}, None),
    (["show", "2505.20292", "--records"], {"sequence", "source", "raw"}, 1),
    (["sources", "list"], {"name", "verb", "description"}, None),
    (["sources", "status"], {"name", "state", "why"}, 2),
    (["index", "status"], {"index", "state", "behind"}, 2),
    (["model", "list"], {"id", "state", "licence"}, None),
    (["doctor"], {"check", "state", "detail"}, None),
    (["version"], {"field", "value"}, None),
]


def _rows(text: str) -> tuple[list[str], list[list[str]]]:
    header, *rows = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    return header, rows


@pytest.mark.parametrize(
    ("arguments", "columns", "count"), TABLES, ids=[" ".join(row[0]) for row in TABLES]
)
def test_a_pipe_gets_tsv_and_json_gets_its_envelope(
    arguments: list[str],
    columns: set[str],
    count: int | None,
    sample_home: Path,
    broadsheet: Run,
) -> None:
    piped = broadsheet(*arguments, "--home", sample_home)
    assert piped.returncode == 0, piped.stderr
    header, rows = _rows(piped.stdout)
    assert columns <= set(header)
    assert all(len(row) == len(header) for row in rows)
    assert rows if count is None else len(rows) == count
    answer = broadsheet(*arguments, "--json", "--home", sample_home)
    document = json.loads(answer.stdout)
    assert set(document) == {"schema_version", "data"}
    assert document["schema_version"] == 1
    assert document["data"]


def test_json_and_tsv_tell_the_same(sample_home: Path, broadsheet: Run) -> None:
    arguments = ["search", "embedding", "--home", sample_home]
    header, rows = _rows(broadsheet(*arguments).stdout)
    hits = json.loads(broadsheet(*arguments, "--json").stdout)["data"]["hits"]
    assert [row[header.index("id")] for row in rows] == [hit["work"]["id"] for hit in hits]
    assert [row[header.index("title")] for row in rows] == [
        hit["work"]["title_text"] for hit in hits
    ]


def test_search_explains_its_scores(sample_home: Path, broadsheet: Run) -> None:
    done = broadsheet("search", "retrieval", "--explain", "--json", "--home", sample_home)
    hit = json.loads(done.stdout)["data"]["hits"][0]
    assert hit["parts"]
    assert sum(part["value"] for part in hit["parts"]) == pytest.approx(hit["score"], abs=1e-4)


def test_search_without_an_encoder_says_so(sample_home: Path, broadsheet: Run) -> None:
    done = broadsheet("search", "retrieval", "--home", sample_home)
    assert "only words are compared" in done.stderr
    assert "only words" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "xylophonist"],
        ["search", "year:1950"],
        ["show", "no such title"],
        ["day", "2019-01-01"],
        ["trending", "--until", "2019-01-01"],
        ["rejects"],
        ["versions", "2505.20292"],
    ],
    ids=" ".join,
)
def test_nothing_found_is_exit_1(arguments: list[str], sample_home: Path, broadsheet: Run) -> None:
    done = broadsheet(*arguments, "--home", sample_home)
    assert done.returncode == 1
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_gets_columns(
    sample_home: Path, environment: Callable[..., dict[str, str]]
) -> None:
    text = _in_terminal(
        ["search", "retrieval", "--limit", "3"],
        environment(sample_home, COLUMNS="100", TERM="xterm"),
    )
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]
    assert lines[0].split() == ["rank", "id", "date", "title", "authors"]
    assert len(lines) == 4
    assert all(len(line) <= 100 for line in lines)
    assert "\t" not in text


def _in_terminal(arguments: list[str], env: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "broadsheet", *arguments],
        env={**env, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    received = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        received += block
    os.close(ours)
    assert process.wait(60) == 0
    return received.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("style", "expected"), [("bib", "@"), ("ris", "TY  -"), ("csl.json", "["), ("md", "Subject")]
)
def test_cite_writes_every_format(
    style: str, expected: str, sample_home: Path, broadsheet: Run
) -> None:
    done = broadsheet("cite", "2505.20292", "--format", style, "--home", sample_home)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_open_prints_the_address(sample_home: Path, broadsheet: Run) -> None:
    done = broadsheet("open", "2505.20292", "--print", "--home", sample_home)
    assert done.stdout.strip().startswith("https://")
    assert "2505.20292" in done.stdout


@pytest.mark.parametrize(
    "reference", ["2505.20292", "arXiv:2505.20292v1", "https://arxiv.org/abs/2505.20292"]
)
def test_any_name_of_a_paper_will_do(reference: str, sample_home: Path, broadsheet: Run) -> None:
    done = broadsheet("show", reference, "--home", sample_home)
    assert "OpenS2V-Nexus" in done.stdout


def test_home_stands_before_or_after_the_verb(sample_home: Path, broadsheet: Run) -> None:
    before = broadsheet("--home", sample_home, "search", "retrieval")
    after = broadsheet("search", "retrieval", "--home", sample_home)
    assert before.returncode == 0
    assert before.stdout == after.stdout


def test_cold_search_loads_only_what_it_needs(
    sample_home: Path, environment: Callable[..., dict[str, str]]
) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "broadsheet", "search", "retrieval"],
        env=environment(sample_home),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "tantivy" in loaded
    assert not loaded & {"fastapi", "uvicorn", "jinja2", "onnxruntime"}
