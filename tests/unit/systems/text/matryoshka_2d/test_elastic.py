"""2D Matryoshka: real skipping, cut models, the grid and its choice, the funnel, the corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics import ranking
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.matryoshka_2d import data as reading
from broadsheet.systems.text.matryoshka_2d import experiment
from broadsheet.systems.text.matryoshka_2d.corpus import TokenRows
from broadsheet.systems.text.matryoshka_2d.data import package_pairs, read_corpus
from broadsheet.systems.text.matryoshka_2d.encoder import (
    ElasticState,
    build_encoder,
    cut_model,
    exit_vectors,
    start_from,
)
from broadsheet.systems.text.matryoshka_2d.evaluation import (
    effective_rank,
    reciprocal_gain,
    unit,
)
from broadsheet.systems.text.matryoshka_2d.funnel import FunnelSearch, Vectors, similarity
from broadsheet.systems.text.matryoshka_2d.grid import (
    Cell,
    Setting,
    choose,
    make_grid,
    pareto_front,
    time_rounds,
)
from broadsheet.systems.text.matryoshka_2d.recipe import Recipe, all_presets


def recipe_named(arm: str) -> Recipe:
    found: Recipe = next(r for r in all_presets()["smoke"].arms if r.arm == arm)
    return found


def state_of(arm: str, folder: Path) -> tuple[ElasticState, object]:
    recipe = recipe_named(arm)
    workspace = Workspace(run=folder, shared=folder)
    corpus = read_corpus(recipe, SeedTree(1), workspace)
    state = experiment.build(recipe, SeedTree(1))
    state.with_tokenizer(corpus.tokenizer)
    return state, corpus


@pytest.mark.parametrize("start", ["nothing", "all-minilm-l6-v2"])
def test_layers_beyond_the_cut_are_not_run_and_a_cut_model_says_the_same(
    start: str, tmp_path: Path
) -> None:
    state, corpus = state_of("minilm-base", tmp_path)
    recipe = replace(state.recipe, start=start)
    state = ElasticState(build_encoder(recipe, SeedTree(1)), recipe)
    sentence = state.with_tokenizer(corpus.tokenizer)
    texts = ["the red dog sees the quiet house", "a cat"]
    called = []
    layers = (
        sentence.encoder.layers if start == "nothing" else sentence.encoder.model.encoder.layer  # type: ignore[attr-defined]
    )
    for number, layer in enumerate(layers, start=1):
        layer.register_forward_hook(lambda *_, number=number: called.append(number))
    early = sentence.encode(texts, layers=2, dims=8)
    assert set(called) == {1, 2}
    small = cut_model(sentence, 2)
    assert small.depth == 2
    assert sum(p.numel() for p in small.parameters()) < sum(
        p.numel() for p in sentence.parameters()
    )
    np.testing.assert_array_equal(small.encode(texts, dims=8), early)
    rows = TokenRows.of([item.ids for item in sentence.tokenizer.encode_batch(texts)])
    np.testing.assert_allclose(unit(exit_vectors(sentence, rows)[2], 8), early, atol=1e-6)
    with pytest.raises(UsageError, match="no such cut"):
        cut_model(sentence, 5)


def test_a_dedicated_model_starts_from_the_first_layers_of_the_same_weights() -> None:
    recipe = replace(recipe_named("minilm-base"), start="all-minilm-l6-v2")
    deep = build_encoder(recipe, SeedTree(1))
    shallow = build_encoder(replace(recipe, layers=2), SeedTree(2))
    start_from(shallow, deep.state_dict())
    ids, mask = torch.tensor([[2, 7, 9, 3]]), torch.ones(1, 4, dtype=torch.int64)
    deep.eval(), shallow.eval()
    torch.testing.assert_close(shallow(ids, mask)[-1], deep(ids, mask, 2)[-1], rtol=0, atol=0)
    with pytest.raises(BadInput, match="another encoder"):
        start_from(deep, shallow.state_dict())


def test_the_papers_size_is_that_of_bert_base() -> None:
    recipe = next(r for r in all_presets()["paper"].arms if r.arm == "bert-2dmse")
    with torch.device("meta"):
        encoder = build_encoder(recipe, SeedTree(0))
    assert sum(p.numel() for p in encoder.parameters()) == experiment.paper_parameters()


def test_retrieval_gain_is_ndcg() -> None:
    rng = np.random.default_rng(3)
    queries, documents = (unit(rng.normal(size=(40, 5)).astype(np.float32), 5) for _ in range(2))
    scores = queries @ documents.T
    run = {f"q{i}": {f"d{j:02}": float(scores[i, j]) for j in range(40)} for i in range(40)}
    wanted = ranking.ndcg(run, {f"q{i}": {f"d{i:02}": 1} for i in range(40)}, 10)
    np.testing.assert_allclose(reciprocal_gain(queries, documents), list(wanted.values()))
    tied = np.ones((12, 1), np.float32)
    assert not reciprocal_gain(tied, tied).any(), "of equal scores the right one is the last"


def test_effective_rank_counts_directions_in_use() -> None:
    rng = np.random.default_rng(0)
    flat = np.zeros((4000, 8), np.float32)
    flat[:, :3] = rng.normal(size=(4000, 3))
    assert effective_rank(flat) == pytest.approx(3.0, abs=0.05)


def test_front_and_choice_against_a_search_over_all_cells() -> None:
    rng = np.random.default_rng(1)
    settings = [Setting(n, d) for n in (1, 2, 3) for d in (4, 8, 16)]
    quality = {s: float(q) for s, q in zip(settings, rng.random(9), strict=True)}
    cells = make_grid(quality, {1: 1.0, 2: 2.0, 3: 3.0})
    front = pareto_front(cells)
    for cell in cells:
        better = [
            o
            for o in cells
            if o.quality >= cell.quality and o.ms <= cell.ms and o.bytes <= cell.bytes and o != cell
        ]
        assert (cell in front) == (not better)
    for ms in (1, 2.5, 9):
        for size in (16, 40, 64):
            allowed = [c for c in cells if c.ms <= ms and c.bytes <= size]
            assert choose(cells, ms, size).quality == max(c.quality for c in allowed)
    with pytest.raises(NotFound, match="no setting fits"):
        choose(cells, 0.5, 1e9)


def test_of_equal_quality_the_faster_setting_is_chosen() -> None:
    cells = [Cell(setting=Setting(n, 4), quality=1.0, ms=float(n), bytes=16) for n in (3, 1, 2)]
    assert choose(cells, 9, 99).setting == Setting(1, 4)


def test_time_grows_with_the_layers_that_are_run(tmp_path: Path) -> None:
    """No clock is compared: only that every depth was asked for once a round."""
    state, corpus = state_of("minilm-base", tmp_path)
    sentence = state.sentence
    assert sentence is not None
    asked = []
    run, batch = sentence.forward, corpus.training.left.batch([0, 1, 2])
    sentence.forward = lambda b, layers=None: (asked.append(layers), run(b, layers))[1]  # type: ignore[method-assign]
    found = time_rounds(sentence, [batch], rounds=2)
    assert asked == [1, 2, 3, 4] * 3
    assert {n: len(seconds) for n, seconds in found.items()} == dict.fromkeys((1, 2, 3, 4), 2)


def test_the_funnel_finds_what_the_full_search_finds_with_all_candidates() -> None:
    rng = np.random.default_rng(2)
    table = {f"t{i}": rng.normal(size=8).astype(np.float32) for i in range(30)}

    def encode(texts: list[str], setting: Setting) -> np.ndarray:
        return unit(np.stack([table[t] for t in texts]), setting.dims)

    funnel = FunnelSearch(encode, Setting(1, 2), Setting(3, 8))
    funnel.add(list(table)[:12])
    funnel.add(list(table)[12:])
    assert len(funnel) == 30
    queries = list(table)[:5]
    assert funnel.recall(queries, top=4, candidates=30) == 1.0
    recalls = [funnel.recall(queries, top=4, candidates=c) for c in (4, 10, 20)]
    assert recalls == sorted(recalls)
    assert recalls[0] < 1.0
    assert [hit.documents[0] for hit in funnel.search(queries, top=1, candidates=30)] == [
        0,
        1,
        2,
        3,
        4,
    ]
    with pytest.raises(UsageError, match="as many candidates"):
        funnel.search(queries, top=4, candidates=3)
    with pytest.raises(UsageError, match="costs more"):
        FunnelSearch(encode, Setting(3, 2), Setting(2, 8))


def test_vectors_of_other_settings_are_refused() -> None:
    eye = np.eye(2, dtype=np.float32)
    with pytest.raises(UsageError, match="encoded differently"):
        similarity(Vectors(Setting(2, 2), eye), Vectors(Setting(3, 2), eye))
    with pytest.raises(BadInput, match="another size"):
        Vectors(Setting(2, 3), eye)


def test_one_package_of_a_source_is_kept(tmp_path: Path) -> None:
    words = "finds and shows {} in large folders of files on a local disk quickly".format
    stanzas = [("find", "find", "needles"), ("find-doc", "find", "books"), ("see", "see", "ends")]
    text = "\n".join(
        f"Package: {name}\nSource: {source}\nDescription: {what} finder\n {words(what)}\n"
        for name, source, what in stanzas
    )
    packages, texts = tmp_path / "Packages", tmp_path / "Translation-en"
    packages.write_text(text)
    texts.write_text(text.replace("Description:", "Description-en:"))
    pairs = package_pairs(packages, texts)
    assert sorted(pair.id for pair in pairs) == ["find", "see"]
    assert {pair.b for pair in pairs} == {words("needles"), words("ends")}


def test_the_debian_corpus_is_split_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TEST_PACKAGES", 6)
    monkeypatch.setattr(reading, "DEV_PACKAGES", 4)
    monkeypatch.setattr(reading, "graded_tests", lambda folder, tokenizer, recipe: ())
    nouns = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(5) for j in range(5)]
    text = "\n".join(
        f"Package: {noun}\nDescription: tool for {noun}\n it handles {noun} in all the ways that"
        " a person may want to\n"
        for noun in nouns
    )
    folder = tmp_path / "inputs" / "debian"
    folder.mkdir(parents=True)
    (folder / "Packages").write_text(text)
    (folder / "Translation-en").write_text(text.replace("Description:", "Description-en:"))
    recipe = replace(recipe_named("debian-base"), source="debian")
    workspace = Workspace(run=tmp_path, shared=tmp_path / "shared", inputs=tmp_path / "inputs")
    workspace.shared.mkdir()
    first = read_corpus(recipe, SeedTree(1), workspace)
    again = read_corpus(replace(recipe, dev=True), SeedTree(2), workspace)
    assert len(first.training.left) == 15
    assert (len(first.searches[0].queries), len(again.searches[0].queries)) == (6, 4)
    assert first.tokenizer.token_to_id("[PAD]") == 0
    np.testing.assert_array_equal(first.training.left.flat, again.training.left.flat)
    assert len(list(workspace.shared.glob("debian-*.npz"))) == 1
