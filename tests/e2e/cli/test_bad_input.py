"""Bad input: one clear line, the documented exit code, no traceback, and nothing good lost."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

GOOD = {"day": "2025-11-04", "authors": ["A. Cook"], "abstract": "Kettles."}
BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE collection [<!ENTITY a0 "aaaaaaaaaa">\n'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">\n' for n in range(1, 12))
    + ']>\n<collection id="2022.acl"><volume id="long"><paper id="1"><title>&a11;</title></paper>'
    + "</volume></collection>\n"
)


def _lines(first: int, count: int) -> bytes:
    papers = [
        {**GOOD, "id": f"2511.{number:05d}", "title": f"On Kettle {number}"}
        for number in range(first, first + count)
    ]
    return b"".join(json.dumps(paper).encode() + b"\n" for paper in papers)


def _assert_one_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("broadsheet: ")]
    assert said == done.stderr.splitlines()[-1:]
    assert "Traceback" not in done.stderr
    assert "Try: " in said[0] or "Received: " in said[0]
    for word in words:
        assert word in said[0]


def _kept(broadsheet: Run) -> int:
    done = broadsheet("search", "year:2025", "--json", "--limit", "1")
    return int(json.loads(done.stdout)["data"]["total"])


@pytest.fixture
def stocked(broadsheet: Run, tmp_path: Path) -> Run:
    """The program with a library of three papers."""
    (tmp_path / "stock.jsonl").write_bytes(_lines(1, 3))
    assert broadsheet("ingest", tmp_path / "stock.jsonl").returncode == 0
    return broadsheet


def test_wrong_path(stocked: Run, tmp_path: Path) -> None:
    _assert_one_line(stocked("ingest", tmp_path / "nowhere.xml"), 4, "nowhere.xml")
    _assert_one_line(stocked("restore", tmp_path / "nowhere"), 1, "nowhere")
    _assert_one_line(stocked("import", tmp_path / "nowhere.jsonl"), 4, "nowhere.jsonl")
    assert _kept(stocked) == 3


def test_a_wrong_path_makes_no_library(broadsheet: Run, home: Path, tmp_path: Path) -> None:
    _assert_one_line(broadsheet("ingest", tmp_path / "nowhere.xml"), 4, "nowhere.xml")
    assert not home.exists()


def test_no_library_there(broadsheet: Run, home: Path) -> None:
    _assert_one_line(broadsheet("search", "kettles"), 1, "no library", str(home))
    assert not home.exists()


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(500), b"hello world\n", b"", b"a,b\n1,2\n"]
)
def test_wrong_format(stocked: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing.dat").write_bytes(content)
    _assert_one_line(stocked("ingest", tmp_path / "thing.dat"), 4, "thing.dat")
    assert _kept(stocked) == 3


def test_wrong_format_named(stocked: Run, tmp_path: Path) -> None:
    done = stocked("ingest", tmp_path / "stock.jsonl", "--source", "nonsense")
    _assert_one_line(done, 2, "nonsense", "jsonl-hf")


def test_an_export_is_imported_and_papers_are_ingested(stocked: Run, tmp_path: Path) -> None:
    stocked("export", tmp_path / "all.jsonl")
    _assert_one_line(stocked("ingest", tmp_path / "all.jsonl"), 4)
    _assert_one_line(stocked("import", tmp_path / "stock.jsonl"), 4, "broadsheet ingest")


def test_truncated_gzip(stocked: Run, tmp_path: Path) -> None:
    packed = gzip.compress(_lines(100, 2000), mtime=0)
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    _assert_one_line(stocked("ingest", tmp_path / "cut.jsonl.gz"), 5, "cut.jsonl.gz")
    assert 3 < _kept(stocked) < 2003


def test_line_of_100_megabytes(stocked: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as handle:
        handle.write(_lines(10, 2))
        handle.write(b'{"id": "2511.00099", "title": "')
        for _ in range(100):
            handle.write(b"x" * 1_000_000)
        handle.write(b'"}\n' + _lines(20, 2))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    _assert_one_line(stocked("ingest", path), 5, "line 3")
    assert _kept(stocked) == 7
    # The largest process so far: this run, or one of another test before it.
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert largest < 1_000_000 or largest == before


def test_xml_bomb(stocked: Run, tmp_path: Path) -> None:
    (tmp_path / "bomb.xml").write_text(BOMB)
    done = stocked("ingest", tmp_path / "bomb.xml")
    _assert_one_line(done, 4, "bomb.xml")
    assert _kept(stocked) == 3


def test_zip_with_paths_that_climb_out(stocked: Run, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with zipfile.ZipFile(inner / "papers.zip", "w") as archive:
        archive.writestr("../../escaped.jsonl", _lines(50, 1))
        archive.writestr("good.jsonl", _lines(60, 1))
    done = stocked("ingest", inner / "papers.zip")
    _assert_one_line(done, 5, "escaped.jsonl")
    assert _kept(stocked) == 4
    assert not list(tmp_path.rglob("escaped.jsonl"))


@pytest.mark.parametrize("query", ["colour:blue", "year:soon", "kettle date:2025-13-01"])
def test_query_that_is_not_understood(stocked: Run, query: str) -> None:
    _assert_one_line(stocked("search", query), 2, query.split()[-1].partition(":")[2])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["day", "2025-02-30"], "2025-02-30"),
        (["week", "2025-W60"], "2025-W60"),
        (["calendar", "13"], "13"),
        (["build", "tomorrow"], "tomorrow"),
        (["trending", "--rank", "magic"], "magic"),
        (["trending", "--window", "0"], "--window"),
        (["search", "kettles", "--limit", "0"], "--limit"),
        (["cite", "2511.00001", "--format", "doc"], "doc"),
        (["model", "install", "gpt-17"], "gpt-17"),
        (["fetch", "nobody"], "nobody"),
        (["build", "--late"], "--late"),
    ],
)
def test_arguments_that_are_not_understood(stocked: Run, arguments: list[str], word: str) -> None:
    done = stocked(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("broadsheet: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr


def test_full_disk_while_storing(
    stocked: Run, tmp_path: Path, home: Path, environment: Callable[..., dict[str, str]]
) -> None:
    """SQLite itself says that the disk is full, once the store has grown by a few pages."""
    (tmp_path / "more.jsonl").write_bytes(_lines(1000, 3000))
    script = (
        "import sqlite3, sys\n"
        "connect = sqlite3.connect\n"
        "def small(*arguments, **options):\n"
        "    connection = connect(*arguments, **options)\n"
        "    pages = connection.execute('PRAGMA page_count').fetchone()[0]\n"
        "    connection.execute(f'PRAGMA max_page_count = {max(pages, 40) + 60}')\n"
        "    return connection\n"
        "sqlite3.connect = small\n"
        "from broadsheet.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "ingest", str(tmp_path / "more.jsonl")],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    _assert_one_line(done, 5, "disk is full")
    assert _kept(stocked) >= 3
    assert stocked("ingest", tmp_path / "more.jsonl").returncode == 0
    assert _kept(stocked) == 3003
    assert stocked("doctor").returncode == 0


def test_files_that_may_not_grow(
    stocked: Run, tmp_path: Path, home: Path, environment: Callable[..., dict[str, str]]
) -> None:
    """The system refuses to write beyond a size, as quotas do."""
    (tmp_path / "more.jsonl").write_bytes(_lines(1000, 3000))
    limit = 600_000
    done = subprocess.run(
        [sys.executable, "-m", "broadsheet", "ingest", str(tmp_path / "more.jsonl")],
        env=environment(home),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (3, 5), done.stderr
    _assert_one_line(done, done.returncode)
    assert _kept(stocked) >= 3
    assert stocked("ingest", tmp_path / "more.jsonl").returncode == 0
    assert _kept(stocked) == 3003


def test_full_disk_behind_standard_output(
    stocked: Run, home: Path, environment: Callable[..., dict[str, str]]
) -> None:
    for arguments in (["search", "kettles"], ["export"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "broadsheet", *arguments],
                env=environment(home),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == 5, done.stderr
        assert done.stderr.splitlines()[-1].startswith("broadsheet: the disk is full")
        assert "Exception ignored" not in done.stderr


def test_port_in_use(stocked: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        _assert_one_line(stocked("serve", "--port", port), 3, str(port))


def test_store_of_a_newer_version(stocked: Run, home: Path) -> None:
    connection = sqlite3.connect(home / "broadsheet.sqlite")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    for arguments in (["search", "kettles"], ["ingest", "-"], ["serve", "--port", "0"]):
        _assert_one_line(stocked(*arguments), 4, "newer version")


def test_store_that_is_something_else(broadsheet: Run, home: Path) -> None:
    home.mkdir()
    (home / "broadsheet.sqlite").write_bytes(b"not a database, but long enough to look like" * 99)
    _assert_one_line(broadsheet("search", "kettles"), 4, "damaged")


def test_home_that_is_a_file(broadsheet: Run, home: Path) -> None:
    home.write_text("x")
    _assert_one_line(broadsheet("init"), 4, str(home))


def test_two_writers(stocked: Run, home: Path, tmp_path: Path) -> None:
    import fcntl

    with (home / "write.lock").open("a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _assert_one_line(stocked("ingest", tmp_path / "stock.jsonl"), 3, "another process")
        assert _kept(stocked) == 3
