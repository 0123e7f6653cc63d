"""Local topic segmentation: pairs, heads, losses, readings and segments against slow references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.segmentation import SegmentedDocument
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation import experiment
from broadsheet.systems.reading.local_topic_segmentation.corpora import (
    Corpus,
    split_by_group,
    together,
)
from broadsheet.systems.reading.local_topic_segmentation.data import Part, read_data
from broadsheet.systems.reading.local_topic_segmentation.encoders import (
    Tokens,
    TransformerTower,
    WordTower,
    make_tower,
    word_tokens,
)
from broadsheet.systems.reading.local_topic_segmentation.measuring import measure
from broadsheet.systems.reading.local_topic_segmentation.model import (
    JointLogits,
    JointModel,
    MultiTaskLoss,
    Tagger,
    pair_features,
)
from broadsheet.systems.reading.local_topic_segmentation.presets import make_presets
from broadsheet.systems.reading.local_topic_segmentation.recipe import EncoderSettings, Recipe
from broadsheet.systems.reading.local_topic_segmentation.sampler import SentencePairSampler
from broadsheet.systems.reading.local_topic_segmentation.segmenter import (
    Segmenter,
    label_segments,
    read_joint,
)
from broadsheet.systems.reading.local_topic_segmentation.sources import (
    CrossSource,
    SiameseSource,
    StoredSource,
)
from broadsheet.systems.reading.local_topic_segmentation.training import (
    boundary_weight,
    padded_documents,
)
from broadsheet.systems.reading.local_topic_segmentation.units import flatten, with_context
from broadsheet.systems.reading.local_topic_segmentation.world import TOPICS, make_documents

DOCUMENTS = make_documents(6, "unit test")
UNITS = flatten(DOCUMENTS, TOPICS)
TINY = EncoderSettings(
    kind="tuned", width=16, depth=2, heads=2, hidden=32, vocab=64, max_tokens=12, frozen=1
)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vectors(seed: int = 3, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(UNITS), width)).astype(np.float32)


def smoke(arm: str) -> Recipe:
    return next(recipe for recipe in make_presets()["smoke"].arms if recipe.arm == arm)


def workspace(folder: Path) -> Workspace:
    for name in ("run", "shared"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Workspace(run=folder / "run", shared=folder / "shared")


# --- units and pairs


def test_units_know_their_document_segment_and_class() -> None:
    place = 0
    for number, document in enumerate(DOCUMENTS):
        for unit, label in zip(document.units, document.unit_labels(), strict=True):
            assert UNITS.texts[place] == unit
            assert UNITS.document_N[place] == number
            assert TOPICS[UNITS.class_N[place]] == label
            place += 1
    curves = UNITS.curves(np.arange(len(UNITS.neighbours()), dtype=float))
    assert [len(curve) for curve in curves] == [len(one.units) - 1 for one in DOCUMENTS]


@pytest.mark.parametrize("context", [1, 2, 4])
def test_context_is_the_mean_of_neighbours_in_the_document(context: int) -> None:
    rows = vectors()
    before, after = with_context(rows, UNITS, context)
    for place in range(len(UNITS)):
        own = [at for at in range(len(UNITS)) if UNITS.document_N[at] == UNITS.document_N[place]]
        for found, near in (
            (before, [at for at in own if place - context <= at < place]),
            (after, [at for at in own if place < at <= place + context]),
        ):
            wanted = rows[near].mean(axis=0) if near else np.zeros(8)
            np.testing.assert_allclose(found[place], wanted, atol=1e-5)


def test_a_pass_has_every_neighbour_once_and_negatives_are_none() -> None:
    sampler = SentencePairSampler(UNITS, 7, 0.5, SeedTree(2))
    count = len(UNITS.neighbours())
    drawn: list[int] = []
    for step in range(sampler.steps_in_pass):
        pairs = sampler.at(step)
        assert pairs.next_P.tolist() == [1] * 7 + [0] * 7
        same = UNITS.segment_N[pairs.first_P] == UNITS.segment_N[pairs.second_P]
        assert pairs.same_P.tolist() == same.astype(int).tolist()
        assert not (pairs.first_P == pairs.second_P).any()
        drawn += pairs.first_P[:7].tolist()
    assert sorted(drawn[:count]) == UNITS.neighbours().tolist()
    again = SentencePairSampler(UNITS, 7, 0.5, SeedTree(2)).at(3)
    np.testing.assert_array_equal(again.second_P, sampler.at(3).second_P)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_negatives_come_from_where_they_should(share: float) -> None:
    sampler = SentencePairSampler(UNITS, 7, share, SeedTree(2))
    first = np.repeat(UNITS.neighbours(), 20)
    second = sampler.negatives(first, np.random.default_rng(0))
    elsewhere = UNITS.document_N[first] != UNITS.document_N[second]
    assert elsewhere.all() if share else not elsewhere.any()
    if not share:
        own = UNITS.segment_N[first] == UNITS.segment_N[second]
        assert 0.25 < own.mean() < 0.75
        assert len({(a, b) for a, b in zip(first, second, strict=True)}) > len(UNITS)


def test_a_sampler_needs_pairs() -> None:
    alone = SegmentedDocument(id="a", units=("x",), masses=(1,))
    with pytest.raises(BadInput, match="pairs"):
        SentencePairSampler(flatten([alone], ()), 4, 0.5, SeedTree(1))


def test_like_documents_stay_in_one_split() -> None:
    pages = []
    for family in range(12):
        shared = tuple(f"shared {family} {at}" for at in range(3))
        for number in range(1 + family % 3):
            own = tuple(f"own {family} {number} {at}" for at in range(4))
            pages.append(
                SegmentedDocument(id=f"{family}-{number}", units=shared + own, masses=(3, 4))
            )
    assert sorted(map(len, together(pages))) == sorted(1 + family % 3 for family in range(12))
    parts = split_by_group(pages, (0.2, 0.3))
    assert sum(map(len, parts)) == len(pages)
    families = [{one.id.split("-")[0] for one in part} for part in parts]
    assert not families[0] & families[1]
    assert not families[0] & families[2]
    assert all(families)
    assert sum(map(len, split_by_group(pages, (0.2, 0.3), most=8))) < len(pages)


def test_a_corpus_with_unknown_classes_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown class"):
        Corpus(name="x", classes=("a", "b"), train=DOCUMENTS, dev=DOCUMENTS, test=DOCUMENTS)
    with pytest.raises(BadInput, match="no documents"):
        Corpus(name="x", classes=(), train=DOCUMENTS, dev=(), test=DOCUMENTS)


# --- model


@pytest.mark.parametrize(("kind", "parts"), [("both", 2), ("difference", 3), ("product", 4)])
def test_pair_features(kind: str, parts: int) -> None:
    u, v = torch.randn(2, 5, 4, generator=generator())
    wanted = [u, v, (u - v).abs(), u * v][:parts]
    torch.testing.assert_close(pair_features(u, v, kind), torch.cat(wanted, dim=1))


def test_the_encoder_is_shared_and_the_pair_heads_see_the_order() -> None:
    model = JointModel(8, 6, 5, 3, ("stp", "tc", "nsp"), "difference", 0.0, generator())
    a, b = torch.randn(2, 4, 8, generator=generator(2))
    one, other = model(a, b), model(b, a)
    torch.testing.assert_close(one.first_PC, other.second_PC)
    assert not torch.allclose(one.next_P2, other.next_P2)
    shared = F.gelu(a @ model.shared.weight.T + model.shared.bias)
    torch.testing.assert_close(model.sentence(a), shared)


def test_gradients_are_the_numerical_ones() -> None:
    model = JointModel(3, 4, 3, 2, ("stp", "tc", "nsp"), "product", 0.0, generator()).double()
    a, b = torch.randn(2, 3, 3, generator=generator(2), dtype=torch.float64)

    def outputs(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        found = model(x, y)
        return torch.cat([found.same_P2, found.next_P2, found.first_PC, found.second_PC], dim=1)

    assert torch.autograd.gradcheck(outputs, (a.requires_grad_(), b.requires_grad_()))


def test_the_loss_is_the_weighted_sum_of_the_tasks() -> None:
    rng = generator(5)
    same, following = torch.tensor([1, 0, 1, 0]), torch.tensor([1, 1, 0, 0])
    left, right = torch.tensor([0, 2, 1, 1]), torch.tensor([0, -1, 1, 2])
    logits = JointLogits(*(torch.randn(4, n, generator=rng) for n in (2, 2, 3, 3)))
    found = MultiTaskLoss((1.0, 0.5, 2.0), boundary_weight=3.0)(
        logits, same, following, left, right
    )
    log_same = logits.same_P2.log_softmax(dim=1)
    stp = -(1.0 * log_same[0, 1] + 3.0 * log_same[1, 0]) / 4.0
    log_first, log_second = (x.log_softmax(dim=1) for x in (logits.first_PC, logits.second_PC))
    tc = 0.5 * (-(log_first[0, 0] + log_first[1, 2]) / 2 - log_second[0, 0])
    log_next = logits.next_P2.log_softmax(dim=1)
    nsp = -(log_next[0, 1] + log_next[1, 1] + log_next[2, 0] + log_next[3, 0]) / 4
    torch.testing.assert_close(found["stp"], stp)
    torch.testing.assert_close(found["tc"], tc)
    torch.testing.assert_close(found["nsp"], nsp)
    torch.testing.assert_close(found["loss"], stp + 0.5 * tc + 2.0 * nsp)


def test_boundaries_weigh_as_much_as_the_rest() -> None:
    part = Part(units=UNITS, vectors=vectors(), tokens=Tokens([]))
    boundaries = sum(len(one.masses) - 1 for one in DOCUMENTS)
    inside = len(UNITS.neighbours()) - boundaries
    assert boundary_weight(part) == pytest.approx(inside / boundaries)


def test_unknown_tasks_are_refused() -> None:
    for tasks, classes in ((("stp", "ner"), 3), ((), 3), (("tc",), 0)):
        with pytest.raises(BadInput, match="tasks"):
            JointModel(3, 4, 3, classes, tasks, "both", 0.0, generator())


def test_padding_does_not_change_the_tagger() -> None:
    tagger = Tagger(8, 4, 3, 0.0, generator())
    part = Part(units=UNITS, vectors=vectors(), tokens=Tokens([]))
    x, lengths, same, classes = padded_documents(part, range(len(DOCUMENTS)))
    whole, whole_classes = tagger(x, lengths)
    for row, document in enumerate(DOCUMENTS):
        n = len(document.units)
        alone, alone_classes = tagger(*padded_documents(part, [row])[:2])
        torch.testing.assert_close(whole[row, : n - 1], alone[0])
        torch.testing.assert_close(whole_classes[row, :n], alone_classes[0])
        assert (same[row, n - 1 :] == -1).all()
        assert (classes[row, n:] == -1).all()


# --- encoders


def test_only_the_upper_layers_have_a_gradient() -> None:
    tower = make_tower(TINY, SeedTree(1))
    assert isinstance(tower, TransformerTower)
    source = SiameseSource(tower, word_tokens(UNITS.texts, 64, 12))
    first, second = source.pairs(np.array([0, 2, 0]), np.array([1, 3, 5]))
    (first.sum() + second.sum()).backward()
    moved = {name for name, p in tower.named_parameters() if p.grad is not None}
    assert moved
    assert all(name.startswith("encoder.layers.1.") for name in moved)
    assert sum(1 for _ in tower.trained().parameters()) == len(moved)
    torch.testing.assert_close(first[0], first[2])


@pytest.mark.parametrize("kind", ["tuned", "gru", "cnn"])
def test_a_sentence_s_vector_does_not_depend_on_its_batch(kind: str) -> None:
    tower = make_tower(replace(TINY, kind=kind), SeedTree(1)).eval()
    source = SiameseSource(tower, word_tokens(UNITS.texts, 64, 12))
    places = np.arange(len(UNITS) - 1)
    first, second = source.pairs(places, places + 1)
    torch.testing.assert_close(first[1:], second[:-1])
    for place in (0, 7):
        alone, _ = source.pairs(np.array([place]), np.array([place]))
        torch.testing.assert_close(alone[0], first[place], atol=1e-5, rtol=1e-4)
    assert isinstance(tower, WordTower) == (kind != "tuned")


def test_a_cross_encoder_lets_the_sentences_see_each_other() -> None:
    tower = make_tower(replace(TINY, kind="cross", frozen=0), SeedTree(1)).eval()
    assert isinstance(tower, TransformerTower)
    tokens = word_tokens(UNITS.texts, 64, 12)
    first, second = CrossSource(tower, tokens).pairs(np.array([0, 0]), np.array([1, 2]))
    assert not torch.allclose(first[0], first[1])
    ids = torch.from_numpy(np.concatenate([tokens.rows[0], tokens.rows[1][1:]]))[None]
    states = tower(ids, torch.ones_like(ids))[0]
    split = len(tokens.rows[0])
    torch.testing.assert_close(first[0], states[:split].mean(dim=0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(second[0], states[split:].mean(dim=0), atol=1e-5, rtol=1e-4)


def test_context_shows_nothing_between_the_two_sentences() -> None:
    rows = vectors()
    changed = rows.copy()
    changed[2] += 1.0
    one, other = (StoredSource(x, UNITS, context=2) for x in (rows, changed))
    before = one.pairs(np.array([0]), np.array([1]))
    after = other.pairs(np.array([0]), np.array([1]))
    torch.testing.assert_close(before[0], after[0])  # the first never sees what follows it
    assert not torch.allclose(before[1], after[1])


# --- from a model to segments


def test_a_sentence_s_class_is_the_mean_over_its_pairs() -> None:
    recipe = replace(smoke("tc+nsp"), encoder=EncoderSettings(width=8))
    state = experiment.build(recipe, SeedTree(4))
    part = Part(units=UNITS, vectors=vectors(), tokens=Tokens([]))
    reading = read_joint(state, part)
    with torch.no_grad():
        tc = state.joint.tc(state.joint.sentence(torch.from_numpy(part.vectors)))
        wanted = tc.log_softmax(dim=1).numpy()
    np.testing.assert_allclose(reading.class_NC, wanted, atol=1e-5)  # both views are one at c = 0
    first = UNITS.neighbours()
    p = np.exp(wanted)
    differ = 1 - (p[first] * p[first + 1]).sum(axis=1)
    np.testing.assert_allclose(reading.heads["tc"], differ, atol=1e-5)
    mean = (reading.heads["tc"] + reading.heads["nsp"]) / 2
    np.testing.assert_allclose(reading.boundary_G, mean)


def test_segments_are_named_by_the_sum_of_log_probabilities() -> None:
    document = SegmentedDocument(id="d", units=tuple("abcd"), masses=(4,))
    units = flatten([document], ())
    class_NC = np.log([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3], [0.6, 0.4]])
    best, by_unit = label_segments(units, [(2, 2)], class_NC)
    assert best.tolist() == [1, 0]
    assert by_unit.tolist() == [1, 1, 0, 0]


def test_a_segmenter_keeps_its_shortest_segment() -> None:
    curve = np.array([0.9, 0.8, 0.1, 0.7])
    segmenter = Segmenter.on([curve], [(1, 2, 2)], shortest=2)
    assert all(min(masses) >= 2 for masses in segmenter.segments([curve]))


def test_made_documents_are_learned(tmp_path: Path) -> None:
    """With enough steps the topics of made documents are found; a wrong label anywhere shows."""
    recipe = replace(smoke("stp+tc+nsp"), steps=150, learning_rate=5e-3)
    place = workspace(tmp_path)
    found = read_data(recipe, place)
    state = experiment.build(recipe, SeedTree(1))
    experiment.fit(state, found, recipe, SeedTree(1), place)
    values = {one.metric: one.value for one in measure(state, found, recipe)}
    assert values["topic accuracy"] > 90
    assert values["pk"] < 10
    assert values["boundary_f1"] > 85


def test_rivals_are_kept_for_other_seeds(tmp_path: Path) -> None:
    recipe, place = smoke("rivals"), workspace(tmp_path)
    found = read_data(recipe, place)
    runs = [
        experiment.evaluate(experiment.build(recipe, SeedTree(seed)), found, recipe, place)
        for seed in (1, 2)
    ]
    assert len(list(place.shared.glob("rivals-*.json"))) == 1
    for one, other in zip(*runs, strict=True):
        assert (one.value == other.value) or "random" in one.dataset
