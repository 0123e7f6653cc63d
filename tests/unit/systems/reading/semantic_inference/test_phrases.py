"""Evidence from our own index, and phrases in context."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.data.compounds import Usage
from broadsheet.data.word_graph import WordGraph
from broadsheet.metrics.classification import roc_auc
from broadsheet.systems.reading.semantic_inference.encoders import (
    ReadyVectors,
)
from broadsheet.systems.reading.semantic_inference.evidence import EvidenceRetriever, attribute
from broadsheet.systems.reading.semantic_inference.findings import clustered_auc
from broadsheet.systems.reading.semantic_inference.labels import LabelSpace
from broadsheet.systems.reading.semantic_inference.model import (
    ClaimVerifier,
    VerifierShape,
)
from broadsheet.systems.reading.semantic_inference.phrases import (
    CompositionalityScorer,
    clustered_auc_parts,
)
from broadsheet.systems.reading.semantic_inference.vectors import HashedWords


def space() -> LabelSpace:
    return LabelSpace(("a", "b"), (("no", "yes"), ("false", "half", "true")))


def dice(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- evidence from our own index


PASSAGES = {
    "p1": "The bridge was opened in 1932 by the mayor.",
    "p2": "Bananas are rich in potassium.",
    "p3": "The mayor opened the new bridge over the river.",
    "p4": "A verdict from the checker itself: the bridge claim is false.",
}


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_retriever_finds_evidence_and_leaves_out_what_it_is_told(weight):
    retriever = EvidenceRetriever(PASSAGES, HashedWords(64), meaning=weight)
    found = retriever.find("the mayor opened the bridge", 2, without={"p4"})
    assert found[0].id in {"p1", "p3"}
    assert "p4" not in {one.id for one in found}
    assert all(one.text == PASSAGES[one.id] for one in found)
    assert retriever.find("", 2) == () or weight


def test_attribution_names_the_passages_that_counted(tmp_path):
    retriever = EvidenceRetriever(PASSAGES, HashedWords(64), meaning=1.0)
    model = ClaimVerifier(ReadyVectors(64, 0, dice()), space(), VerifierShape(), dice()).eval()
    claim = "the mayor opened the bridge"
    answer = attribute(model, claim, "b", retriever.find(claim, 3), HashedWords(64))
    assert set(answer.labels) == {"false", "half", "true"}
    assert sum(answer.labels.values()) == pytest.approx(1, abs=1e-5)
    assert sum(share for _, share in answer.evidence) == pytest.approx(1, abs=1e-5)
    shares = [share for _, share in answer.evidence]
    assert shares == sorted(shares, reverse=True)
    empty = attribute(model, claim, "b", (), HashedWords(64))
    assert empty.evidence == ()
    assert sum(empty.labels.values()) == pytest.approx(1, abs=1e-5)


# --- phrases


GRAPH = WordGraph(
    {"hot dog": ("n1",), "dog": ("n2",), "hot": ("a1",)},
    {"n1": ("hot dog",), "n2": ("dog",), "a1": ("hot",)},
    {"n1": "a sausage in bread", "n2": "a tame canine", "a1": "of high heat"},
    {"n1": (), "n2": (), "a1": ()},
)
VECTORS = {
    "hot": [1.0, 0, 0, 0],
    "heat": [1.0, 0, 0.1, 0],
    "dog": [0, 1.0, 0, 0],
    "canine": [0, 1.0, 0.1, 0],
    "sausage": [0, 0, 1.0, 0],
    "bread": [0, 0, 1.0, 0.2],
    "mustard": [0, 0, 0.9, 0],
    "fur": [0.1, 0.9, 0, 0],
    "sun": [0.9, 0.1, 0, 0],
}


def compositionality(graph=GRAPH, **settings) -> CompositionalityScorer:
    vectors = {word: np.array(row) for word, row in VECTORS.items()}
    return CompositionalityScorer(vectors, {}, graph, **settings)


def test_the_same_phrase_is_literal_in_one_place_and_not_in_another():
    rule = compositionality()
    literal = rule.score("hot dog", "fur in the sun on a hot dog")
    idiom = rule.score("hot dog", "mustard on a hot dog in bread")
    assert literal > idiom
    no_context = [rule.score("hot dog", text, local=0.0) for text in ("fur", "mustard")]
    assert no_context[0] == no_context[1]


def test_the_dictionary_moves_the_phrase_away_from_its_words():
    text = "fur in the sun on a hot dog"
    with_graph, without = compositionality(), compositionality(graph=None)
    for judge_of in (with_graph, without):
        judge_of.learn_usages([("hot dog", text)])
    assert with_graph.features("hot dog", text)[0] < without.features("hot dog", text)[0]
    assert with_graph.features("hot dog", text)[5] == 1


def test_context_is_a_window_without_the_phrase_s_own_words():
    rule = compositionality(window=1)
    assert rule.context_of("hot dog", "sun bread hot dogs fur mustard") == [
        "bread",
        "dogs",
        "fur",
    ]
    assert rule.context_of("hot dog", "no such thing") == ["no", "such", "thing"]


def test_a_phrase_of_one_word_is_refused():
    with pytest.raises(BadInput, match="two words or more"):
        compositionality().features("dog", "a dog")
    with pytest.raises(BadInput, match="no word has a vector"):
        CompositionalityScorer({})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 4)), min_size=4))
def test_auc_by_phrase_is_the_plain_one_and_resamples_whole_phrases(rows):
    phrases = [row[0] for row in rows]
    literal = np.array([row[1] for row in rows])
    scores = np.array([float(row[2]) for row in rows])
    if literal.all() or not literal.any():
        return
    items = clustered_auc_parts(phrases, literal, scores)
    once = clustered_auc()([items])(np.ones((len(items["wins"]), 1)))
    assert once[0, 0] == pytest.approx(roc_auc(literal.astype(int), scores))
    counts = np.arange(len(items["wins"]))[:, None] % 3 * 1.0
    names = sorted(set(phrases))
    again = [i for i, name in enumerate(phrases) for _ in range(int(counts[names.index(name), 0]))]
    if again and literal[again].any() and not literal[again].all():
        wanted = roc_auc(literal[again].astype(int), scores[again])
        assert clustered_auc()([items])(counts)[0, 0] == pytest.approx(wanted)


def test_usages_of_train_and_test_share_no_phrase(tmp_path):
    from broadsheet.systems.reading.semantic_inference.phrase_measuring import made_phrases

    train, test, _ = made_phrases()
    assert not {u.phrase for u in train} & {u.phrase for u in test}
    assert all(isinstance(u, Usage) for u in (*train, *test))
