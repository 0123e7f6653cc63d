"""Questions, exact answers, speeds and trends against slow references; then the way to a report."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy import stats

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes, Labels
from broadsheet.data.worlds.paper_attributes import SINGLE
from broadsheet.data.worlds.papers import PaperSpec, PaperWorld
from broadsheet.index.predicates import AllOf, AnyOf, Between, Contains, In, Not, matches
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.filtered_ann.cells import CELLS, Asker, Question, cell_named
from broadsheet.systems.retrieval.filtered_ann.data import (
    FilteredWorld,
    answered,
    read_world,
)
from broadsheet.systems.retrieval.filtered_ann.interface import documents, evaluate
from broadsheet.systems.retrieval.filtered_ann.measuring import (
    _ask_cell,
    _density,
    chosen_methods,
)
from broadsheet.systems.retrieval.filtered_ann.model import Centres
from broadsheet.systems.retrieval.filtered_ann.oracle import TIE, Truth, exact_answers, nearest
from broadsheet.systems.retrieval.filtered_ann.ours import PlannerIndex
from broadsheet.systems.retrieval.filtered_ann.readers import (
    predicate_of,
    read_attributes,
    read_fvecs,
)
from broadsheet.systems.retrieval.filtered_ann.recipe import Recipe, presets
from broadsheet.systems.retrieval.filtered_ann.speeds import speed_at
from broadsheet.systems.retrieval.filtered_ann.trends import page_p

SPEC = PaperSpec(dim=16, fields=3, categories=9, topics=60)


@pytest.fixture(scope="module")
def papers():
    return PaperWorld(SPEC, SeedTree(1)).papers(3000)


@pytest.fixture(scope="module")
def asker(papers):
    asking = PaperWorld(SPEC, SeedTree(1)).papers(400, part="queries")
    return Asker(
        papers.vectors,
        papers.attributes,
        asking.vectors,
        asking.attributes,
        SINGLE,
        SeedTree(2),
    )


# --- predicates and questions


def test_evaluation_agrees_with_the_slow_reference(papers):
    few = papers.attributes.take(np.arange(200))
    rows = list(documents(few))
    assert list(documents(few, range(3, 5))) == rows[3:5]
    for predicate in (
        Contains("subject", "field:1"),
        Contains("subject", "nobody"),
        Contains("unknown", "x"),
        In("team", ("2", "3")),
        Between("hour", 100, 60_000),
        Between("unknown", 0, 1),
        AllOf((Contains("tag", "open"), Not(Contains("reviewed", "yes")))),
        AnyOf((Contains("tag", "video"), Between("hour", 0, 9000))),
        AllOf(()),
        AnyOf(()),
    ):
        wanted = [matches(predicate, row) for row in rows]
        assert evaluate(predicate, few).tolist() == wanted, predicate


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_questions_pass_about_the_share_they_state(cell, papers, asker):
    questions = asker.ask(cell, 40)
    assert len(questions) == 40
    shares = [evaluate(one.predicate, papers.attributes).mean() for one in questions]
    assert min(shares) > 0
    if cell.share >= 0.01 and cell.kind != "NEG":
        assert 0.5 * cell.share < np.mean(shares) < min(1.0, 1.7 * cell.share) + 1e-9
    assert questions == asker.ask(cell, 40), "the same seed asks the same"


def test_half_of_the_filters_are_the_asking_paper_s_own(asker):
    asking = asker._asking
    for kind in ("EM 10%", "EMIS 10%"):
        questions = asker.ask(cell_named(kind), 60)
        assert sum(one.own for one in questions) == 30
        for one in questions:
            if one.own:
                held = asking.labels[one.predicate.name].row(one.query)
                assert one.predicate.value in held
    for one in asker.ask(cell_named("R 10%"), 60):
        hour = int(asking.numbers["hour"][one.query])
        assert not one.own or one.predicate.low - 50 <= hour <= one.predicate.high + 50


def test_far_filters_are_less_correlated_than_own_ones(papers, asker):
    means = {}
    for name in ("NEG 10%", "EMIS 10%"):
        questions = asker.ask(cell_named(name), 60)
        masks = [evaluate(one.predicate, papers.attributes) for one in questions]
        queries = asker._queries[[one.query for one in questions]]
        truths = exact_answers(papers.vectors, queries, masks, keep=20, seeds=SeedTree(3))
        means[name] = np.mean([truth.correlation for truth in truths])
    assert means["NEG 10%"] < -0.05 < means["EMIS 10%"]


def test_unknown_cells_are_refused():
    with pytest.raises(BadInput, match="unknown cell"):
        cell_named("EM 3%")


# --- the oracle


@pytest.mark.parametrize("share", [0.0, 0.002, 0.03, 0.5, 1.0])
def test_exact_answers_are_those_of_a_full_sort(papers, share):
    draw = np.random.default_rng(4)
    queries = papers.vectors[:20]
    masks = [draw.random(3000) < share for _ in range(20)]
    found = list(exact_answers(papers.vectors, queries, masks, keep=30, seeds=SeedTree(1)))
    for query, mask, truth in zip(queries, masks, found, strict=True):
        ids = np.flatnonzero(mask)
        scores = papers.vectors[ids] @ query
        order = ids[np.lexsort((ids, -scores))][:30]
        assert truth.matches == len(ids)
        np.testing.assert_allclose(
            np.sort(truth.scores), np.sort(papers.vectors[order] @ query), atol=1e-6
        )
        assert truth.recall(order, 10) == 1.0


def test_recall_counts_matches_ties_and_shortfalls():
    scores = np.array([0.9, 0.8, 0.8 - TIE / 2, 0.7], np.float32)
    truth = Truth(np.array([5, 3, 8, 1]), scores, 4, 0.0)
    assert truth.recall(np.array([5, 8]), 2) == 1.0
    assert truth.recall(np.array([5, 1]), 2) == 0.5
    assert truth.recall(np.array([1, 3, 5, 8]), 10) == 1.0
    assert truth.recall(np.array([], np.int64), 10) == 0.0
    assert Truth(np.zeros(0, np.int64), scores[:0], 0, 0.0).recall(np.array([], np.int64), 10) == 1


def test_equal_scores_are_ordered_by_row():
    scores = np.array([0.5, 0.5, 0.9, 0.5], np.float32)
    assert nearest(np.array([7, 2, 9, 4]), scores, 3).tolist() == [2, 1, 3]


# --- speeds, trends, centres, ours


def test_speed_is_interpolated_between_budgets_only_where_needed():
    seconds = np.array([[1e-3], [2e-3], [8e-3]])
    assert speed_at(0.95, seconds, np.array([[0.96], [0.98], [1.0]]))[0] == pytest.approx(1000)
    assert speed_at(0.95, seconds, np.array([[0.5], [0.9], [1.0]]))[0] == pytest.approx(250)
    assert speed_at(0.95, seconds, np.array([[0.5], [0.9], [0.94]]))[0] == 0.0
    assert speed_at(0.95, seconds, np.array([[0.2], [0.2], [0.95]]))[0] == pytest.approx(125)


def test_page_s_test_is_scipy_s():
    draw = np.random.default_rng(1)
    for _ in range(5):
        values = draw.standard_normal((12, 5)) + 0.3 * np.arange(5)
        wanted = stats.page_trend_test(values, method="asymptotic").pvalue
        assert page_p(values) == pytest.approx(wanted, rel=1e-6)


def test_centres_learn_and_their_gradient_is_right(papers):
    rows = torch.from_numpy(papers.vectors[:64])
    centres = Centres(5, 16, torch.Generator().manual_seed(1))
    before = centres.loss(rows).item()
    centres.start_from(rows)
    assert centres.loss(rows).item() < before
    double = Centres(3, 4, torch.Generator().manual_seed(2)).double()
    few = torch.nn.functional.normalize(torch.randn(6, 4, dtype=torch.float64), dim=1)
    assert torch.autograd.gradcheck(
        lambda c: (1 - few @ torch.nn.functional.normalize(c, dim=1).T).min(1).values.mean(),
        double.centres_CD.detach().clone().requires_grad_(),
    )


def test_ours_answers_every_filter_exactly_enough(papers):
    index = PlannerIndex(SeedTree(1), graph=False)
    index.fit(papers.vectors, papers.attributes)
    recalls = []
    for predicate in (AllOf(()), Contains("tag", "open"), Between("hour", 0, 3000)):
        mask = evaluate(predicate, papers.attributes)
        queries = papers.vectors[:30]
        truths = exact_answers(papers.vectors, queries, [mask] * 30, keep=20, seeds=SeedTree(1))
        for query, truth in zip(queries, truths, strict=True):
            found = index.search(query, predicate, 10, 99)
            assert mask[found].all()
            assert len(found) == min(10, truth.matches)
            np.testing.assert_array_equal(found, index.search(query, predicate, 10, 99, mask))
            recalls.append(truth.recall(found, 10))
    assert np.mean(recalls) > 0.95
    assert index.bytes_used() > papers.vectors.nbytes


# --- files


def test_vectors_and_attributes_of_a_data_set_are_read(tmp_path):
    rows = np.random.default_rng(1).standard_normal((7, 3)).astype(np.float32)
    raw = np.concatenate([np.full((7, 1), 3, np.int32).view(np.float32), rows], axis=1)
    raw.tofile(tmp_path / "rows.fvecs")
    np.testing.assert_array_equal(read_fvecs(tmp_path / "rows.fvecs"), rows)
    raw[:, :2].tofile(tmp_path / "broken.fvecs")
    with pytest.raises(BadInput, match="fvecs"):
        read_fvecs(tmp_path / "broken.fvecs")
    with pytest.raises(BadInput, match="read"):
        read_fvecs(tmp_path / "missing.fvecs")
    lines = [{"year": 2020, "cat": ["a", "b"], "name": "x"}, {"year": None, "cat": []}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    read = read_attributes(tmp_path / "a.jsonl")
    assert read.labels["cat"].row(0) == ("a", "b")
    assert evaluate(Between("year", 0, 3000), read).tolist() == [True, False]
    assert evaluate(Not(Contains("name", "x")), read).tolist() == [False, True]


def test_conditions_become_predicates():
    assert predicate_of({"cat": "cs.CL"}) == Contains("cat", "cs.CL")
    assert predicate_of({"year": 2020}) == Between("year", 2020, 2020)
    for wrong in ({}, {"a": 1, "b": 2}, {"a": [1, 2, 3]}):
        with pytest.raises(BadInput, match="condition"):
            predicate_of(wrong)


def test_a_data_set_that_is_not_there_is_named(tmp_path):
    recipe = Recipe(arm="x", source="arxiv-for-fanns-small")
    workspace = Workspace(run=tmp_path, shared=tmp_path)
    with pytest.raises(NotFound, match="not here"):
        read_world(recipe, SeedTree(1), workspace)


# --- the way to a report


def test_unknown_methods_are_refused():
    with pytest.raises(UsageError, match="no such method"):
        chosen_methods(("telepathy",), SeedTree(1))
    names = [method.name for method in chosen_methods((), SeedTree(1))]
    assert len(set(names)) == len(names)
    for preset in ("smoke", "laptop"):
        for recipe in presets()[preset].arms:
            assert set(recipe.methods) <= set(names)


def test_a_method_that_breaks_the_filter_fails_the_run(papers, monkeypatch, tmp_path):
    recipe = presets()["smoke"].arms[0]
    workspace = Workspace(run=tmp_path, shared=tmp_path)
    world = read_world(recipe, SeedTree(1), workspace)

    def all_rows(self, query, predicate, k, budget, allowed=None):
        return np.arange(k)

    monkeypatch.setattr(PlannerIndex, "search", all_rows)
    index = PlannerIndex(SeedTree(1), graph=False)
    index.fit(world.vectors, world.attributes)
    with pytest.raises(BadInput, match="must not give"):
        list(_ask_cell([index], world, world.cells[2], recipe))


def test_local_density_is_the_share_near_the_query_over_the_share_of_all():
    rows = np.repeat(np.eye(2, dtype=np.float32), 50, axis=0)
    sides = Labels.of([("left",)] * 50 + [("right",)] * 50)
    attributes = Attributes({"side": sides})
    queries = np.eye(2, dtype=np.float32)
    asked = [Question(place, Contains("side", "left"), False) for place in (0, 1)]
    cell = answered("EM 50%", asked, rows, attributes, queries, 5, SeedTree(1))
    world = FilteredWorld(rows, attributes, queries, (cell,), SeedTree(1))
    centres = Centres(2, 2, torch.Generator().manual_seed(1))
    centres.start_from(torch.eye(2))
    recipe = Recipe(arm="x", clusters=2, near=1)
    assert _density(world, centres, cell, recipe).items["ratio"].tolist() == [2.0, 0.0]
