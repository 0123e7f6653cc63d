from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.runtime.batching import plan_batches

LENGTHS = st.lists(st.integers(0, 60), max_size=60)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200), st.booleans())
def test_each_text_once_and_within_the_budget(lengths: list[int], budget: int, equal: bool) -> None:
    batches = plan_batches(lengths, budget, equal=equal)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[position] for position in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget
        if equal:
            assert {lengths[position] for position in batch} == {longest}


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200))
def test_longest_first(lengths: list[int], budget: int) -> None:
    order = [lengths[position] for batch in plan_batches(lengths, budget) for position in batch]
    assert order == sorted(lengths, reverse=True)


def test_padding_is_small_where_arrival_order_doubles_the_work() -> None:
    lengths = [12, 250] * 64
    batches = plan_batches(lengths, 1024)
    computed = sum(len(batch) * max(lengths[item] for item in batch) for batch in batches)
    assert computed < 1.02 * sum(lengths)
    assert sum(lengths) * 1.9 < 128 * 250
