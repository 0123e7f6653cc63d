from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput, NotFound, PartialResult, SourceError, UsageError
from broadsheet.papers.merge import MergeInput, merge
from broadsheet.papers.model import Reject
from broadsheet.papers.store import STORE_FILE, Store, canonical_state
from broadsheet.papers.store.database import Database, migrations


def test_opening_needs_a_library(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no library"):
        Store.open(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="not a folder"):
        Store.open(tmp_path / "file", create=True)


def test_a_folder_that_refuses_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", "home")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SourceError, match="making the library stopped: permission denied"):
        Store.open(tmp_path / "home", create=True)


def test_newer_store_is_refused_in_one_line(tmp_path: Path) -> None:
    Store.open(tmp_path, create=True).close()
    with sqlite3.connect(tmp_path / STORE_FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadInput, match="newer version") as caught:
        Store.open(tmp_path)
    assert "\n" not in str(caught.value)
    assert "99" in str(caught.value)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough" * 40, None])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / STORE_FILE
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE other (x)")
        connection.close()
    else:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"damaged|not a Broadsheet store"):
        Store.open(tmp_path)


def test_damaged_page_is_reported(tmp_path: Path, store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": f"2401.{n:05}"}, title=f"Paper {n}" * 20) for n in range(300)])
    store.close()
    path = store.home / STORE_FILE
    data = bytearray(path.read_bytes())
    data[4096 * 3 :] = b"\xff" * (len(data) - 4096 * 3)
    path.write_bytes(data)
    with Store.open(store.home) as opened, pytest.raises(BadInput, match="damaged"):
        canonical_state(opened)


def test_migrations_run_in_order_and_once(tmp_path: Path, tell: Any) -> None:
    path = tmp_path / STORE_FILE
    with Store.open(tmp_path, create=True) as opened:
        opened.add([tell(ids={"arxiv": "2401.00001"}, title="Kept")])
    scripts = [*migrations(), "CREATE TABLE later (x);\nINSERT INTO later VALUES (1);"]
    for _ in range(2):
        database = Database(path, scripts)
        with database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM later").fetchone() == (1,)
            assert connection.execute("PRAGMA user_version").fetchone() == (len(scripts),)
            assert connection.execute("SELECT count(*) FROM records").fetchone() == (1,)
        database.close()
    with pytest.raises(BadInput, match="newer version"):
        Store.open(tmp_path)


def test_failed_migration_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / STORE_FILE
    Store.open(tmp_path, create=True).close()
    broken = [*migrations(), "CREATE TABLE half (x);\nINSERT INTO nowhere VALUES (1);"]
    with pytest.raises(SourceError, match="opening the store"):
        Database(path, broken)
    with Store.open(tmp_path) as opened, opened._database.reading() as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)
        names = connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall()
        assert names == []


def test_known_records_change_nothing(store: Store, tell: Any) -> None:
    batch = [tell(ids={"arxiv": f"2401.{n:05}"}, title=f"Paper {n}") for n in range(5)]
    store.add(batch)
    before = (canonical_state(store), store.revision)
    assert store.known([record for record, _ in batch]) == [True] * 5
    added = store.add([*batch, *batch])
    assert (added.new_records, added.known_records, added.changed_works) == (0, 10, 0)
    assert (canonical_state(store), store.revision) == before


def test_a_record_twice_in_one_batch_is_stored_once(store: Store, tell: Any) -> None:
    one = tell(ids={"arxiv": "2401.00001"}, title="One")
    assert store.add([one, one]).known_records == 1
    assert store.counts().records == 1


def test_a_work_is_a_function_of_its_records(store: Store, tell: Any, parse: Any) -> None:
    store.add([tell("hf", ids={"arxiv": "2401.00001"}, title="A", signals={"upvotes": 3})])
    store.add([tell("acl", ids={"acl": "P1", "arxiv": "2401.00001"}, title="B", venue="ACL")])
    work = store.find("2401.00001")
    records = store.records(work.id)
    assert [record.sequence for record in records] == [1, 2]
    again = merge(
        [
            MergeInput(
                sequence=record.sequence,
                source=record.source,
                key=record.key,
                facts=parse(record.source_record()),
                work_id=work.id,
            )
            for record in records
        ]
    )
    assert again == work
    assert store.reread() == 0


