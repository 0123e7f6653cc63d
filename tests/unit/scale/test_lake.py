"""The lake: what is written is read again, in versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, NotFound, SourceError
from broadsheet.scale.lake import Lake
from broadsheet.scale.rows import Attributes, Labels, Rows

pytestmark = pytest.mark.usefixtures("extra")


def same(one: Rows, other: Rows) -> bool:
    labels = one.attributes.labels
    return (
        np.array_equal(one.numbers, other.numbers)
        and np.array_equal(one.vectors, other.vectors)
        and all(
            np.array_equal(column, other.attributes.numbers[name])
            for name, column in one.attributes.numbers.items()
        )
        and sorted(labels) == sorted(other.attributes.labels)
        and all(
            [own.row(i) for i in range(len(one))]
            == [other.attributes.labels[name].row(i) for i in range(len(one))]
            for name, own in labels.items()
        )
    )


def test_rows_come_back_bit_by_bit_in_blocks_of_any_size(
    papers: Callable[..., Any], tmp_path: Path
) -> None:
    rows = papers(300, 4).rows
    uri = str(tmp_path / "papers.lance")
    parts = (rows.take(np.arange(begin, begin + 100)) for begin in (0, 100, 200))
    lake = Lake.create(uri, parts, rows_per_file=120)
    assert (len(lake), lake.dim) == (300, 24)
    assert sum(count for _, count in lake.fragments()) == 300
    assert len(lake.fragments()) == 3
    read = list(lake.blocks(block=70))
    assert max(map(len, read)) <= 70
    begin = 0
    for block in read:
        assert same(rows.take(np.arange(begin, begin + len(block))), block)
        begin += len(block)
    assert np.array_equal(lake.column("number"), rows.numbers)
    assert np.array_equal(lake.column("day"), rows.attributes.numbers["day"])
    assert np.array_equal(lake.sample(np.array([3, 250])), rows.vectors[[3, 250]])


def test_every_write_makes_a_version_and_old_ones_stay(
    papers: Callable[..., Any], tmp_path: Path
) -> None:
    rows = papers(40, 4).rows
    uri = str(tmp_path / "papers.lance")
    first = Lake.create(uri, [rows.take(np.arange(30))])
    second = first.append([rows.take(np.arange(30, 40))])
    third = second.delete(rows.numbers[:3].tolist())
    assert [len(Lake(uri, one.version)) for one in (first, second, third)] == [30, 40, 37]
    assert len(Lake(uri)) == len(third.delete([])) == 37
    assert not set(rows.numbers[:3].tolist()) & set(third.column("number").tolist())


def test_rows_without_attributes_or_terms(tmp_path: Path) -> None:
    bare = Rows(numbers=np.arange(3), vectors=np.eye(3, dtype=np.float32))
    lake = Lake.create(str(tmp_path / "bare.lance"), [bare])
    assert same(bare, next(lake.blocks()))
    empty = Rows(
        numbers=np.arange(2),
        vectors=np.ones((2, 3), dtype=np.float32),
        attributes=Attributes({"cat": Labels.of([(), ()])}),
    )
    lake = Lake.create(str(tmp_path / "empty.lance"), [empty])
    assert same(empty, next(lake.blocks()))


def test_what_is_not_there_or_does_not_fit_is_named(
    papers: Callable[..., Any], tmp_path: Path
) -> None:
    uri = str(tmp_path / "papers.lance")
    with pytest.raises(NotFound, match="no lake"):
        Lake(uri)
    with pytest.raises(BadInput, match="needs a block"):
        Lake.create(uri, [])
    lake = Lake.create(uri, [papers(10, 1).rows])
    with pytest.raises(NotFound, match=r"no lake.*version 9"):
        Lake(uri, 9)
    with pytest.raises(BadInput, match="a lake already"):
        Lake.create(uri, [papers(10, 1).rows])
    with pytest.raises(NotFound, match=r"attribute\. Received: hour"):
        lake.column("hour")
    with pytest.raises(SourceError, match="can't be written"):
        lake.append([papers(10, 1, dim=8).rows])
    assert len(Lake(uri)) == 10
