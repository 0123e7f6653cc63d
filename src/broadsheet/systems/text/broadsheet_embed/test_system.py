"""What only this system has to keep; the contract tests look at the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.data.wordnet import Synset
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.systems.text.broadsheet_embed.corpus import (
    choose_synsets,
    gloss_pairs,
    join,
    paper_pairs,
)
from broadsheet.systems.text.broadsheet_embed.model import (
    PACE,
    ElasticEmbedder,
    StaticTable,
    contextless_table,
    smooth_inverse_frequency,
)
from broadsheet.systems.text.broadsheet_embed.objective import pad, step_loss
from broadsheet.systems.text.broadsheet_embed.recipe import LossSettings
from broadsheet.systems.text.broadsheet_embed.teacher import VectorStore, centred


@pytest.fixture
def embedder() -> ElasticEmbedder:
    shape = TransformerShape(vocab=11, width=8, depth=3, heads=2, hidden=16, max_tokens=9)
    encoder = Transformer(shape, torch.Generator().manual_seed(1))
    words = torch.randn(11, 8, generator=torch.Generator().manual_seed(2))
    return ElasticEmbedder(encoder, words, (1, 3), torch.linspace(0.5, 1, 11)).eval()


def test_training_starts_from_the_backbone_as_it_is(embedder: ElasticEmbedder) -> None:
    ids, mask = pad([np.array([2, 3, 4]), np.array([5])])
    states = embedder.encoder(ids, mask)
    assert torch.allclose(embedder(ids, mask)[3][1], states[3][1, 0])
    assert torch.allclose(embedder(ids, mask)[1][0], states[1][0].mean(0), atol=1e-6)


def test_an_exit_is_the_mean_of_its_tokens_states(embedder: ElasticEmbedder) -> None:
    rng = torch.Generator().manual_seed(3)
    for n in ("1", "3"):
        embedder.heads[n].weight.data.normal_(generator=rng)
        embedder.static[n].weight.data.normal_(generator=rng)
    ids, mask = pad([np.array([2, 3, 4])])
    head, static = embedder.maps(3)
    states = embedder.encoder(ids, mask)[3][0]
    slow = torch.stack(
        [
            head @ states[place] + embedder.token_weight[token] * (static @ embedder.words[token])
            for place, token in enumerate([2, 3, 4])
        ]
    ).mean(0)
    assert torch.allclose(embedder(ids, mask)[3][0], slow, rtol=1e-4, atol=1e-4 * PACE)


def test_padding_changes_nothing(embedder: ElasticEmbedder) -> None:
    alone = embedder(*pad([np.array([2, 3])]))[1][0]
    beside = embedder(*pad([np.array([2, 3]), np.array([4, 5, 6, 7])]))[1][0]
    assert torch.allclose(alone, beside, atol=1e-6)


def test_later_layers_are_not_run_for_an_early_exit(embedder: ElasticEmbedder) -> None:
    called = []
    encoder = embedder.encoder
    assert isinstance(encoder, Transformer)
    for place, layer in enumerate(encoder.layers):
        layer.register_forward_hook(lambda *_, place=place: called.append(place))
    embedder(*pad([np.array([2])]), (1,))
    assert called == [0]


def test_a_static_vector_is_the_mean_of_its_rows() -> None:
    rows = torch.arange(12.0).view(6, 2)
    x = StaticTable(rows)(*pad([np.array([1, 5]), np.array([3])]))[0]
    assert torch.allclose(x, torch.stack([(rows[1] + rows[5]) / 2, rows[3]]))


def test_rare_tokens_weigh_more_and_axes_are_principal() -> None:
    counts = torch.tensor([1000.0, 1.0, 10.0, 0.0])
    weights = smooth_inverse_frequency(counts)
    assert weights[3] == 1
    assert weights[1] > weights[2] > weights[0]
    vectors = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    whole = contextless_table(vectors, counts, 6)
    assert torch.allclose(contextless_table(vectors, counts, 2), whole[:, :2])


def test_the_loss_is_zero_for_perfect_vectors_and_has_both_parts() -> None:
    x = torch.eye(6) * 5
    settings = LossSettings(temperature=0.01, similarity_temperature=1.0, dims=())
    teacher = torch.cat([x, x])
    perfect = step_loss({1: x}, {1: x}, teacher, settings)
    assert perfect["contrastive"] < 1e-6
    assert perfect["similarity"].abs() < 1e-6
    worse = step_loss({1: x}, {1: x.roll(1, 0)}, teacher, settings)
    assert worse["contrastive"] > 1
    assert torch.allclose(worse["loss"], worse["contrastive"] + worse["similarity"])


def test_windows_are_whole_and_draws_repeat() -> None:
    papers = [("A  title", "First sentence here. Second one is longer than that. Third ends it.")]
    pairs = paper_pairs(papers, 6, SeedTree(1))
    assert pairs == paper_pairs(papers, 6, SeedTree(1))
    title, window = pairs[0]
    assert title == "A title"
    assert 0 < len(window.split()) <= 6
    assert window in " ".join(papers[0][1].split())


def test_synsets_with_examples_come_first_and_short_glosses_go() -> None:
    plain = Synset(id="noun-1", words=("cat",), definition="a small tame animal")
    shown = Synset(id="noun-2", words=("dog",), definition="a tame animal", examples=("my dog",))
    short = Synset(id="noun-3", words=("x",), definition="a letter")
    assert choose_synsets([plain, shown], 1, SeedTree(0)) == [shown]
    assert gloss_pairs([plain, shown, short]) == [
        ("cat", "a small tame animal"),
        ("my dog", "a tame animal"),
    ]


def test_equal_texts_are_numbered_once() -> None:
    corpus = join({"a": [("x", "y"), ("z", "z")], "b": [("y", "w")]})
    assert corpus.texts == ("x", "y", "w")
    assert corpus.pairs["a"].tolist() == [[0, 1]]
    assert corpus.pairs["b"].tolist() == [[1, 2]]


def test_a_vector_is_computed_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.array([[len(text), 1.0] for text in texts])

    store = VectorStore(tmp_path / "v.npz", encode)  # type: ignore[arg-type]
    assert store.vectors(["aa", "b", "aa"], Silent())[:, 0].tolist() == [2, 1, 2]
    assert store.vectors(["ccc", "b"], Silent())[:, 0].tolist() == [3, 1]
    assert sorted(asked) == ["aa", "b", "ccc"]


def test_a_centred_teacher_has_no_common_direction() -> None:
    vectors = np.array([[5.0, 1.0], [5.0, -1.0]])
    assert np.allclose(centred(vectors), [[0, 1], [0, -1]])
