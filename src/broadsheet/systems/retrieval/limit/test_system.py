"""LIMIT: the loss against its formula, searches against oracles, worlds, tables, a run."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.data.beir import read_beir, write_beir
from broadsheet.data.records import RetrievalSet
from broadsheet.evals.retrieval import ranking_scores
from broadsheet.metrics import ranking
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.limit import experiment, tasks
from broadsheet.systems.retrieval.limit.attributes import OWN_ATTRIBUTES, made_up_names
from broadsheet.systems.retrieval.limit.curve import (
    Attempts,
    Optimisation,
    attempt,
    attempt_key,
    critical_n,
    train_free,
)
from broadsheet.systems.retrieval.limit.generator import PATTERNS, LimitGenerator, LimitSettings
from broadsheet.systems.retrieval.limit.model import FreeEmbeddings
from broadsheet.systems.retrieval.limit.recipe import PEOPLE, WorldSettings, presets
from broadsheet.systems.retrieval.limit.retrievers import (
    fused,
    fused_by_rank,
    max_sim,
    rank_task,
    recall_at,
)
from broadsheet.systems.retrieval.limit.tuning import multi_positive
from broadsheet.systems.retrieval.limit.worlds import SubsetWorld, subset_at

SMOKE = presets()["smoke"]
WORLDS = next(r for r in SMOKE.arms if r.arm == "bm25").worlds


def workspace(folder: Path) -> Workspace:
    for name in ("run", "shared"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Workspace(run=folder / "run", shared=folder / "shared")


# -- worlds and free vectors -------------------------------------------------------------------


@given(n=st.integers(2, 8), k=st.integers(1, 7))
@settings(max_examples=30)
def test_all_sets_are_there_once_and_ranks_count_them(n: int, k: int) -> None:
    if k >= n:
        with pytest.raises(BadInput):
            SubsetWorld.all_subsets(n, k)
        return
    world = SubsetWorld.all_subsets(n, k)
    expected = list(itertools.combinations(range(n), k))
    assert [tuple(row) for row in world.members_MK.tolist()] == expected
    assert [subset_at(rank, n, k) for rank in range(len(expected))] == expected
    assert world.relevance().sum(dim=1).tolist() == [k] * len(expected)


def test_drawn_sets_differ_and_follow_the_seed() -> None:
    for n, k, count in ((9, 3, 84), (400, 2, 50), (100_000, 60, 5)):
        world = SubsetWorld.some_subsets(n, k, count, SeedTree(3))
        rows = [tuple(row) for row in world.members_MK.tolist()]
        assert len(set(rows)) == count
        assert all(list(row) == sorted(set(row)) and row[-1] < n for row in rows)
        again = SubsetWorld.some_subsets(n, k, count, SeedTree(3))
        assert torch.equal(world.members_MK, again.members_MK)
    with pytest.raises(BadInput, match="not that many"):
        SubsetWorld.some_subsets(5, 2, 11, SeedTree(1))
    with pytest.raises(BadInput, match="small worlds"):
        SubsetWorld.some_subsets(501, 2, 3, SeedTree(1)).relevance()


def slow_loss(free: FreeEmbeddings, world: SubsetWorld) -> torch.Tensor:
    """The paper's formula, one query after the other."""
    total = torch.zeros((), dtype=torch.float64)
    for query_D, members in zip(free.queries_MD, world.members_MK.tolist(), strict=True):
        logits_N = (free.documents_ND @ query_D / free.temperature).double()
        log_softmax_N = logits_N - torch.logsumexp(logits_N, dim=0)
        total = total - sum(log_softmax_N[i] for i in members) / len(members)
    return total / len(world)


def test_loss_and_written_down_gradient_are_those_of_the_formula() -> None:
    world = SubsetWorld.all_subsets(7, 3)
    free = FreeEmbeddings(len(world), 7, 4, SeedTree(1).torch())
    expected = slow_loss(free, world)
    expected.backward()
    gradients = [p.grad.clone() for p in free.parameters()]
    for cells in (4_000_000, 40):  # in one block, and in blocks of five queries
        assert free.loss(world, cells).item() == pytest.approx(expected.item(), rel=1e-5)
        assert free.backward(world, cells) == pytest.approx(expected.item(), rel=1e-5)
        for table, gradient in zip(free.parameters(), gradients, strict=True):
            torch.testing.assert_close(table.grad, gradient, rtol=1e-4, atol=1e-7)
        assert free.accuracy(world, cells) == free.accuracy(world)


