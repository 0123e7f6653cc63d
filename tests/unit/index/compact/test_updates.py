"""The log of updates: the last entry counts, and only what is committed is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.index.compact.updates import LogState, append, check, read

EYE = np.eye(3, dtype=np.float32)
NONE = np.zeros(0, dtype=np.int64)


def test_the_last_entry_of_a_number_counts(tmp_path: Path) -> None:
    state = LogState(generation=1)
    state, _ = append(tmp_path, state, np.array([5, 9]), EYE[:2], NONE)
    state, _ = append(tmp_path, state, np.array([5]), EYE[2:], np.array([9, 5, 70]))
    recent = read(tmp_path, state, 3)
    assert recent.numbers.tolist() == [5]
    assert recent.matrix[recent.rows].tolist() == [[0, 0, 1]]
    assert recent.touched.tolist() == [5, 9, 70]
    assert check(tmp_path, state, 3) == state.length + 3 * 12
    assert LogState.of(state.as_facts()) == state


def test_what_is_not_committed_is_not_read(tmp_path: Path) -> None:
    first, _ = append(tmp_path, LogState(generation=1), np.array([5]), EYE[:1], NONE)
    append(tmp_path, first, np.array([6]), EYE[1:2], NONE)  # the process dies here
    assert read(tmp_path, first, 3).numbers.tolist() == [5]
    second, _ = append(tmp_path, first, np.array([7]), EYE[2:], NONE)
    recent = read(tmp_path, second, 3)
    assert recent.numbers.tolist() == [5, 7]
    assert recent.matrix.tolist() == EYE[[0, 2]].tolist()


def test_a_batch_that_is_cut_or_changed_is_named(tmp_path: Path) -> None:
    state, _ = append(tmp_path, LogState(generation=1), np.array([5]), EYE[:1], NONE)
    log = tmp_path / state.files[0]
    whole = log.read_bytes()
    for wrong in (whole[:-1], whole[:10], b"\xff" * len(whole)):
        log.write_bytes(wrong)
        with pytest.raises(BadInput):
            read(tmp_path, state, 3)
