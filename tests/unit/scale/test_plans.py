"""Plans and finished indexes on disk; another request is refused; a missing extra is explained."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, NotFound, SourceError, UsageError
from broadsheet.core.optional import available
from broadsheet.core.seeds import SeedTree
from broadsheet.scale import cluster
from broadsheet.scale.cluster import connected, import_ray
from broadsheet.scale.lake import Lake
from broadsheet.scale.plans import IndexFile, Plan, Request
from broadsheet.scale.splitting import ByCluster, ByTime, Cells, Split, TimeCuts
from broadsheet.scale.summaries import Range, Summary

SPLITS: list[Split] = [
    TimeCuts("day", (4, 9)),
    Cells(np.eye(3, dtype=np.float32), np.array([1, 0, 1], dtype=np.int32)),
]


def a_plan(split: Split, request: Request) -> Plan:
    return Plan(request=request.as_facts(), dim=3, fragments=((0, 5), (7, 2)), split=split)


def a_request(version: int = 1, split: ByTime | ByCluster | None = None, seed: int = 5) -> Request:
    asked = split or ByTime("day", 3)
    return Request(uri="papers.lance", version=version, split=asked, seeds=SeedTree(seed, ("x",)))


@pytest.mark.parametrize("split", SPLITS, ids=["time", "cluster"])
def test_a_plan_comes_back_from_disk(split: Split, tmp_path: Path) -> None:
    plan = a_plan(split, a_request())
    plan.write(tmp_path)
    back = Plan.read(tmp_path)
    assert (back.identity, back.rows, back.names) == (plan.identity, 7, plan.names)
    assert back.seeds == SeedTree(5, ("x",))
    if isinstance(split, Cells):
        assert isinstance(back.split, Cells)
        assert np.array_equal(back.split.centres, split.centres)
        assert np.array_equal(back.split.groups, split.groups)
    else:
        assert back.split == split


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (a_request(version=2), "version 1"),
        (a_request(split=ByTime("day", 4)), "split"),
        (a_request(split=ByCluster(3)), "split"),
        (a_request(seed=6), "seed"),
    ],
)
def test_another_request_is_refused(other: Request, says: str) -> None:
    plan = a_plan(SPLITS[0], a_request())
    plan.check(a_request())
    with pytest.raises(BadInput, match=f"another index.*{says}"):
        plan.check(other)
    assert a_plan(SPLITS[0], other).identity != plan.identity


def test_what_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no plan"):
        Plan.read(tmp_path)
    with pytest.raises(NotFound, match="no finished index"):
        IndexFile.read(tmp_path)
    a_plan(SPLITS[1], a_request()).write(tmp_path)
    text = (tmp_path / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(text.replace('"dim": 3', '"dim": 4'))
    with pytest.raises(BadInput, match=r"damaged.*plan\.json"):
        Plan.read(tmp_path)


def test_an_index_comes_back_from_disk(tmp_path: Path) -> None:
    index = IndexFile(
        plan="p",
        dim=3,
        shards={"shard-0000": Summary(4, {"day": Range(4, 1, 9)}, {})},
        cost={"build_cpu_s": 0.5},
        bytes={"disk": 10},
    )
    index.write(tmp_path)
    assert IndexFile.read(tmp_path) == index
    assert index.rows == 4


def test_a_missing_extra_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "broadsheet.core.optional.available",
        lambda module: module not in ("ray", "lance") and available(module),
    )
    for needs in (import_ray, lambda: Lake("papers.lance")):
        with pytest.raises(UsageError, match=r"broadsheet\[scale\]"):
            needs()


class SlowRay:
    """Starts, or finds a cluster, at the nth attempt."""

    def __init__(self, attempts: int) -> None:
        self.attempts, self.ended = attempts, 0
        self.started: list[subprocess.Popen[bytes]] = []

    def is_initialized(self) -> bool:
        return False

    def init(self, **settings: object) -> None:
        self.attempts -= 1
        if self.attempts:
            self.started.append(subprocess.Popen(["sleep", "600"]))
            raise Exception("the node timed out during startup")

    def shutdown(self) -> None:
        self.ended += 1


def test_a_slow_start_is_tried_again_and_at_last_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for attempts, address, says in (
        (3, "", ""),
        (4, "", "not start.*timed"),
        (2, "here:1", "here"),
    ):
        slow = SlowRay(attempts)
        monkeypatch.setattr(cluster, "import_ray", lambda slow=slow: slow)
        if not says:
            with connected() as ray:
                assert ray is slow
            assert slow.ended == 3
            assert [one.wait() for one in slow.started] == [-signal.SIGKILL] * 2
            continue
        with pytest.raises(SourceError, match=says), connected(address):
            raise AssertionError
        assert [one.wait() for one in slow.started] == [-signal.SIGKILL] * len(slow.started)
