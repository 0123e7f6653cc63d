"""What is remembered of a source: which days are due, and what survives a damaged file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from broadsheet.papers.live import state as memory
from broadsheet.papers.live.state import SourceState, days_due

NOW = datetime(2025, 9, 2, 8, tzinfo=UTC)
SINCE = date(2025, 8, 30)


def due(state: SourceState, now: datetime = NOW) -> list[str]:
    return days_due(state, since=SINCE, now=now, settle_days=1)


def test_all_days_are_due_newest_first() -> None:
    assert due(SourceState()) == ["2025-09-02", "2025-09-01", "2025-08-31", "2025-08-30"]


def test_days_kept_after_they_settled_or_just_now_are_not_due() -> None:
    state = SourceState(
        done={
            "2025-09-02": "2025-09-02T07:45:00+00:00",  # a quarter of an hour ago
            "2025-09-01": "2025-09-02T07:15:00+00:00",  # may still change
            "2025-08-31": "2025-09-01T23:59:59+00:00",  # kept on its first day after
            "2025-08-30": "2025-09-01T00:00:00+00:00",  # settled
        }
    )
    assert due(state) == ["2025-09-01", "2025-08-31"]


def test_days_that_keep_failing_come_last() -> None:
    state = SourceState(failures={"2025-09-02": 2, "2025-09-01": 1})
    assert due(state) == ["2025-09-01", "2025-08-31", "2025-08-30", "2025-09-02"]


@pytest.mark.parametrize("at", ["", "soon", "2030-01-01T00:00:00+00:00", "2025-09-02T07:45:00"])
def test_times_that_make_no_sense_count_as_never(at: str) -> None:
    assert "2025-09-02" in due(SourceState(done={"2025-09-02": at}))


def test_it_is_read_back_as_written(tmp_path: Path) -> None:
    state = SourceState(
        question="q", host="h", last_try="t", why="w", done={"2025-09-01": "x"}, failures={}
    )
    memory.save(tmp_path, "arxiv", state)
    assert memory.load(tmp_path, "arxiv") == state
    assert memory.load(tmp_path, "huggingface") == SourceState()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"done": 3}',
        b"\xff",
        b'{"question":"","last_good":"x","host":"","last_try":"","why":"","done":{},"failures":{}}',
    ],
)
def test_a_damaged_file_is_a_source_never_asked(tmp_path: Path, content: bytes) -> None:
    path = memory.path_of(tmp_path, "arxiv")
    path.parent.mkdir()
    path.write_bytes(content)
    assert memory.load(tmp_path, "arxiv") == SourceState()