def test_accuracy_asks_for_the_whole_set_and_a_tie_is_wrong() -> None:
    world = SubsetWorld(3, torch.tensor([[0, 1], [0, 2]]))
    free = FreeEmbeddings(2, 3, 3, SeedTree(1).torch())
    with torch.no_grad():
        free.documents_ND.copy_(torch.eye(3))
        free.queries_MD.copy_(torch.tensor([[1.0, 1, 0], [1, 0, 0]]))
    assert free.accuracy(world) == 0.5, "0 and a tie of 1 and 2 is not the set of 0 and 2"


def test_vectors_stay_on_the_sphere_and_the_best_accuracy_counts() -> None:
    world = SubsetWorld.all_subsets(6, 2)
    free, log = train_free(world, 4, Optimisation(max_steps=400), SeedTree(2))
    for table in free.parameters():
        torch.testing.assert_close(table.norm(dim=1), torch.ones(len(table)))
    assert log.best == 1.0, "seen at some check, whatever the last step's accuracy is"
    stuck = train_free(
        SubsetWorld.all_subsets(12, 2),
        2,
        Optimisation(max_steps=900, patience=30, least_fall=0.01),
        SeedTree(2),
    )[1]
    assert stuck.steps < 900, "patience ends a run whose loss no longer falls"
    assert stuck.best < 1.0, "no circle ranks all pairs of twelve"


# -- the search for critical n -----------------------------------------------------------------


@given(border=st.integers(2, 200), start=st.integers(3, 60))
@settings(max_examples=60)
def test_the_search_finds_a_sharp_border_from_anywhere(border: int, start: int) -> None:
    asked: list[int] = []

    def solve(n: int) -> bool:
        asked.append(n)
        return n <= border

    found = critical_n(solve, start=start, least=3)
    assert found.largest == found.unbroken == max(border, 2)
    assert len(asked) == len(set(asked)), "each n is tried once"
    assert len(asked) < 12 + 4 * math.log2(max(border, start))


def test_a_ragged_border_gives_two_numbers() -> None:
    found = critical_n(lambda n: (n <= 30 and n != 27) or n == 33, start=30, least=3)
    assert (found.largest, found.unbroken) == (33, 26)
    with pytest.raises(BadInput):
        critical_n(lambda n: True, start=2, least=3)


def test_runs_are_kept_and_a_cut_line_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, how = tmp_path / "metrics.jsonl", Optimisation(max_steps=100)
    one = Attempts(path).run(5, 3, 2, how, SeedTree(1))
    with path.open("a") as handle:
        handle.write('{"n": 6')
    monkeypatch.setattr("broadsheet.systems.retrieval.limit.curve.attempt", None)
    assert Attempts(path).run(5, 3, 2, how, SeedTree(1)) == one
    assert path.read_text().count("\n") == 1
    with pytest.raises(TypeError):  # another seed was not run before
        Attempts(path).run(5, 3, 2, how, SeedTree(2))
    path.write_text('{"wrong": 1}\n')
    with pytest.raises(BadInput, match="line 1"):
        Attempts(path)


def test_everything_that_matters_is_in_the_key() -> None:
    how = Optimisation()
    keys = {attempt_key(n, d, k, how, SeedTree(s)) for n in (5, 6) for d in (2, 3) for k in (1, 2)
            for s in (1, 2)}  # fmt: skip
    assert len(keys) == 16
    assert attempt_key(5, 2, 1, replace(how, learning_rate=0.02), SeedTree(1)) not in keys
    assert attempt_key(5, 2, 1, replace(how, sweep=(1, 1)), SeedTree(1)) in keys


def test_on_a_circle_three_documents_are_the_most() -> None:
    """With unit vectors of two numbers the two best of a query are neighbours."""
    how = Optimisation(max_steps=600)
    assert any(attempt(3, 2, 2, how, SeedTree(seed)).solved for seed in range(6))
    assert not any(attempt(4, 2, 2, how, SeedTree(seed)).solved for seed in range(6))


