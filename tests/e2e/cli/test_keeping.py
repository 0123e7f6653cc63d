"""Verbs that write: ingest, build, backup, restore, export, import, migrate, moving the home."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def _data(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.stdout, done.stderr
    return json.loads(done.stdout)["data"]


def _works(run: Run, *home: object) -> list[Any]:
    """Every work as a search tells it, in a fixed order."""
    found = _data(run("search", "year:1900..2100", "--limit", "1000", "--json", *home))
    return sorted((hit["work"] for hit in found["hits"]), key=lambda work: str(work["id"]))


def test_reading_the_same_again_changes_nothing(broadsheet: Run, golden: Path) -> None:
    daily = golden / "jsonl-hf" / "daily.jsonl"
    first = _data(broadsheet("ingest", daily, "--json"))["total"]
    assert first["new"] == first["records"] == 2
    before = _works(broadsheet)
    again = _data(broadsheet("ingest", daily, "--json"))["total"]
    assert (again["new"], again["known"]) == (0, 2)
    assert _works(broadsheet) == before


def test_standard_input_and_a_named_format(broadsheet: Run, golden: Path) -> None:
    lines = (golden / "jsonl-hf" / "daily.jsonl").read_bytes()
    done = broadsheet("ingest", "-", "--source", "jsonl-hf", stdin=lines)
    assert done.returncode == 0, done.stderr
    assert len(_works(broadsheet)) == 2


def test_a_dry_run_keeps_nothing(broadsheet: Run, golden: Path) -> None:
    done = broadsheet("ingest", golden / "jsonl-hf" / "daily.jsonl", "--dry-run", "--json")
    assert _data(done)["total"]["works"] == 2
    assert broadsheet("search", "lantern").returncode == 1


def test_what_is_good_is_kept_and_what_is_not_is_listed_with_its_line(
    broadsheet: Run, golden: Path
) -> None:
    done = broadsheet("ingest", golden / "jsonl-hf" / "broken.jsonl")
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith("broadsheet: ")
    assert "the rest is kept" in done.stderr
    assert len(_works(broadsheet)) == 2
    listed = _data(broadsheet("rejects", "--json"))
    assert {reject["unit"] for reject in listed} == {"line"}
    assert 3 in {reject["offset"] for reject in listed}


def test_a_page_takes_its_day_from_the_reader(broadsheet: Run, golden: Path) -> None:
    page = golden / "page" / "page.txt"
    assert broadsheet("ingest", page, "--date", "2025-09-02").returncode == 0
    edition = _data(broadsheet("today", "--json"))
    assert edition["day"] == "2025-09-02"


def test_editions_are_published_once_and_can_be_rebuilt(loaded: Run, golden: Path) -> None:
    planned = _data(loaded("build", "--dry-run", "--json"))
    assert planned[0] == {**planned[0], "day": "2025-09-02", "published": False}
    published = _data(loaded("build", "--json"))
    assert published[0]["sha256"] == planned[0]["sha256"]
    nothing_left = loaded("build")
    assert nothing_left.returncode == 0
    assert "Nothing to publish" in nothing_left.stderr
    again = loaded("build", "2025-09-02")
    assert again.returncode == 2
    assert "already published" in again.stderr
    loaded("ingest", golden / "page" / "page.txt", "--date", "2025-09-02")
    assert loaded("build", "2025-09-02", "--late").returncode == 0
    assert _data(loaded("day", "2025-09-02", "--json"))["printing"] == 2
    first = _data(loaded("day", "2025-09-02", "--printing", "1", "--json"))
    assert first["sha256"] == published[0]["sha256"]
    verified = loaded("build", "--verify", "--json")
    assert verified.returncode == 0
    assert [item["matches"] for item in _data(verified)] == [True, True]


def test_backup_and_restore_are_a_round_trip(loaded: Run, home: Path, tmp_path: Path) -> None:
    loaded("build")
    before = _works(loaded)
    assert loaded("backup", tmp_path / "kept").returncode == 0
    assert loaded("backup", tmp_path / "kept").returncode == 2
    assert loaded("restore", tmp_path / "kept", "--verify").returncode == 0
    there_is_one = loaded("restore", tmp_path / "kept")
    assert there_is_one.returncode == 2
    assert "--replace" in there_is_one.stderr
    shutil.rmtree(home)
    assert loaded("restore", tmp_path / "kept").returncode == 0
    assert _works(loaded) == before
    assert loaded("build", "--verify").returncode == 0


def test_a_changed_backup_is_refused(loaded: Run, tmp_path: Path) -> None:
    loaded("backup", tmp_path / "kept")
    with (tmp_path / "kept" / "broadsheet.sqlite").open("ab") as handle:
        handle.write(b"x")
    for arguments in (["--verify"], ["--replace"]):
        done = loaded("restore", tmp_path / "kept", *arguments)
        assert done.returncode == 4
        assert done.stderr.count("\n") == 1
    assert len(_works(loaded)) == 40


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz", "all.jsonl.zst"])
def test_export_and_import_are_a_round_trip(loaded: Run, tmp_path: Path, name: str) -> None:
    loaded("build")
    assert loaded("export", tmp_path / name).returncode == 0
    copy = ["--home", tmp_path / "copy"]
    read = _data(loaded("import", tmp_path / name, "--json", *copy))
    assert (read["new"], read["editions"]) == (40, 1)
    assert _works(loaded, *copy) == _works(loaded)
    assert loaded("build", "--verify", *copy).returncode == 0


def test_export_through_a_pipe_and_as_citations(loaded: Run, tmp_path: Path) -> None:
    stream = loaded("export").stdout
    assert loaded("import", "-", "--home", tmp_path / "copy", stdin=stream).returncode == 0
    bibtex = loaded("export", "--format", "bib").stdout
    assert bibtex.count("\n@") + bibtex.startswith("@") == 40


def test_a_home_can_be_copied_and_moved(loaded: Run, home: Path, tmp_path: Path) -> None:
    before = _works(loaded)
    moved = home.rename(tmp_path / "elsewhere")
    assert _works(loaded, "--home", moved) == before
    assert loaded("doctor", "--home", moved).returncode == 0


def test_indexes_are_derived(loaded: Run, home: Path) -> None:
    before = _works(loaded)
    shutil.rmtree(home / "index")
    missing = _data(loaded("index", "status", "--json"))
    assert {item["state"] for item in missing} == {"missing"}
    assert "index build" in loaded("search", "retrieval").stderr
    assert loaded("index", "build").returncode == 0
    assert _works(loaded) == before
    assert loaded("index", "build", "--anew").returncode == 0
    assert _works(loaded) == before


def test_migrate_reads_the_records_again(loaded: Run) -> None:
    before = _works(loaded)
    done = _data(loaded("migrate", "--json"))
    assert done["from"] == done["to"]
    assert done["changed_works"] == 0
    assert _works(loaded) == before


def test_init_leaves_a_library_alone(loaded: Run) -> None:
    done = _data(loaded("init", "--json"))
    assert (done["created"], done["works"]) == (False, 40)


def test_init_and_doctor_in_an_empty_home(broadsheet: Run, home: Path) -> None:
    assert _data(broadsheet("init", "--json"))["created"] is True
    assert home.is_dir()
    assert broadsheet("doctor").returncode == 0
    assert broadsheet("today").returncode == 1
    assert broadsheet("search", "anything").returncode == 1


def test_doctor_finds_damage(loaded: Run, home: Path) -> None:
    store = home / "broadsheet.sqlite"
    damaged = bytearray(store.read_bytes())
    damaged[4096 * 3 : 4096 * 5] = b"\xff" * 8192
    store.write_bytes(damaged)
    done = loaded("doctor", "--json")
    assert done.returncode == 4
    states = {item["check"]: item["state"] for item in _data(done)}
    assert states["store"] == "bad"
    assert states["python"] == "good"
