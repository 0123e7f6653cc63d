"""Splits: every row in one shard, shards about equal, time in order, neighbours together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.scale.rows import MISSING, Attributes, Labels, Rows
from broadsheet.scale.splitting import Cells, cut_by_time, learn_cells, sample_size


def at_days(days: list[int]) -> Rows:
    column = np.array(days, dtype=np.int64)
    return Rows(
        numbers=np.arange(len(days)),
        vectors=np.zeros((len(days), 2), dtype=np.float32),
        attributes=Attributes({}, {"day": column}),
    )


@given(
    st.lists(st.one_of(st.integers(-50, 50), st.just(MISSING)), min_size=1, max_size=80),
    st.integers(1, 9),
)
def test_time_never_runs_backwards_and_no_day_is_cut(days: list[int], shards: int) -> None:
    cuts = cut_by_time("day", np.array(days, dtype=np.int64), shards)
    assert cuts.shards <= shards
    shard = dict(zip(days, cuts.assign(at_days(days)).tolist(), strict=True))
    in_order = [shard[day] for day in sorted(shard)]
    assert in_order == sorted(in_order)
    # Each shard has a row.
    assert set(in_order) == set(range(cuts.shards))


def test_days_are_divided_evenly() -> None:
    days = SeedTree(3).numpy().integers(0, 3000, 10_000).astype(np.int64)
    cuts = cut_by_time("day", days, 8)
    sizes = np.bincount(cuts.assign(at_days(days.tolist())))
    assert sizes.min() > 1150
    assert sizes.max() < 1350


def test_rows_without_a_day_go_to_the_first_shard() -> None:
    days = [MISSING, 4, 9, MISSING]
    cuts = cut_by_time("day", np.array(days), 2)
    assert cuts.assign(at_days(days)).tolist()[::3] == [0, 0]
    with pytest.raises(BadInput, match="splits them"):
        cuts.assign(Rows(numbers=np.arange(1), vectors=np.zeros((1, 2), dtype=np.float32)))


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_cells_divide_evenly_and_keep_neighbours_together(
    papers: Callable[..., Any], shards: int
) -> None:
    rows = papers(6000, 1).rows
    cells = learn_cells(rows.vectors, shards, seeds=SeedTree(2), progress=Silent())
    assert cells.shards == shards
    assigned = cells.assign(rows)
    sizes = np.bincount(assigned, minlength=shards)
    assert sizes.min() > 0.8 * 6000 / shards
    assert sizes.max() < 1.25 * 6000 / shards
    # Equal vectors never part.
    assert np.array_equal(assigned[1::3][: len(assigned[2::3])], assigned[2::3])
    if shards == 2:
        inside = [rows.vectors[assigned == one].mean(axis=0) for one in range(2)]
        assert np.linalg.norm(inside[0] - inside[1]) > 0.3


def test_each_row_goes_to_the_nearest_cell() -> None:
    draw = SeedTree(4).numpy()
    centres = draw.standard_normal((9, 5)).astype(np.float32)
    groups = np.array([0, 1, 2] * 3, dtype=np.int32)
    vectors = draw.standard_normal((5000, 5)).astype(np.float32)
    rows = Rows(numbers=np.arange(5000), vectors=vectors)
    slow = ((vectors[:, None, :] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert np.array_equal(Cells(centres, groups).assign(rows), groups[slow])


def test_more_shards_than_cells_are_not_made_up() -> None:
    cells = learn_cells(np.eye(3, dtype=np.float32), 5, seeds=SeedTree(1), progress=Silent())
    assert cells.shards == 1
    with pytest.raises(BadInput, match="a shard or more"):
        learn_cells(np.eye(3, dtype=np.float32), 0, seeds=SeedTree(1), progress=Silent())
    assert sample_size(10, 2) == 10
    assert sample_size(10**9, 250) == 256_000


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(BadInput, match="do not fit"):
        Rows(
            numbers=np.arange(2),
            vectors=np.zeros((2, 2), dtype=np.float32),
            attributes=Attributes({"cat": Labels.of([("a",)])}),
        )