def test_reread_applies_a_better_parser(store: Store, tell: Any, parse: Any) -> None:
    store.add([tell(ids={"arxiv": f"2401.{n:05}"}, title=f"Paper {n}") for n in range(3)])
    store.parser = lambda record: parse(record)
    assert store.reread() == 0

    def better(record: Any) -> Any:
        if record.raw.find(b"2401.00001") < 0:
            return parse(record)
        raise BadInput("no longer readable")

    store.parser = better
    assert store.reread() == 1
    assert "no longer readable" in store.works_by_number([2])[2].notes[0]


def test_find(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": "2401.00001", "doi": "10.1234/AbC"}, title="A paper on owls")])
    store.add([tell("acl", ids={"acl": "2022.acl-long.12"}, title="Twins", authors=["A Li"])])
    store.add([tell("acl", ids={"acl": "P19-1001"}, title="Twins", authors=["B Wu"])])
    owls = store.works_by_number([1])[1]
    for reference in (
        owls.id,
        "arXiv:2401.00001v3",
        "https://arxiv.org/abs/2401.00001",
        "https://huggingface.co/papers/2401.00001",
        "https://doi.org/10.1234/abc",
        "10.48550/arXiv.2401.00001",
        "doi:10.1234/abc",
        "a paper on OWLS!",
    ):
        assert store.find(reference) == owls, reference
    assert store.find("https://aclanthology.org/2022.acl-long.12/").authors[0].full == "A Li"
    assert store.find("https://aclanthology.org/P19-1001.pdf").authors[0].full == "B Wu"
    assert store.find("acl:P19-1001") == store.find("P19-1001")
    with pytest.raises(UsageError, match="2 papers") as caught:
        store.find("Twins")
    assert all(work.id in str(caught.value) for work in store.works_by_number([2, 3]).values())
    for missing in ("2401.00002", "no such title", "", "   ", "aaaaaaaaaaaa"):
        with pytest.raises(NotFound):
            store.find(missing)


def test_works_keep_the_order_asked(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": f"2401.{n:05}"}, title=f"Paper {n}") for n in range(1, 4)])
    one, two, three = store.works_by_number([1, 2, 3]).values()
    assert store.works([three.id, "nonsense", one.id]) == [three, one]
    assert list(store.works_by_number([3, 9, 2])) == [3, 2]
    assert store.number(two.id) == 2
    with pytest.raises(NotFound):
        store.number("nonsense")


def test_days_and_months(store: Store, tell: Any) -> None:
    dates = ["2025-09-02", "2025-09-01", "2025-09", "2025-09-02", "2025-10-01", "2025", ""]
    store.add(
        [
            tell(ids={"s2": str(n)}, title=f"Paper {n}", dates={"published": day} if day else {})
            for n, day in enumerate(dates)
        ]
    )
    assert store.days() == [("2025-09-01", 1), ("2025-09-02", 2), ("2025-10-01", 1)]
    between = store.works_between("2025-09-01", "2025-09-02")
    assert [work.day for work in between] == ["2025-09-01", "2025-09-02", "2025-09-02"]
    assert between == sorted(between, key=lambda work: (work.day, work.id))
    month = store.works_in_month("2025-09")
    assert [work.date for work in month] == ["2025-09", "2025-09-01", "2025-09-02", "2025-09-02"]


def test_changes_are_told_in_order_and_once(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": f"2401.{n:05}"}, title=f"Paper {n}") for n in range(1, 8)])
    seen, after = [], 0
    while part := store.changes(after, 3):
        seen += [change.number for change in part]
        after = part[-1].revision
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert after == store.revision
    store.add([tell("hf", ids={"arxiv": "2401.00003"}, organization="A lab")])
    (change,) = store.changes(after, 10)
    assert change.number == 3
    assert change.work is not None
    assert change.work.organization == "A lab"


def test_a_silent_record_is_no_change(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": "2401.00001"}, title="One")])
    revision = store.revision
    assert store.add([tell("hf", key="x", ids={"arxiv": "2401.00001"})]).changed_works == 0
    assert store.revision == revision


def test_works_as_they_were(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": "2401.00001"}, title="One", dates={"published": "2025-01-01"})])
    store.add([tell(ids={"acl": "P1"}, title="Two", dates={"published": "2025-01-02"})])
    store.add([tell(ids={"acl": "P9"}, title="Nine", dates={"published": "2025-01-09"})])
    states = {store.last_sequence(): list(store.works_as_of(99))}
    store.add([tell("hf", ids={"arxiv": "2401.00001"}, organization="A lab")])
    states[store.last_sequence()] = list(store.works_as_of(99))
    store.add([tell("bibtex", ids={"arxiv": "2401.00001", "acl": "P1"}, venue="ACL")])
    states[store.last_sequence()] = list(store.works_as_of(99))
    store.add([tell(ids={"arxiv": "2401.00002"}, title="Later")])
    assert [len(works) for works in states.values()] == [3, 3, 2]
    for sequence, works in states.items():
        assert list(store.works_as_of(sequence)) == works, sequence
    assert [work.title for work in store.works_as_of(3, "2025-01-02", "2025-01-08")] == ["Two"]
    assert list(store.works_as_of(0)) == []


def test_editions_are_immutable(store: Store) -> None:
    store.put_edition("2025-09-02", 1, b"{}", "hash")
    store.put_edition("2025-09-02", 1, b"{}", "hash")
    with pytest.raises(BadInput, match="published already"):
        store.put_edition("2025-09-02", 1, b"{1}", "other")
    store.put_edition("2025-09-02", 2, b"{2}", "second")
    assert store.get_edition("2025-09-02") == b"{2}"
    assert store.get_edition("2025-09-02", 1) == b"{}"
    assert store.get_edition("2025-09-03") is None
    assert store.edition_days() == [("2025-09-02", 1, "hash"), ("2025-09-02", 2, "second")]


def test_rejects_are_kept_once(store: Store) -> None:
    reject = Reject(origin="a.jsonl", offset=3, unit="line", reason="broken", excerpt="{")
    store.add([], [reject, reject])
    store.add([], [reject])
    assert store.rejects() == [reject]
    assert store.counts().rejects == 1


def test_a_failing_batch_leaves_nothing(store: Store, tell: Any) -> None:
    good, bad = tell(ids={"arxiv": "2401.00001"}, title="One"), tell(title="Two")
    with pytest.raises(ValueError, match="shorter"):
        store.add([good, bad], ingested_at=["2025-01-01T00:00:00+00:00"])
    assert store.counts().records == 0
    assert store.add([good, bad]).new_records == 2


def test_full_disk_is_one_clear_line_and_loses_nothing(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": "2401.00000"}, title="Before")])
    writer = store._database._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 8}")
    batch = [tell(ids={"arxiv": f"2401.{n:05}"}, title=f"{n} " * 300) for n in range(1, 300)]
    with pytest.raises(PartialResult, match="the disk is full") as caught:
        store.add(batch)
    assert "\n" not in str(caught.value)
    assert [work.title for work in store.works_by_number(range(99)).values()] == ["Before"]
    writer.execute("PRAGMA max_page_count = 1073741823")
    assert store.add(batch).new_records == len(batch)


def test_another_writer_is_named(store: Store, tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store._database._writer.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(store.home / STORE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SourceError, match="another process is writing"):
        store.add([tell(title="One")])
    other.execute("ROLLBACK")
    other.close()
    assert store.add([tell(title="One")]).new_records == 1


def test_rehearsal_undoes_everything(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": "2401.00001"}, title="One")])
    before = canonical_state(store)
    with store.rehearsal():
        assert store.add([tell(ids={"arxiv": "2401.00002"}, title="Two")]).new_works == 1
        assert store.add([tell("hf", ids={"arxiv": "2401.00002"})]).joined == 1
        assert store.counts().works == 2
    assert canonical_state(store) == before


def test_many_readers_during_writing(store: Store, tell: Any) -> None:
    store.add([tell(ids={"arxiv": "2401.00000"}, title="First")])
    stop = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                counts = store.counts()
                assert counts.works == counts.records
                store.find("2401.00000")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for start in range(1, 200, 20):
        numbers = range(start, start + 20)
        store.add([tell(ids={"arxiv": f"2402.{n:05}"}, title=f"Paper {n}") for n in numbers])
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_home_can_be_moved(store: Store, tell: Any, tmp_path: Path) -> None:
    store.add([tell(ids={"arxiv": "2401.00001"}, title="One")])
    state = canonical_state(store)
    store.close()
    assert [path.name for path in store.home.iterdir()] == [STORE_FILE]
    moved = store.home.rename(tmp_path / "elsewhere")
    with Store.open(moved) as opened:
        assert canonical_state(opened) == state
