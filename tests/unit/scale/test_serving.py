"""The router over a stand-in for Ray that dies, vanishes and falls silent as it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, NotFound, PartialResult, SourceError
from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.index.predicates import EVERYTHING, Between, Contains
from broadsheet.scale.plans import IndexFile
from broadsheet.scale.serving import Router
from broadsheet.scale.shard import write_shard
from broadsheet.scale.splitting import cut_by_time

QUERY = SeedTree(3).numpy().standard_normal(24).astype(np.float32)


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class ActorUnavailableError(RayActorError):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: BaseException) -> None:
        self.cause = cause


class Call:
    def __init__(self, name: str, place: int, run: Callable[[], Any]) -> None:
        self.name, self.place, self.run = name, place, run


class StandIn:
    """As much of Ray as the router needs, in this process; shards are known by their folder."""

    exceptions = SimpleNamespace(
        RayActorError=RayActorError,
        ActorUnavailableError=ActorUnavailableError,
        RayTaskError=RayTaskError,
        RayError=RayError,
    )

    def __init__(self) -> None:
        self.unavailable: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        self.gone: set[int] = set()
        self.silent: set[int] = set()
        self.made: list[str] = []

    def remote(self, kind: type) -> Any:
        def make(folder: str, *others: Any) -> Any:
            name, place, own = Path(folder).name, len(self.made), kind(folder, *others)
            self.made.append(name)

            def call(*arguments: Any) -> Any:
                return Call(name, place, lambda: own.search(*arguments))

            return SimpleNamespace(place=place, search=SimpleNamespace(remote=call))

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=make))

    def wait(self, waiting: list[Any], num_returns: int, timeout: float) -> Any:
        ready = [one for one in waiting if one.place not in self.silent]
        return ready, [one for one in waiting if one.place in self.silent]

    def get(self, one: Any) -> Any:
        if self.unavailable.get(one.name, 0):
            self.unavailable[one.name] -= 1
            raise ActorUnavailableError
        if self.lost.get(one.name, 0):
            self.lost[one.name] -= 1
            raise RayError
        if one.place in self.gone:
            raise RayActorError
        try:
            return one.run()
        except Exception as error:
            raise RayTaskError(error) from error

    def kill(self, actor: Any) -> None:
        self.gone.add(actor.place)


@pytest.fixture
def made(papers: Callable[..., Any]) -> Any:
    return papers(400, 9)


@pytest.fixture
def folder(made: Any, tmp_path: Path) -> Path:
    """An index of three shards by time, made without Ray."""
    split = cut_by_time("day", made.rows.attributes.numbers["day"], 3)
    assigned, shards = split.assign(made.rows), {}
    for shard in range(3):
        name = f"shard-{shard:04}"
        shards[name] = write_shard(
            tmp_path / name,
            made.rows.take(np.flatnonzero(assigned == shard)),
            plan="p",
            seeds=SeedTree(1),
            graph=False,
            progress=Silent(),
            begun=(0.0, 0.0),
        ).summary
    IndexFile(plan="p", dim=24, shards=shards, cost={}, bytes={}).write(tmp_path)
    return tmp_path


def check(router: Router, made: Any, predicate: Any = EVERYTHING) -> Any:
    answer = router.search(QUERY, 9, predicate, recall=1.0)
    numbers, scores = made.nearest(QUERY, 9, predicate)
    assert answer.numbers.tolist() == numbers
    assert np.array_equal(answer.scores, scores)
    return answer


def test_answers_are_the_oracle_s_and_needless_shards_are_not_asked(
    folder: Path, made: Any
) -> None:
    with Router(StandIn(), folder) as router:
        assert check(router, made).asked == ("shard-0000", "shard-0001", "shard-0002")
        late = Between("day", 1140, 1150)
        assert check(router, made, late).asked == ("shard-0002",)
        assert check(router, made, Contains("cat", "none")).asked == ()
        for query, k in ((QUERY[:3], 2), (QUERY, 0)):
            with pytest.raises(BadInput, match="24 numbers"):
                router.search(query, k)


def test_a_shard_that_dies_is_asked_again_until_it_answers(folder: Path, made: Any) -> None:
    ray = StandIn()
    with Router(ray, folder) as router:
        ray.unavailable["shard-0001"] = 2
        assert check(router, made).restarts == 2
        assert len(ray.made) == 3
        ray.gone = {0, 2}
        assert check(router, made).restarts == 2
        assert sorted(ray.made[3:]) == ["shard-0000", "shard-0002"]


def test_an_answer_that_is_lost_on_its_way_is_asked_for_again(folder: Path, made: Any) -> None:
    ray = StandIn()
    with Router(ray, folder) as router:
        ray.lost["shard-0002"] = 1
        assert check(router, made).restarts == 1
        assert len(ray.made) == 3


def test_a_shard_that_never_comes_back_is_named(folder: Path) -> None:
    ray = StandIn()
    with Router(ray, folder, timeout_s=0.2) as router:
        ray.unavailable["shard-0001"] = 10**6
        with pytest.raises(SourceError, match=r"no answer.* 0\.2 s\. Received: shard-0001\. "):
            router.search(QUERY, 9)


def test_a_silent_shard_is_replaced_at_its_second_strike_in_a_row(folder: Path, made: Any) -> None:
    ray = StandIn()
    with Router(ray, folder, timeout_s=0.0) as router:
        for silent in ({0}, set(), {0}, {0}):
            ray.silent = set(silent)
            if not silent:
                check(router, made)
                continue
            assert len(ray.made) == 3
            with pytest.raises(SourceError, match="shard-0000"):
                router.search(QUERY, 9)
        assert ray.gone == {0}
        check(router, made)
        assert ray.made[3:] == ["shard-0000"]


def test_a_shard_s_own_error_is_passed_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Router(StandIn(), folder) as router:
        (folder / "shard-0001" / "shard.json").rename(folder / "kept")
        with pytest.raises(NotFound, match=r"no such shard\. Received: shard-0001"):
            router.search(QUERY, 9)
        (folder / "kept").rename(folder / "shard-0001" / "shard.json")
        monkeypatch.setattr("broadsheet.scale.serving.Shard.search", lambda *a, **k: 1 / 0)
        with pytest.raises(PartialResult, match=r"shard-0000 ended badly \(ZeroDivisionError\)"):
            router.search(QUERY, 9)


def test_a_shard_of_another_index_is_refused(folder: Path) -> None:
    index = IndexFile.read(folder)
    IndexFile(plan="q", dim=24, shards=index.shards, cost={}, bytes={}).write(folder)
    with (
        Router(StandIn(), folder) as router,
        pytest.raises(BadInput, match=r"another index\. Received: shard-0000"),
    ):
        router.search(QUERY, 9)
