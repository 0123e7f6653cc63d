"""A whole index on a small Ray cluster: equal answers, deaths survived, builds resumed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, NotFound, PartialResult, SourceError
from broadsheet.core.progress import Advance, Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact.files import read_sealed, write_sealed
from broadsheet.index.predicates import (
    EVERYTHING,
    AllOf,
    Between,
    Contains,
    Not,
    Predicate,
)
from broadsheet.scale import building, cluster
from broadsheet.scale.building import build_index
from broadsheet.scale.lake import Lake
from broadsheet.scale.plans import Request, check_index
from broadsheet.scale.serving import Question, Router
from broadsheet.scale.shard import Manifest
from broadsheet.scale.splitting import ByCluster, ByTime

COUNT, SHARDS = 3000, 3
PATIENCE_S = 300.0
QUESTIONS: list[Predicate] = [
    EVERYTHING,
    Between("day", 1010, 1060),
    AllOf((Contains("cat", "b"), Not(Between("day", 0, 1080)))),
    Contains("author", "p3"),
    Contains("cat", "none"),
]
QUERIES = SeedTree(8).numpy().standard_normal((12, 24)).astype(np.float32)


@pytest.fixture(scope="module")
def made(papers: Callable[..., Any]) -> Any:
    return papers(COUNT, 6)


@pytest.fixture(scope="module")
def lake(extra: None, made: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    uri = str(tmp_path_factory.mktemp("lake") / "papers.lance")
    parts = (made.rows.take(np.arange(b, b + 500)) for b in range(0, COUNT, 500))
    return Lake.create(uri, parts, rows_per_file=1000)


def request_of(lake: Lake, split: ByTime | ByCluster) -> Request:
    return Request(uri=lake.uri, version=lake.version, split=split, seeds=SeedTree(5))


@pytest.fixture(scope="module", params=[ByTime("day", SHARDS), ByCluster(SHARDS)], ids=repr)
def built(
    ray: Any, lake: Lake, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("index")
    build_index(folder, request_of(lake, request.param), progress=Silent())
    return folder


@pytest.fixture(scope="module")
def router(ray: Any, lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """Of an index of two shards; each test leaves all of them alive."""
    folder = tmp_path_factory.mktemp("index")
    build_index(folder, request_of(lake, ByTime("day", 2)), progress=Silent())
    with Router(ray, folder, timeout_s=PATIENCE_S) as router:
        yield router


def check(router: Router, made: Any, predicate: Predicate = EVERYTHING) -> Any:
    """Ask for everything that is there; return the last answer."""
    for query in QUERIES[:3]:
        answer = router.search(query, 9, predicate, recall=1.0)
        numbers, scores = made.nearest(query, 9, predicate)
        assert answer.numbers.tolist() == numbers
        assert np.array_equal(answer.scores, scores)
        assert answer.matches == made.holding(predicate).sum()
    return answer


# -- answers -----------------------------------------------------------------------------------


def test_answers_are_the_oracle_s_and_shards_without_matches_are_left_alone(
    ray: Any, built: Path, made: Any
) -> None:
    with Router(ray, built, timeout_s=PATIENCE_S) as router:
        assert router.index.rows == COUNT
        assert not (built / "parts").exists()
        for predicate in QUESTIONS:
            asked = check(router, made, predicate).asked
            holding = made.rows.numbers[made.holding(predicate)]
            for name, numbers in shards_of(built).items():
                if np.isin(numbers, holding).any():
                    assert name in asked
        assert check(router, made, Contains("cat", "none")).asked == ()
        assert check(router, made, Between("day", 5000, 6000)).asked == ()
        if "day" in (built / "plan.json").read_text().split("fragments")[1]:
            assert len(check(router, made, Between("day", 1005, 1010)).asked) == 1


def shards_of(built: Path) -> dict[str, np.ndarray]:
    found = {}
    for folder in sorted(built.glob("shard-*")):
        found[folder.name] = Manifest.read(folder).arrays["numbers"].open(folder)
    assert sum(map(len, found.values())) == COUNT
    return found


def test_the_recall_target_is_met_and_many_questions_are_answered_as_one_by_one(
    router: Router, made: Any
) -> None:
    hits, total = 0, 0
    questions = [Question(query, 10, one) for query in QUERIES for one in QUESTIONS]
    together = router.search_many(questions)
    for question, answer in zip(questions, together, strict=True):
        numbers, _ = made.nearest(question.query, 10, question.predicate)
        assert len(answer) == len(numbers)
        hits += len(set(numbers) & set(answer.numbers.tolist()))
        total += len(numbers)
    for question, answer in list(zip(questions, together, strict=True))[:10]:
        alone = router.search(question.query, 10, question.predicate)
        assert np.array_equal(alone.numbers, answer.numbers)
        assert alone.asked == answer.asked
    assert hits / total >= 0.95
    with pytest.raises(BadInput, match="24 numbers"):
        router.search(QUERIES[0][:5], 3)


# -- deaths ------------------------------------------------------------------------------------


def test_a_shard_whose_process_is_killed_answers_all_the_same(router: Router, made: Any) -> None:
    before = router.processes()
    os.kill(before["shard-0001"], signal.SIGKILL)
    answer = router.search(QUERIES[0], 9, recall=1.0)
    assert answer.numbers.tolist() == made.nearest(QUERIES[0], 9, EVERYTHING)[0]
    after = router.processes()
    assert {name for name in after if after[name] != before[name]} == {"shard-0001"}
    check(router, made)


def test_actors_that_ray_has_killed_for_good_are_made_anew(
    ray: Any, router: Router, made: Any
) -> None:
    before = router.processes()
    for server in list(router._servers.values()):
        ray.kill(server)
    assert router.search(QUERIES[0], 9).restarts >= 1
    check(router, made)
    assert not set(before.values()) & set(router.processes().values())


def test_a_silent_shard_is_named_and_then_replaced(router: Router, made: Any) -> None:
    process = router.processes()["shard-0000"]
    os.kill(process, signal.SIGSTOP)
    try:
        router.timeout_s = 1.0
        for _ in range(2):
            with pytest.raises(SourceError, match=r"no answer.*shard-0000"):
                router.search(QUERIES[0], 9)
        router.timeout_s = PATIENCE_S
        check(router, made)
        assert router.processes()["shard-0000"] != process
    finally:
        router.timeout_s = PATIENCE_S
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (shutil.rmtree, "no such shard. Received: shard-0001"),
    "damaged": (lambda one: change(one / "shard.json"), r"damaged.*shard-0001/shard\.json"),
    "replaced": (lambda one: replace(one), r"another index\. Received: shard-0001"),
}


def change(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"plan"', b'"pLan"'))


def replace(shard: Path) -> None:
    """Put another shard, made for another plan, in a shard's place."""
    shutil.rmtree(shard)
    shutil.copytree(shard.parent / "shard-0000", shard)
    write_sealed(shard / "shard.json", {**read_sealed(shard / "shard.json"), "plan": "other"})


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_missing_shard_is_an_error_never_a_short_answer(
    ray: Any, router: Router, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(router.folder, folder)
    assert check_index(folder) == router.index.bytes["disk"]
    do, says = DAMAGES[damage]
    do(folder / "shard-0001")
    with pytest.raises((BadInput, NotFound), match=says):
        check_index(folder)
    with (
        Router(ray, folder, timeout_s=PATIENCE_S) as damaged,
        pytest.raises((BadInput, NotFound), match=says),
    ):
        damaged.search(QUERIES[0], 9)


# -- builds ------------------------------------------------------------------------------------


class Hook(Silent):
    """Calls back whenever some rows of shards are finished."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        return lambda amount: self._call() if label.startswith("building") else None


def test_an_interrupted_build_goes_on_where_it_was(
    ray: Any, lake: Lake, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    asked = request_of(lake, ByTime("day", 4))
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, asked, progress=Hook(interrupt), workers=1)
    finished = {path.parent.name: path.stat().st_ino for path in tmp_path.glob("*/shard.json")}
    assert 1 <= len(finished) < 4
    with pytest.raises(NotFound, match="no finished index"):
        Router(ray, tmp_path)
    with pytest.raises(BadInput, match="another index"):
        build_index(tmp_path, request_of(lake, ByTime("day", 5)), progress=Silent())
    index = build_index(tmp_path, asked, progress=Silent())
    assert {name: (tmp_path / name / "shard.json").stat().st_ino for name in finished} == finished
    with Router(ray, tmp_path, timeout_s=PATIENCE_S) as router:
        check(router, made)

    def never(*_: object, **__: object) -> Iterator[Any]:
        raise AssertionError("a finished index needs no cluster")

    monkeypatch.setattr(building, "connected", never)
    assert build_index(tmp_path, asked, progress=Silent()) == index


def test_killed_workers_do_not_stop_a_build(
    ray: Any, lake: Lake, made: Any, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        if not killed:
            for process in building_now():
                os.kill(process, signal.SIGKILL)
                killed.append(process)

    index = build_index(
        tmp_path, request_of(lake, ByCluster(5)), progress=Hook(kill_one), workers=2
    )
    assert killed
    assert index.rows == COUNT
    with Router(ray, tmp_path, timeout_s=PATIENCE_S) as router:
        check(router, made)


def building_now() -> list[int]:
    """The processes on this machine that build a shard at the moment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::build shard"):
                found.append(int(folder.name))
    return found


def test_a_lake_that_can_t_be_indexed_is_refused(ray: Any, made: Any, tmp_path: Path) -> None:
    rows = made.rows.take(np.array([1, 2, 3]))
    twice = Lake.create(str(tmp_path / "twice.lance"), [rows, rows])
    with pytest.raises(BadInput, match=f"twice. Received: {rows.numbers.min()}"):
        build_index(tmp_path / "a", request_of(twice, ByCluster(2)), progress=Silent())
    none = twice.delete(rows.numbers.tolist())
    with pytest.raises(BadInput, match="the lake is empty"):
        build_index(tmp_path / "a", request_of(none, ByCluster(2)), progress=Silent())
    once = none.append([rows])
    with pytest.raises(NotFound, match="attribute"):
        build_index(tmp_path / "a", request_of(once, ByTime("year", 2)), progress=Silent())


# -- jobs --------------------------------------------------------------------------------------


def test_a_job_whose_worker_dies_runs_again(ray: Any, tmp_path: Path) -> None:
    def dies_once(place: int) -> int:
        mark = tmp_path / f"{place}"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return place

    done: list[int] = []
    cluster.run_all(ray, dies_once, [("a", (0,)), ("b", (1,))], workers=1, done=done.append)
    assert done == [0, 1]


def test_what_goes_wrong_in_a_job_is_one_of_our_errors(
    ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(kind: str) -> None:
        if kind == "ours":
            raise BadInput("no good", received=kind, hint="another")
        if kind == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("what")

    def run(kind: str) -> None:
        cluster.run_all(ray, fails, [(f"job {kind}", (kind,))], done=lambda result: None)

    with pytest.raises(BadInput, match=r"no good\. Received: ours\. Try: another"):
        run("ours")
    with pytest.raises(PartialResult, match=r"job theirs ended badly \(ValueError\).*what"):
        run("theirs")
    monkeypatch.setattr(cluster, "RETRIES", 0)
    with pytest.raises(PartialResult, match=r"lost 1 times.*job death"):
        run("death")