# -- generated worlds --------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
def test_who_answers_likes_it_and_the_bytes_repeat(pattern: str, tmp_path: Path) -> None:
    made = LimitGenerator(
        OWN_ATTRIBUTES, LimitSettings(documents=60, queries=28, min_items=7, pattern=pattern)
    )
    world = made.make(SeedTree(5))
    for key, question in world.queries.items():
        thing = question.removeprefix("Who likes ").removesuffix("?")
        liking = {
            name
            for name, text in world.documents.items()
            if thing in text.rstrip(".").replace(",", "").split()
        }
        assert liking == set(world.qrels[key])
        assert len(liking) == 2
    assert all(t.count(",") + 2 >= 7 for t in world.documents.values())
    write_beir(world, tmp_path / "a")
    write_beir(made.make(SeedTree(5)), tmp_path / "b")
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert read_beir(tmp_path / "a") == world
    assert made.make(SeedTree(6)) != world


def test_patterns_have_their_shape() -> None:
    def members(pattern: str, **sizes: int) -> list[set[int]]:
        given = {"documents": 60, "queries": 28, "min_items": 0, **sizes}
        made = LimitGenerator(OWN_ATTRIBUTES, LimitSettings(pattern=pattern, **given))
        return [set(row.tolist()) for row in made.members(SeedTree(1))]

    dense = members("dense")
    assert len({frozenset(one) for one in dense}) == 28
    assert set.union(*dense) == set(range(8)), "eight people have 28 pairs"
    assert members("cycle", documents=5)[4] == {4, 0}
    assert sum(map(len, members("disjoint"))) == len(set.union(*members("disjoint"))) == 56
    with pytest.raises(BadInput, match="too few people"):
        members("disjoint", documents=55)
    with pytest.raises(BadInput, match="too few things"):
        members("random", min_items=10_000)
    assert len(set(made_up_names(5000, np.random.default_rng(1)))) == 5000


def test_questions_about_two_things_have_their_answers(tmp_path: Path) -> None:
    task = tasks.make_task(PEOPLE, WORLDS, SeedTree(2), workspace(tmp_path))
    assert len(task.data.queries) == WORLDS.pairs
    for key, terms in task.terms.items():
        holding = {
            name
            for name, text in task.data.documents.items()
            if set(terms) <= set(text.rstrip(".").replace(",", "").split())
        }
        assert holding == set(task.data.qrels[key])
        assert 2 <= len(holding) <= 10
    with pytest.raises(UsageError, match="folder of data sets"):
        tasks.make_task("limit-small", WORLDS, SeedTree(2), workspace(tmp_path))
    with pytest.raises(UsageError, match="no such"):
        tasks.make_task("another", WORLDS, SeedTree(2), workspace(tmp_path))


def test_abstracts_are_judged_by_whole_words() -> None:
    from broadsheet.data.papers import Paper

    papers = [
        Paper(id=f"p{i:03}", title=title, abstract="A parser reads graphs." if i % 3 else "Nothing")
        for i, title in enumerate(["Parsing graphs", "Parsing notes", "On prosody"] * 20)
    ]
    sizes = WorldSettings(abstracts=60, pairs=1)
    with pytest.raises(BadInput, match="too few pairs"):
        tasks.abstracts_of_two_terms(papers, sizes, SeedTree(1))
    mixed = [*papers, *(Paper(id=f"x{i}", title="Prosody notes", abstract="graphs") for i in "abc")]
    task = tasks.abstracts_of_two_terms(mixed, replace(sizes, abstracts=63), SeedTree(1))
    [(first, second)] = task.terms.values()
    for name in next(iter(task.data.qrels.values())):
        text = f" {task.data.documents[name].lower().replace('.', ' ')} ".replace("\n", " ")
        assert f" {first} " in text
        assert f" {second} " in text


# -- ranking -----------------------------------------------------------------------------------


