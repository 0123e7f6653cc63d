from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import PartialResult, SourceError, UsageError
from broadsheet.core.paths import exclusive
from broadsheet.papers import ingest as module
from broadsheet.papers.ingest import ingest
from broadsheet.papers.store import Store, canonical_state


def listing(number: int, **more: Any) -> dict[str, Any]:
    return {
        "day": f"2025-09-{number % 28 + 1:02}",
        "id": f"2509.{number:05}",
        "title": f"Paper number {number} of the test corpus",
        "authors": ["Ana Li", "Bo Wu"],
        "abstract": f"We test number {number}.",
        "published": "2025-08-30T00:00:00.000Z",
        "upvotes": number % 7,
    } | more


def write(path: Path, lines: list[Any]) -> str:
    path.write_text("".join(f"{json.dumps(x) if isinstance(x, dict) else x}\n" for x in lines))
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-02T08:00:00+00:00")
    with Store.open(home, create=True) as opened:
        yield opened


def test_counts_and_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", [listing(n) for n in range(10)])
    two = write(tmp_path / "b.jsonl", [listing(3, day="2025-09-30"), listing(11)])
    report = ingest(store, [one, two])
    assert [(i.source, i.records, i.new, i.works, i.joined) for i in report.inputs] == [
        ("jsonl-hf", 10, 10, 10, 0),
        ("jsonl-hf", 2, 2, 1, 1),
    ]
    total = report.total
    assert (total.records, total.works, total.changed, total.rejected) == (12, 11, 1, 0)
    assert store.find("2509.00003").listed == ("2025-09-04", "2025-09-30")
    state, revision = canonical_state(store), store.revision
    again = ingest(store, [one, two]).total
    assert (again.known, again.new, again.changed) == (12, 0, 0)
    assert (canonical_state(store), store.revision) == (state, revision)


def test_rejects_keep_their_place_and_the_rest_is_kept(store: Store, tmp_path: Path) -> None:
    lines = [listing(1), "{broken", listing(2, title=""), listing(3)]
    path = write(tmp_path / "a.jsonl", lines)
    report = ingest(store, [path])
    places = [(reject.origin, reject.unit, reject.offset) for reject in report.rejects]
    assert sorted(places) == [(path, "line", 2), (path, "line", 3)]
    assert (report.total.works, report.total.rejected, store.counts().rejects) == (2, 2, 2)
    assert {(r.unit, r.offset) for r in store.rejects()} == {("line", 2), ("line", 3)}
    assert ingest(store, [path]).total.rejected == 2
    assert store.counts().rejects == 2


def test_dry_run_says_the_same_and_stores_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    path = write(tmp_path / "a.jsonl", [*(listing(n % 8, upvotes=n) for n in range(12)), "{"])
    state = canonical_state(store)
    dry = ingest(store, [path], dry_run=True)
    assert canonical_state(store) == state
    assert store.counts().rejects == 0
    real = ingest(store, [path])
    assert dry.total == real.total
    assert (dry.dry_run, real.dry_run) == (True, False)
    assert real.total.works == 8


def test_unreadable_inputs_do_not_stop_the_others(store: Store, tmp_path: Path) -> None:
    good = write(tmp_path / "c.jsonl", [listing(1)])
    (tmp_path / "b.txt").write_bytes(b"\x00\x01 nothing we know")
    (tmp_path / "a.txt").write_bytes(b"")
    packed = gzip.compress("".join(json.dumps(listing(n)) + "\n" for n in range(900)).encode())
    (tmp_path / "d.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    report = ingest(store, [str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), good,
                            str(tmp_path / "d.jsonl.gz")])  # fmt: skip
    rejected = {Path(item.origin).name: item.rejected for item in report.inputs}
    assert rejected["a.txt"] == rejected["b.txt"] == 1
    assert rejected["c.jsonl"] == 0
    assert report.inputs[-1].new > 50
    assert report.inputs[-1].rejected == 2  # the line that was cut, and why
    assert any("cut short" in reject.reason for reject in report.rejects)
    assert len(report.inputs) == 4


def test_wrong_commands_are_refused_before_anything_is_read(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [listing(1)])
    with pytest.raises(UsageError, match="unknown source"):
        ingest(store, [path], source="nonsense")
    with (
        exclusive(store.home / "write.lock", "the test"),
        pytest.raises(SourceError, match="another process is writing"),
    ):
        ingest(store, [path])
    assert store.counts().records == 0


def test_full_disk_keeps_the_earlier_batches(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 5)
    path = write(tmp_path / "a.jsonl", [listing(n, abstract=f"{n} " * 400) for n in range(200)])
    writer = store._database._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(PartialResult, match="the disk is full"):
        ingest(store, [path])
    kept = store.counts().records
    assert kept > 0
    assert kept % 5 == 0
    writer.execute("PRAGMA max_page_count = 1073741823")
    total = ingest(store, [path]).total
    assert (total.known, total.new) == (kept, 200 - kept)


def test_interrupted_and_resumed_equals_undisturbed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    path = write(tmp_path / "a.jsonl", [*(listing(n % 25, upvotes=n) for n in range(40)), "{"])
    with Store.open(tmp_path / "other", create=True) as other:
        calls = 0
        add = other.add

        def interrupted(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 4:
                raise KeyboardInterrupt
            return add(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(other, "add", interrupted)
            with pytest.raises(KeyboardInterrupt):
                ingest(other, [path])
        assert other.counts().records == 12
        monkeypatch.setattr(module, "BATCH", 7)
        ingest(other, [path])
        ingest(store, [path])
        assert canonical_state(other) == canonical_state(store)


def test_large_records_end_a_batch_early(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 3000)
    sizes = []
    add = store.add

    def counted(batch: Any, rejects: Any) -> Any:
        sizes.append(len(batch))
        return add(batch, rejects)

    monkeypatch.setattr(store, "add", counted)
    path = write(tmp_path / "a.jsonl", [listing(n, abstract="x " * 700) for n in range(6)])
    assert ingest(store, [path]).total.new == 6
    assert sizes == [2, 2, 2, 0]


def test_report_is_json(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [listing(1), "{"])
    data = json.loads(json.dumps(ingest(store, [path]).to_json()))
    assert data["total"]["new"] == 1
    assert data["rejects"][0]["offset"] == 2
    assert data["inputs"][0]["origin"] == path


@pytest.mark.data
def test_seed_page_and_a_year_of_listings(store: Store, data_folder: Path) -> None:
    seed = ingest(store, [str(data_folder / "seed-page" / "page.txt")]).total
    assert (seed.works, seed.rejected) == (40, 0)
    path = str(data_folder / "hf-daily-papers" / "daily-2024.jsonl.zst")
    year = ingest(store, [path]).total
    assert (year.records, year.new, year.rejected) == (2202, 2202, 0)
    assert year.works + year.joined == 2202
