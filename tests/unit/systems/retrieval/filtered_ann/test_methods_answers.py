"""What every published method owes its caller: only matching rows, and enough of the nearest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import MISSING, Attributes, Labels
from broadsheet.data.worlds.papers import Papers, PaperSpec, PaperWorld
from broadsheet.index.predicates import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Between,
    Contains,
    In,
    Not,
    Predicate,
)
from broadsheet.systems.retrieval.filtered_ann.interface import Method, evaluate
from broadsheet.systems.retrieval.filtered_ann.methods import all_methods

ROWS, QUERIES, K = 2500, 25, 10
NAMES = [method.name for method in all_methods(SeedTree(0))]


@pytest.fixture(scope="module")
def world() -> tuple[Papers, Papers]:
    spec = PaperSpec(dim=32, fields=4, categories=10, topics=50)
    papers = PaperWorld(spec, SeedTree(3))
    return papers.papers(ROWS), papers.papers(QUERIES, part="queries")


@pytest.fixture(scope="module")
def fitted(world: tuple[Papers, Papers]) -> Callable[[str], Method]:
    made: dict[str, Method] = {}

    def method(name: str) -> Method:
        if name not in made:
            made[name] = _method(name)
            made[name].fit(world[0].vectors, world[0].attributes)
        return made[name]

    return method


def _method(name: str, seed: int = 7) -> Method:
    return next(m for m in all_methods(SeedTree(seed)) if m.name == name)


def _common(attributes: Attributes, column: str, rank: int) -> Contains:
    labels = attributes.labels[column]
    code = np.argsort(-labels.frequencies(), kind="stable")[rank]
    return Contains(column, labels.values[code])


def _predicates(attributes: Attributes) -> dict[str, Predicate]:
    number, column = next(iter(attributes.numbers.items()))
    ends = np.quantile(column, [0.2, 0.24, 0.3, 0.8]).astype(int)
    subject, tag = _common(attributes, "subject", 3), _common(attributes, "tag", 1)
    return {
        "everything": EVERYTHING,
        "reviewed": _common(attributes, "reviewed", 0),
        "team": _common(attributes, "team", 2),
        "venue": _common(attributes, "venue", 3),
        "broad range": Between(number, int(ends[0]), int(ends[3])),
        "range": Between(number, int(ends[0]), int(ends[2])),
        "narrow range": Between(number, int(ends[0]), int(ends[1])),
        "subject": subject,
        "keyword": _common(attributes, "keyword", 8),
        "author": _common(attributes, "author", 5),
        "and": AllOf((subject, tag)),
        "and of subjects": AllOf((_common(attributes, "subject", 0), subject)),
        "and of single values": AllOf(
            (_common(attributes, "reviewed", 0), _common(attributes, "team", 1))
        ),
        "or": AnyOf((subject, _common(attributes, "keyword", 2))),
        "in": In("venue", tuple(_common(attributes, "venue", rank).value for rank in (1, 4))),
        "not": Not(subject),
    }


@pytest.mark.parametrize("name", NAMES)
def test_only_matching_rows_and_most_of_the_nearest(
    name: str, world: tuple[Papers, Papers], fitted: Callable[[str], Method]
) -> None:
    papers, queries = world
    method = fitted(name)
    answered = 0
    for kind, predicate in _predicates(papers.attributes).items():
        if not method.supports(predicate):
            with pytest.raises(BadInput, match="does not answer this kind"):
                method.search(queries.vectors[0], predicate, K, method.budgets[-1])
            continue
        answered += 1
        allowed = evaluate(predicate, papers.attributes)
        assert allowed.sum() >= K, kind
        hits, total = 0, 0
        for place, query in enumerate(queries.vectors):
            scores = np.where(allowed, papers.vectors @ query, -np.inf)
            truth = np.argsort(-scores)[:K]
            query.setflags(write=False)
            for budget in (method.budgets[0], method.budgets[-1]):
                given = allowed if place % 2 else None
                found = method.search(query, predicate, K, budget, given)
                assert found.dtype == np.int64, kind
                assert allowed[found].all(), kind
                assert len(set(found.tolist())) == len(found) <= K, kind
                own = papers.vectors[found] @ query
                assert (np.diff(own) <= 1e-5).all(), kind
            hits += len(set(found.tolist()) & set(truth.tolist()))
            total += K
        assert hits / total >= 0.9, (kind, hits / total)
    assert answered >= 3


def test_capabilities_are_those_of_the_papers(
    world: tuple[Papers, Papers], fitted: Callable[[str], Method]
) -> None:
    kinds = _predicates(world[0].attributes)
    ranges = {"broad range", "range", "narrow range"}
    labels = {"reviewed", "team", "venue", "subject", "keyword", "author"}
    expected = {
        "NHQ": {"reviewed", "team", "venue", "and of single values"},
        "SeRF": ranges,
        "segment-tree graph": ranges,
        "FilteredVamana": labels | {"or", "in"},
        "StitchedVamana": labels | {"or", "in"},
        "UNG": labels | {"and of subjects"},
        "CAPS": labels | {"and", "and of subjects", "and of single values"},
        "IVF^2": labels | {"and", "and of subjects", "and of single values"},
    }
    for name in NAMES:
        found = {kind for kind, predicate in kinds.items() if fitted(name).supports(predicate)}
        assert found == expected.get(name, set(kinds)), name


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_rows(name: str, world: tuple[Papers, Papers]) -> None:
    papers, queries = world
    part = papers.attributes.take(np.arange(400))
    predicates = _predicates(part)
    answers = []
    for _ in range(2):
        method = _method(name)
        method.fit(papers.vectors[:400], part)
        answers.append(
            [
                method.search(query, predicate, 5, method.budgets[0]).tolist()
                for predicate in predicates.values()
                if method.supports(predicate)
                for query in queries.vectors[:5]
            ]
        )
    assert answers[0] == answers[1]
    assert method.bytes_used() >= papers.vectors[:400].nbytes


@pytest.mark.parametrize("name", NAMES)
def test_rare_absent_and_missing_values(name: str) -> None:
    draw = np.random.default_rng(5)
    vectors = draw.standard_normal((60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    days = np.arange(60, dtype=np.int64)
    days[::7] = MISSING
    attributes = Attributes(
        {
            "cat": Labels.of([("a",) if row % 3 else () for row in range(60)]),
            "venue": Labels.of([("x",) if row < 59 else ("y",) for row in range(60)]),
        },
        {"day": days},
    )
    method = _method(name)
    assert method.bytes_used() == 0
    with pytest.raises(UsageError, match="fit"):
        method.search(vectors[0], _any_supported(method), 3, method.budgets[0])
    method.fit(vectors, attributes)
    budget = method.budgets[-1]
    for predicate in (
        Contains("venue", "y"),
        Contains("venue", "nowhere"),
        Contains("nothing", "a"),
        Contains("cat", "a"),
        Between("day", 20, 21),
        Between("day", 500, 600),
        Between("day", MISSING, 3),
        Between("nothing", 0, 9),
    ):
        if not method.supports(predicate):
            continue
        matching = np.flatnonzero(evaluate(predicate, attributes))
        for k in (1, 5, 100):
            found = method.search(vectors[4], predicate, k, budget)
            assert set(found.tolist()) <= set(matching.tolist())
            if len(matching) <= 2:
                assert len(found) == min(k, len(matching)), predicate


def _any_supported(method: Method) -> Predicate:
    one = Contains("venue", "x")
    return one if method.supports(one) else Between("day", 1, 2)


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_refused(name: str, fitted: Callable[[str], Method]) -> None:
    method = fitted(name)
    with pytest.raises(BadInput, match="k is at least 1"):
        method.search(np.ones(32, np.float32), _any_supported(method), 0, 10)
    with pytest.raises(BadInput, match="one vector"):
        method.search(np.ones((2, 32), np.float32), _any_supported(method), 3, 10)
    attributes = Attributes({"venue": Labels.of([("x",)] * 3)}, {"day": np.arange(3)})
    with pytest.raises(BadInput, match="length 1"):
        _method(name).fit(2 * np.eye(3, dtype=np.float32), attributes)


def test_methods_have_distinct_names_and_growing_budgets() -> None:
    methods = all_methods(SeedTree(1))
    assert len({method.name for method in methods}) == len(methods) == 14
    for method in methods:
        assert list(method.budgets) == sorted(set(method.budgets))


def test_listing_the_package_needs_no_numba() -> None:
    code = (
        "import sys, broadsheet.systems.retrieval.filtered_ann.methods;"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
