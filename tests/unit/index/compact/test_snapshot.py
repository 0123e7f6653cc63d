"""Ties are ordered by document number, whatever the order of positions in a segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.bitmaps import Bits
from broadsheet.index.compact.files import write_sealed
from broadsheet.index.compact.segment import build_segment
from broadsheet.index.compact.snapshot import META, Meta, Snapshot
from broadsheet.index.compact.tiers import Tier, write_tier

DIM = 4


@pytest.fixture
def backwards(tmp_path: Path) -> Snapshot:
    """Forty equal rows and ten others, the lowest numbers at the highest positions."""
    rows = np.ones((50, DIM), dtype=np.float32)
    rows[40:] = np.random.default_rng(3).standard_normal((10, DIM)) - 3
    built = build_segment(rows, seeds=SeedTree(1), graph=False, progress=Silent())
    state = write_tier(tmp_path, "segment.1", built, np.arange(100, 150)[::-1].copy())
    return Snapshot.open(tmp_path, Meta(dim=DIM, tiers=(state,)))


@pytest.mark.parametrize("k", [1, 3, 17, 40, 60])
def test_the_lowest_numbers_of_equal_scores_come_first(backwards: Snapshot, k: int) -> None:
    query = np.ones((1, DIM), dtype=np.float32)
    for allowed in (None, np.arange(200) % 2 == 0):
        found = backwards.search(query, k, allowed, AttributeStore(), 1.0)[0].hits
        every = backwards.search(query, 50, allowed, AttributeStore(), 1.0)[0].hits
        assert found == sorted(every, key=lambda hit: (-hit[1], hit[0]))[:k]
        assert [number for number, _ in every[:3]] == (
            [110, 111, 112] if allowed is None else [110, 112, 114]
        )


def test_masks_lists_and_tables_name_the_same_rows(tmp_path: Path) -> None:
    numbers = np.sort(np.random.default_rng(5).choice(5000, 600, replace=False))
    rows = np.random.default_rng(6).standard_normal((600, DIM)).astype(np.float32)
    built = build_segment(rows, seeds=SeedTree(1), graph=False, progress=Silent())
    tier = Tier(tmp_path, write_tier(tmp_path, "segment.1", built, numbers))
    draw = np.random.default_rng(7)
    for count in (0, 1, 5, 300, 2000, 5000):
        asked = draw.permutation(6000)[:count] - 3
        expected = np.flatnonzero(np.isin(tier.numbers, asked))
        assert tier.places(asked).tolist() == expected.tolist()
        mask = np.zeros(5500, dtype=np.bool_)
        inside = asked[(asked >= 0) & (asked < 5500)]
        mask[inside] = True
        found = tier.select(mask, AttributeStore())
        places = found.ids() if isinstance(found, Bits) else found
        assert places.tolist() == np.flatnonzero(np.isin(tier.numbers, inside)).tolist()
        short = tier.select(mask[:100], AttributeStore())
        places = short.ids() if isinstance(short, Bits) else short
        assert set(tier.numbers[places].tolist()) == set(inside[inside < 100].tolist()) & set(
            numbers.tolist()
        )


def test_another_format_is_named(tmp_path: Path) -> None:
    write_sealed(tmp_path / META, {**Meta(dim=DIM).as_facts(), "format": 0})
    with pytest.raises(BadInput, match=r"another version.*index build"):
        Meta.read(tmp_path, DIM)
