"""Heads against slow references, the losses, the way from a row to its expected score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.beir import write_beir
from broadsheet.data.records import RetrievalSet
from broadsheet.metrics import ranking
from broadsheet.systems.contract import Run, Workspace
from broadsheet.systems.retrieval.brewing_beir import experiment, rows
from broadsheet.systems.retrieval.brewing_beir.data import read_data
from broadsheet.systems.retrieval.brewing_beir.encoding import Encoder
from broadsheet.systems.retrieval.brewing_beir.expected import METRICS, expectation, published
from broadsheet.systems.retrieval.brewing_beir.findings import Table
from broadsheet.systems.retrieval.brewing_beir.model import (
    BIAS_STEP,
    SHARPNESS,
    Batch,
    ExpandedWords,
    Retriever,
    TermWeights,
    content_of,
    flops,
    max_sim,
)
from broadsheet.systems.retrieval.brewing_beir.recipe import EncoderSettings, presets
from broadsheet.systems.retrieval.brewing_beir.searching import (
    exact_weights_run,
    impact_run,
    search,
    weights_of,
)
from broadsheet.systems.retrieval.brewing_beir.states import TextRows, with_states
from broadsheet.systems.retrieval.brewing_beir.training import chosen_pairs, loss_of

SMOKE = {recipe.arm: recipe for recipe in presets()["smoke"].arms}
IDS = torch.tensor([[2, 7, 8, 7, 3], [2, 9, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def workspace(folder: Path) -> Workspace:
    return Workspace(run=folder / "run", shared=folder)


def test_content_leaves_out_the_first_and_last_token() -> None:
    assert content_of(MASK).tolist() == [[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]]


def test_before_training_a_text_activates_its_own_words() -> None:
    torch.manual_seed(1)
    table = torch.randn(12, 8)
    head = ExpandedWords(8, 12)
    w_BU = head(torch.randn(2, 5, 8), IDS, content_of(MASK), table, torch.arange(12))
    for text, words in zip(w_BU, ({7, 8}, {9}), strict=True):
        assert words <= set(torch.nonzero(text).flatten().tolist())
    assert w_BU[1].argmax() == 9


def test_expanded_words_are_the_formula() -> None:
    torch.manual_seed(2)
    table, x_BLD = torch.randn(12, 8), torch.randn(2, 5, 8)
    head = ExpandedWords(8, 12)
    torch.nn.init.normal_(head.change.weight)
    torch.nn.init.normal_(head.bias_V, std=0.01)
    some = torch.tensor([1, 7, 9, 11])
    found = head(x_BLD, IDS, content_of(MASK), table, some)
    centred = table - table.mean(dim=0)
    for row in range(2):
        for place, word in enumerate(some.tolist()):
            best = 0.0
            for token in torch.nonzero(content_of(MASK)[row]).flatten().tolist():
                near = centred[IDS[row, token]] + head.change(x_BLD[row, token])
                logit = (
                    SHARPNESS * (centred[word] @ near - centred[word].square().sum() / 2)
                    + BIAS_STEP * head.bias_V[word]
                )
                best = max(best, torch.log1p(torch.relu(logit)).item())
            assert found[row, place].item() == pytest.approx(best, abs=1e-4)


def test_a_word_that_returns_keeps_its_largest_weight() -> None:
    head = TermWeights(4)
    torch.nn.init.normal_(head.weigh.weight)
    x_BLD = torch.randn(2, 5, 4)
    words = torch.unique(IDS)
    w_BU = head(x_BLD, IDS, content_of(MASK), words)
    plain = torch.relu(head.weigh(x_BLD)[..., 0])
    column = {int(word): place for place, word in enumerate(words)}
    assert w_BU[0, column[7]] == max(plain[0, 1], plain[0, 3])
    assert w_BU[0, column[8]] == plain[0, 2]
    assert w_BU[1, column[9]] == plain[1, 1]
    assert w_BU[:, column[2]].tolist() == w_BU[:, column[3]].tolist() == [0.0, 0.0]


def test_max_sim_against_loops() -> None:
    torch.manual_seed(3)
    query, document = torch.randn(2, 3, 4), torch.randn(3, 5, 4)
    query[1, 2] = 0
    document[0, 4] = 0
    found = max_sim(query, document)
    for b in range(2):
        for c in range(3):
            real = [q for q in query[b] if q.abs().sum()]
            others = [d for d in document[c] if d.abs().sum()]
            slow = sum(max((q @ d).item() for d in others) for q in real) / len(real)
            assert found[b, c].item() == pytest.approx(slow, abs=1e-5)


def test_flops_is_the_sum_of_squared_means_and_rises_with_the_step() -> None:
    w = torch.tensor([[1.0, 0.0], [3.0, 1.0]])
    assert flops(w).item() == pytest.approx(4.25)
    recipe = replace(SMOKE["splade"], steps=9, flops=(1.0, 1.0))
    first, last = (
        loss["loss"] - loss["contrast"] for loss in (loss_of(w, w, recipe, s) for s in (0, 8))
    )
    assert last.item() == pytest.approx(8.5)
    assert first.item() == pytest.approx(8.5 / 9)


@pytest.mark.parametrize("arm", ["dense", "late", "splade", "unicoil"])
def test_gradients_reach_what_is_not_frozen(arm: str, tmp_path: Path) -> None:
    recipe = replace(SMOKE[arm], encoder=replace(SMOKE[arm].encoder, frozen=1))
    state = experiment.build(recipe, SeedTree(1))
    model = state.module
    assert isinstance(model, Retriever)
    for parameter in model.head.parameters():  # heads that start at 0 pass nothing on at first
        torch.nn.init.normal_(parameter, std=0.1)
    batch, words = Batch(IDS, MASK), torch.arange(96)
    encode = {"late": model.tokens, "dense": model.vectors}.get(arm)
    pair = encode(batch) if encode else model.words(batch, words)
    loss_of(pair, pair.flip(0), recipe, 3)["loss"].backward()
    lower, upper = model.encoder.layers
    assert all(
        p.grad is None for p in [*lower.parameters(), *model.encoder.embeddings.parameters()]
    )
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in upper.parameters())


def test_kept_states_change_nothing(tmp_path: Path) -> None:
    settings = EncoderSettings(
        start="", family="bert", vocab=40, width=16, depth=3, heads=2, hidden=32,
        max_positions=16, frozen=2,
    )  # fmt: skip
    model = Retriever(settings, "dense", 0, torch.Generator().manual_seed(1)).eval()
    recipe = replace(
        SMOKE["dense"], encoder=replace(settings, start="some weights"), fast_matmul=False
    )
    rows_ = TextRows(tuple(tuple(row[:n].tolist()) for row, n in zip(IDS, (5, 3), strict=True)))
    kept = with_states(rows_, model, recipe, workspace(tmp_path))
    assert kept.states_TD is not None
    with torch.no_grad():
        whole, upper = (model.vectors(one.batch([1, 0])) for one in (rows_, kept))
    torch.testing.assert_close(whole, upper, atol=2e-3, rtol=0)  # kept in float16
    (path,) = tmp_path.glob("states-*.f16")
    path.write_bytes(path.read_bytes()[: 16 * 2 * 3])
    with pytest.raises(BadInput, match="other texts"):
        with_states(rows_, model, recipe, workspace(tmp_path))


def test_impacts_rank_as_the_weights_but_for_rounding(tmp_path: Path) -> None:
    recipe = SMOKE["splade"]
    data = read_data(recipe, SeedTree(1), workspace(tmp_path))
    model = experiment.build(recipe, SeedTree(1)).module
    assert isinstance(model, Retriever)
    assert data.tokenizer is not None
    encoder = Encoder(model, data.tokenizer, recipe, workspace(tmp_path))
    documents, queries = weights_of(data.tests[0], recipe, encoder)
    rounded = impact_run(data.tests[0], recipe, documents, queries)
    exact = exact_weights_run(data.tests[0], recipe, documents, queries)
    scale = 255.0 / documents.weights_P.max()
    for (query, weights), scores in zip(
        zip(exact, queries, strict=True), rounded.values(), strict=True
    ):
        factor = scale * 255.0 / max(weights.values())
        for name, score in scores.items():
            slack = 255.0 * len(weights)  # half a step in each of the two factors of each term
            assert score == pytest.approx(exact[query][name] * factor, abs=slack)


def test_the_training_order_is_the_seed_s_and_takes_every_pair() -> None:
    recipe = replace(SMOKE["dense"], steps=5, batch=4)
    first, same, other = (chosen_pairs(10, recipe, SeedTree(s)) for s in (1, 1, 2))
    assert first == same != other
    assert sorted(first[:10]) == list(range(10))
    assert len(first) == 20


def test_published_scores_are_whole_and_expected() -> None:
    assert len(published()) == 29  # 17 sets and the 12 forums of CQADupStack
    assert {len(models) for models in published().values()} == {6}
    assert {len(cell) for models in published().values() for cell in models.values()} == {3}
    forums = [models["bm25_flat"][0] for name, models in published().items() if "cqa" in name]
    assert np.mean(forums) == pytest.approx(30.21, abs=0.005)
    found = expectation("bm25_multifield", "nfcorpus", "recall@1000")
    assert found is not None
    assert found.meets(37.6)
    assert not found.meets(36.6)
    assert expectation("bm25_flat", "made", METRICS[0]) is None


def test_a_row_from_a_folder_is_compared_with_its_published_score(tmp_path: Path) -> None:
    made = RetrievalSet({"d": "a wing", "e": "heat"}, {"q": "wings"}, {"q": {"d": 1}})
    write_beir(made, tmp_path / "inputs/beir/scifact")
    recipe = replace(SMOKE["bm25_flat"], sets=("scifact",))
    space = Workspace(run=tmp_path, shared=tmp_path, inputs=tmp_path / "inputs")
    data = read_data(recipe, SeedTree(1), space)
    found = experiment.evaluate(experiment.build(recipe, SeedTree(1)), data, recipe, space)
    values = {one.metric: one.value for one in found}
    assert values["ndcg@10"] == 100.0
    assert values["ndcg@10 minus published"] == pytest.approx(100 - 67.89)
    again = experiment.evaluate(experiment.build(recipe, SeedTree(2)), data, recipe, space)
    assert [(a.metric, a.value) for a in again] == [(f.metric, f.value) for f in found]
    with pytest.raises(BadInput, match="layout of BEIR"):
        read_data(replace(recipe, sets=("arguana",)), SeedTree(1), space)


def test_anserini_s_order_of_ties_survives_scoring(tmp_path: Path) -> None:
    recipe = SMOKE["bm25_flat"]
    same = RetrievalSet(dict.fromkeys("abc", "wing"), {"q": "wing"}, {"q": {"a": 1}})
    data = read_data(recipe, SeedTree(1), workspace(tmp_path))
    test = replace(data.tests[0], retrieval=same, fields={})
    orders = {
        ties: ranking.ranked(search(test, replace(recipe, ties=ties), None, data)["q"])  # type: ignore[arg-type]
        for ties in ("rising ids", "falling ids")
    }
    assert orders == {"rising ids": ["a", "b", "c"], "falling ids": ["c", "b", "a"]}


def test_reference_rows_are_means_in_the_order_of_ids(tmp_path: Path) -> None:
    preset = presets()["smoke"]
    runs = []
    for recipe in (SMOKE["bm25_flat"], SMOKE["bm25_exact"]):
        data = read_data(recipe, SeedTree(1), workspace(tmp_path))
        found = experiment.evaluate(
            experiment.build(recipe, SeedTree(1)), data, recipe, workspace(tmp_path)
        )
        runs += [Run(arm=recipe.arm, seed=seed, observations=tuple(found)) for seed in (1, 2)]
    table = Table(replace(preset, arms=preset.arms[:2]), runs)
    ids = list(data.tests[0].retrieval.qrels)[::-1]
    scores = table.per_query("bm25_flat", "made")
    document = rows.reference_rows(table, {"made": ids})
    assert document["queries"]["made"] == sorted(ids)
    assert document["rows"][0]["ndcg"]["made"] == np.round(scores[::-1], 3).tolist()
    assert [row["seeds"] for row in document["rows"]] == [1, 1]
