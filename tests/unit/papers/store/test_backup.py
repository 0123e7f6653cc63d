from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput, NotFound, PartialResult, SourceError, UsageError
from broadsheet.core.paths import exclusive
from broadsheet.papers import backup as module
from broadsheet.papers.backup import MANIFEST, backup, restore, verify
from broadsheet.papers.leaderboard.submissions import FOLDER, submissions, submit
from broadsheet.papers.leaderboard.tasks import RunTask
from broadsheet.papers.store import STORE_FILE, Store, canonical_state


@pytest.fixture
def filled(store: Store, tell: Any) -> Store:
    store.add([tell(ids={"arxiv": f"2401.{n:05}"}, title=f"Paper {n}") for n in range(30)])
    store.put_edition("2025-09-02", 1, b"{}", "hash")
    (store.home / "settings.json").write_text('{"encoder":"x"}')
    return store


def test_round_trip_while_open(filled: Store, tmp_path: Path) -> None:
    manifest = backup(filled.home, tmp_path / "safe" / "b1")
    assert (manifest.works, manifest.records, manifest.editions) == (30, 30, 1)
    assert sorted(path.name for path in (tmp_path / "safe").iterdir()) == ["b1"]
    moved = (tmp_path / "safe").rename(tmp_path / "moved") / "b1"
    assert verify(moved) == manifest
    new = tmp_path / "new"
    assert restore(moved, new) == manifest
    with Store.open(new) as restored:
        assert canonical_state(restored) == canonical_state(filled)
        assert restored.revision == filled.revision
    assert (new / "settings.json").read_text() == '{"encoder":"x"}'


def test_never_onto_a_library_unless_told(filled: Store, tell: Any, tmp_path: Path) -> None:
    state = canonical_state(filled)
    backup(filled.home, tmp_path / "b")
    filled.add([tell(title="Later")])
    filled.close()
    (filled.home / "index" / "words").mkdir(parents=True)
    with pytest.raises(UsageError, match="library in this folder"):
        restore(tmp_path / "b", filled.home)
    restore(tmp_path / "b", filled.home, replace=True)
    assert not (filled.home / "index").exists()
    with Store.open(filled.home) as restored:
        assert canonical_state(restored) == state