def test_recall_of_a_table_is_trec_s(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = [f"d{i}" for i in range(9)]
    qrels = {f"q{i}": {names[j]: 1 for j in rng.choice(9, 2, replace=False)} for i in range(20)}
    data = RetrievalSet(dict.fromkeys(names, "t"), dict.fromkeys(qrels, "q"), qrels)
    scores_QN = np.round(rng.normal(size=(20, 9)), 1).astype(np.float32)  # with ties
    task = tasks.Task("any", data, {})
    run = {
        key: {name: float(s) for name, s in zip(names, row, strict=True)}
        for key, row in zip(qrels, scores_QN, strict=True)
    }
    expected = list(ranking.recall(run, qrels, 3).values())
    assert recall_at(scores_QN, task, names, 3).tolist() == expected
    assert ranking_scores(run, qrels, dataset="any")
    scores_QN[:, :] = -np.inf
    assert recall_at(scores_QN, task, names, 3).sum() == 0, "what no list holds is not found"


def test_fusion_adds_words_and_nearness() -> None:
    points_QN = np.array([[0.9, 0.4, -np.inf]], np.float32)
    meaning_QN = np.array([[0.5, 0.75, 1.0]], np.float32)
    both = fused(points_QN, meaning_QN, 0.5, inside=False)
    assert both[0].tolist() == pytest.approx([0.9, 0.4 + 0.25, 0.5])
    within = fused(points_QN, meaning_QN, 1.0, inside=True)
    assert within[0].tolist() == pytest.approx([0.9, 0.4 + 0.5, -np.inf])


def test_fusion_by_rank_is_reciprocal() -> None:
    words_QN = np.array([[3.0, 2.0, -np.inf]], np.float32)
    meaning_QN = np.array([[0.1, 0.2, 0.9]], np.float32)
    both = fused_by_rank(words_QN, meaning_QN, 0.5)
    assert both[0].tolist() == pytest.approx([1 / 61 + 0.5 / 63, 1 / 62 + 0.5 / 62, 0.5 / 61])


def test_late_interaction_takes_the_best_piece_for_each() -> None:
    query, document = np.eye(3, dtype=np.float32)[:2], np.array([[0.6, 0.8, 0]], np.float32)
    assert max_sim(query, document) == pytest.approx(1.4)


def test_several_right_candidates_share_the_loss() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    one = multi_positive(logits, torch.tensor([[True, False, False]]))
    two = multi_positive(logits, torch.tensor([[True, True, False]]))
    log_softmax = torch.log_softmax(logits[0], dim=0)
    assert one.item() == pytest.approx(-log_softmax[0].item())
    assert two.item() == pytest.approx(-log_softmax[:2].mean().item())


@pytest.mark.parametrize("kind", ["bm25", "words", "covering", "required"])
def test_words_answer_questions_about_two_things(kind: str, tmp_path: Path) -> None:
    place = workspace(tmp_path)
    task = tasks.make_task(PEOPLE, WORLDS, SeedTree(2), place)
    way = replace(next(r for r in SMOKE.arms if r.arm == "words").retriever, kind=kind)
    scores_QN = rank_task(way, task, place)[""]
    assert recall_at(scores_QN, task, sorted(task.data.documents), 10).mean() == 1.0


def test_random_word_vectors_get_better_with_their_length(tmp_path: Path) -> None:
    place = workspace(tmp_path)
    task = tasks.make_task("pattern dense", WORLDS, SeedTree(2), place)
    way = next(r for r in SMOKE.arms if r.arm == "random_words").retriever
    names = sorted(task.data.documents)
    rate = {
        label: recall_at(scores, task, names, 2).mean()
        for label, scores in rank_task(way, task, place).items()
    }
    assert rate["4 numbers"] < rate["64 numbers"] < rate[""]
    kept = list((tmp_path / "shared" / "vectors").iterdir())
    assert len(kept) == 2, "questions and people were encoded once"


# -- runs --------------------------------------------------------------------------------------


def test_a_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    recipe = next(r for r in SMOKE.arms if r.arm == "free")
    place, seeds = workspace(tmp_path), SeedTree(1)
    state = experiment.build(recipe, seeds)

    def run() -> list[float]:
        data = experiment.data(recipe, seeds, place)
        experiment.fit(state, data, recipe, seeds, place)
        return [one.value for one in experiment.evaluate(state, data, recipe, place)]

    whole = run()
    path = place.run / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    assert run() == whole
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == len(lines)
    assert all(math.isfinite(value) for row in rows for value in row.values())
