from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, PartialResult
from broadsheet.papers.exchange import export, import_
from broadsheet.papers.model import SourceRecord
from broadsheet.papers.store import Store, canonical_state


@pytest.fixture
def filled(store: Store, tell: Any) -> Store:
    store.add([tell(ids={"arxiv": f"2401.{n:05}"}, title=f"Paper {n}") for n in range(20)])
    store.add([tell("acl", ids={"acl": "P1"}, title="Bridge")])
    store.add([tell("bibtex", ids={"acl": "P1", "arxiv": "2401.00003"}, title="é")])
    store.put_edition("2025-09-02", 1, '{"title":"é"}'.encode(), "hash")
    return store


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.jsonl.zst"])
def test_round_trip(filled: Store, fresh: Any, tmp_path: Path, name: str) -> None:
    report = export(filled, tmp_path / name)
    assert (report.records, report.editions) == (22, 1)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == [name]
    with fresh() as other:
        back = import_(other, str(tmp_path / name))
        assert (back.records, back.new, back.editions, back.rejects) == (22, 22, 1, [])
        assert canonical_state(other) == canonical_state(filled)
        again = import_(other, str(tmp_path / name))
        assert (again.new, again.known, again.editions) == (0, 22, 1)
        assert canonical_state(other) == canonical_state(filled)


def test_interrupted_import_is_resumed(filled: Store, fresh: Any, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    export(filled, path)
    lines = path.read_bytes().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:9]) + lines[9][:30])
    with fresh() as other:
        cut = import_(other, str(tmp_path / "cut.jsonl"))
        assert cut.new == 8
        assert "ends early" in cut.rejects[-1].reason
        assert import_(other, str(path)).new == 14
        assert canonical_state(other) == canonical_state(filled)


def test_a_changed_record_is_rejected_with_its_line(
    filled: Store, fresh: Any, tmp_path: Path
) -> None:
    path = tmp_path / "e.jsonl"
    export(filled, path)
    path.write_bytes(path.read_bytes().replace(b"Paper 7", b"Paper X"))
    with fresh() as other:
        report = import_(other, str(path))
        assert [(r.offset, r.unit) for r in report.rejects] == [(9, "line"), (25, "line")]
        assert "changed after it was exported" in report.rejects[0].reason
        assert (report.new, report.editions) == (21, 0)
        assert "1 editions were left out" in report.notes[0]


def test_into_a_library_with_other_records(
    filled: Store, fresh: Any, tell: Any, tmp_path: Path
) -> None:
    export(filled, tmp_path / "e.jsonl")
    with fresh() as other:
        other.add([tell(title="Was here first")])
        report = import_(other, str(tmp_path / "e.jsonl"))
        assert (report.new, report.editions, len(report.notes)) == (22, 0, 1)
        assert other.counts().works == filled.counts().works + 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"day":"2025-09-02","id":"1","title":"T"}\n', "not an export"),
        (b"hello\n", "not an export"),
        (b"", "empty"),
        (b'{"broadsheet":"export","format":2}\n', "newer version"),
        (b'{"broadsheet":"export"}\n', "not an export"),
        (b'{"broadsheet":"export","format":"x"}\n', "not an export"),
    ],
)
def test_other_files_are_refused(
    store: Store, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        import_(store, str(path))
    assert store.counts().records == 0


def test_broken_lines_are_rejected_and_the_rest_kept(
    filled: Store, fresh: Any, tmp_path: Path
) -> None:
    path = tmp_path / "e.jsonl"
    export(filled, path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2:2] = [b"[]\n", b"{\n", b'{"raw":"x"}\n', b'{"raw_base64":"*"}\n', b'{"raw":1}\n']
    path.write_bytes(b"".join(lines))
    with fresh() as other:
        report = import_(other, str(path))
        assert [reject.offset for reject in report.rejects] == [3, 4, 5, 6, 7, len(lines)]
        assert report.new == 22


def test_full_disk_leaves_no_half_export(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Store, after: int = 0) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "all_records", full)
    with pytest.raises(PartialResult, match="the disk is full"):
        export(filled, tmp_path / "e.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_compressed_export_is_repeatable(filled: Store, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-02T08:00:00+00:00")
    export(filled, tmp_path / "a.gz")
    export(filled, tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    first = gzip.decompress((tmp_path / "a.gz").read_bytes()).splitlines()[0]
    assert json.loads(first)["broadsheet"] == "export"


@settings(max_examples=40, deadline=None)
@given(
    raws=st.lists(st.binary(max_size=40), max_size=8),
    context=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    key=st.text(max_size=8),
)
def test_any_bytes_survive(
    raws: list[bytes],
    context: dict[str, str],
    key: str,
    fresh: Any,
    tell: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    facts = tell(title="The same facts for all")[1]
    with fresh() as store, fresh() as other:
        store.parser = other.parser = lambda record: facts
        batch = [
            SourceRecord(source="arxiv", key=key, raw=raw, context=context, offset=n)
            for n, raw in enumerate(raws)
        ]
        store.add([(record, facts) for record in batch])
        path = tmp_path_factory.mktemp("exchange") / "e.jsonl"
        buffer = io.BytesIO()
        export(store, buffer)
        path.write_bytes(buffer.getvalue())
        assert import_(other, str(path)).rejects == []
        assert canonical_state(store) == canonical_state(other)