def test_a_backup_overwrites_nothing(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(UsageError, match="must not exist"):
        backup(filled.home, tmp_path / "b")
    with pytest.raises(NotFound, match="no library"):
        backup(tmp_path / "nothing", tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("damage", ["flip", "missing", "manifest", "newer", "page", "order"])
def test_damage_is_found_before_anything_changes(
    filled: Store, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "b"
    backup(filled.home, folder)
    store_file, manifest = folder / STORE_FILE, folder / MANIFEST
    data = json.loads(manifest.read_bytes())
    if damage == "flip":
        content = bytearray(store_file.read_bytes())
        content[len(content) // 2] ^= 1
        store_file.write_bytes(content)
    elif damage == "missing":
        store_file.unlink()
    elif damage == "manifest":
        manifest.write_text("{")
    elif damage == "newer":
        manifest.write_text(json.dumps({**data, "format": 3}))
    else:
        # The manifest agrees with a damaged file: the integrity check must find it.
        content = bytearray(store_file.read_bytes())
        if damage == "page":
            content[5000:9000] = b"\xff" * 4000
        else:
            content = content.replace(b"arxiv:2401.00003", b"zzzzz:2401.00003")
        store_file.write_bytes(content)
        data["files"][STORE_FILE] = module.hash_file(store_file)
        manifest.write_text(json.dumps(data))
    with pytest.raises(BadInput, match=r"changed|complete|manifest|newer|damaged"):
        restore(folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not a backup"):
        restore(tmp_path, tmp_path / "new")


def test_names_in_a_manifest_cannot_lead_elsewhere(filled: Store, tmp_path: Path) -> None:
    backup(filled.home, tmp_path / "b")
    data = json.loads((tmp_path / "b" / MANIFEST).read_bytes())
    (tmp_path / "secret").write_text("x")
    digest = module.hash_file(tmp_path / "secret")
    for name in (
        "../secret",
        "leaderboard/../../secret.json",
        "leaderboard/../secret.json",
        "leaderboard/tiny/.lock.json",
        "leaderboard/tiny/secret",
        "models/tiny/secret.json",
    ):
        files = {**data["files"], name: digest}
        (tmp_path / "b" / MANIFEST).write_text(json.dumps({**data, "files": files}))
        for check in (True, False):
            with pytest.raises(BadInput, match="names other files"):
                restore(tmp_path / "b", tmp_path / "new", check=check)


def test_waits_for_no_other_writer(filled: Store, tmp_path: Path) -> None:
    backup(filled.home, tmp_path / "b")
    with exclusive(tmp_path / "new" / "write.lock", "the test"), pytest.raises(SourceError):
        restore(tmp_path / "b", tmp_path / "new")


def test_full_disk_leaves_no_half_backup(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(PartialResult, match="the disk is full"):
        backup(filled.home, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


@pytest.fixture
def with_runs(filled: Store, tmp_path: Path) -> Store:
    """A library to which two runs were handed in; a third was cut off in the middle."""
    task = RunTask(
        name="tiny",
        documents=frozenset({"d", "e"}),
        queries=frozenset({"q"}),
        qrels={"q": {"d": 1}},
    )
    (tmp_path / "run").write_text("q Q0 d 1 2.0 x\nq Q0 e 2 1.0 x\n")
    for name in ("My run", "other+1"):
        submit(tmp_path / "run", task, name, filled.home)
    (filled.home / "leaderboard" / "tiny" / ".half.run.gz.1.tmp").write_text("x")
    return filled


def test_runs_of_the_leaderboard_are_kept(with_runs: Store, tmp_path: Path) -> None:
    manifest = backup(with_runs.home, tmp_path / "b")
    assert manifest.format == 2
    assert module.RUNS == FOLDER
    below = [name for name in manifest.files if name.startswith("leaderboard/")]
    assert below == [
        *("leaderboard/tiny/my-run.json", "leaderboard/tiny/my-run.run.gz"),
        *("leaderboard/tiny/other+1.json", "leaderboard/tiny/other+1.run.gz"),
    ]
    assert verify(tmp_path / "b") == manifest
    new = tmp_path / "new"
    restore(tmp_path / "b", new)
    assert submissions(new) == submissions(with_runs.home)
    for name in below:
        assert (new / name).read_bytes() == (with_runs.home / name).read_bytes()
    assert sorted(path.name for path in (new / "leaderboard" / "tiny").iterdir()) == sorted(
        Path(name).name for name in below
    )
    (tmp_path / "b" / below[1]).write_bytes(b"other")
    with pytest.raises(BadInput, match="changed"):
        verify(tmp_path / "b")


def test_a_restore_takes_no_run_away(with_runs: Store, tmp_path: Path) -> None:
    backup(with_runs.home, tmp_path / "b")
    place = with_runs.home / "leaderboard" / "tiny"
    shutil.copyfile(place / "my-run.json", place / "later.json")
    (place / "my-run.json").unlink()
    with_runs.close()
    restore(tmp_path / "b", with_runs.home, replace=True)
    assert {path.stem for path in place.glob("[a-z]*.json")} == {"my-run", "other+1", "later"}


def test_a_backup_without_runs_is_read_by_earlier_versions(filled: Store, tmp_path: Path) -> None:
    manifest = backup(filled.home, tmp_path / "b")
    assert (manifest.format, sorted(manifest.files)) == (1, [STORE_FILE, "settings.json"])


def test_a_run_that_is_being_handed_in_is_not_cut(with_runs: Store, tmp_path: Path) -> None:
    with exclusive(with_runs.home / "leaderboard" / "lock", "a test"), pytest.raises(SourceError):
        backup(with_runs.home, tmp_path / "b")
    assert not (tmp_path / "b").exists()
