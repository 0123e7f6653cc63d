"""One shard against the slow oracle; damage, doubles, a folder that is whole or not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.seeds import SeedTree
from broadsheet.index.predicates import (
    EVERYTHING,
    AllOf,
    Between,
    Contains,
    In,
    Not,
    Predicate,
)
from broadsheet.scale.rows import Rows
from broadsheet.scale.shard import Manifest, Shard

QUESTIONS: list[Predicate] = [
    EVERYTHING,
    Between("day", 1010, 1060),
    Contains("author", "p3"),
    In("author", ("p3", "p30", "nobody")),
    Not(Contains("cat", "a")),
    AllOf((Contains("cat", "c"), Not(Between("day", 0, 1100)))),
    AllOf((Contains("cat", "d"), Contains("author", "p7"))),
    Contains("cat", "none"),
]


@pytest.mark.parametrize("predicate", QUESTIONS, ids=str)
def test_answers_are_the_oracle_s(
    papers: Callable[..., Any], put: Callable[..., Manifest], tmp_path: Path, predicate: Predicate
) -> None:
    made = papers(900, 2)
    put(tmp_path / "shard", made.rows)
    shard = Shard(tmp_path / "shard")
    queries = SeedTree(8).numpy().standard_normal((6, 24)).astype(np.float32)
    for query in [*queries, made.rows.vectors[1]]:
        for k in (1, 7, 2000):
            found = shard.search(query, k, predicate, recall=1.0)
            numbers, scores = made.nearest(query, k, predicate)
            assert found.numbers.tolist() == numbers
            assert np.array_equal(found.scores, scores)
            assert found.matches == made.holding(predicate).sum()
            aimed = shard.search(query, k, predicate)
            assert len(aimed) == min(k, aimed.matches)
            assert made.holding(predicate)[np.isin(made.rows.numbers, aimed.numbers)].all()


def test_equal_scores_go_by_number_even_at_the_end(
    put: Callable[..., Manifest], tmp_path: Path
) -> None:
    # All but one score nothing: the lowest numbers come after it, wherever their rows lie.
    vectors = np.zeros((300, 8), dtype=np.float32)
    vectors[np.arange(300), 1 + np.arange(300) % 7] = 1.0
    vectors[17] = np.eye(8, dtype=np.float32)[0]
    numbers = SeedTree(3).numpy().permutation(300).astype(np.int64)
    put(tmp_path / "shard", Rows(numbers=numbers, vectors=vectors))
    found = Shard(tmp_path / "shard").search(np.eye(8, dtype=np.float32)[0], 5, recall=1.0)
    rest = [number for number in range(6) if number != numbers[17]][:4]
    assert found.numbers.tolist() == [numbers[17], *rest]


@pytest.mark.parametrize("recall", [0.9, 1.0])
def test_a_query_that_does_not_fit_is_refused(
    put: Callable[..., Manifest], tmp_path: Path, recall: float
) -> None:
    put(tmp_path / "shard", Rows(numbers=np.arange(3), vectors=np.eye(3, dtype=np.float32)))
    shard = Shard(tmp_path / "shard")
    for query, k in ((np.ones(2), 1), (np.array([1, np.nan, 0]), 1), (np.ones(3), 0)):
        with pytest.raises(BadInput, match="3 finite numbers"):
            shard.search(query.astype(np.float32), k, recall=recall)


def test_an_empty_shard_answers_nothing(put: Callable[..., Manifest], tmp_path: Path) -> None:
    rows = Rows(numbers=np.zeros(0, np.int64), vectors=np.zeros((0, 4), np.float32))
    put(tmp_path / "shard", rows)
    assert len(Shard(tmp_path / "shard").search(np.ones(4, np.float32), 3)) == 0


def test_a_number_twice_is_refused_and_leaves_nothing(
    put: Callable[..., Manifest], tmp_path: Path
) -> None:
    rows = Rows(numbers=np.array([4, 9, 4]), vectors=np.eye(3, dtype=np.float32))
    with pytest.raises(BadInput, match=r"occurs twice\. Received: 4"):
        put(tmp_path / "shard", rows)
    assert not list(tmp_path.iterdir())


def test_a_finished_shard_is_kept(
    papers: Callable[..., Any], put: Callable[..., Manifest], tmp_path: Path
) -> None:
    put(tmp_path / "shard", papers(50, 1).rows)
    assert put(tmp_path / "shard", papers(20, 2).rows).summary.rows == 50
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]


def test_damage_is_named(
    papers: Callable[..., Any], put: Callable[..., Manifest], tmp_path: Path
) -> None:
    folder = tmp_path / "shard"
    manifest = put(folder, papers(200, 1).rows)
    assert manifest.check(folder) == manifest.bytes
    assert manifest.resident_bytes == manifest.bytes - 200 * 24 * 4
    numbers = folder / manifest.arrays["numbers"].file
    good = numbers.read_bytes()
    numbers.write_bytes(good[:9] + bytes([good[9] ^ 1]) + good[10:])
    with pytest.raises(BadInput, match=rf"damaged.*{numbers.name}"):
        manifest.check(folder)
    with pytest.raises(BadInput, match=rf"damaged.*{numbers.name}"):
        Shard(folder)
    numbers.unlink()
    for opening in (lambda: manifest.check(folder), lambda: Shard(folder)):
        with pytest.raises(BadInput, match=rf"missing.*{numbers.name}"):
            opening()
    (folder / "shard.json").write_text("{}")
    with pytest.raises(BadInput, match=r"shard\.json"):
        Shard(folder)
    with pytest.raises(NotFound, match="no such shard"):
        Manifest.read(tmp_path / "other")
