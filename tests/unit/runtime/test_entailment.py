"""The entailment scorer: its arithmetic against a plain loop, its files, its facts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.runtime.entailment import (
    FACTS,
    EntailmentCard,
    EntailmentScorer,
    load_scorer,
    pair_facts,
    save_scorer,
)

DIM = 3
LABELS = ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")
CARD = EntailmentCard(
    labels=LABELS,
    encoder="tiny",
    encoder_version="tiny@1",
    dim=DIM,
    dataset="made",
    accuracy=0.8,
    interval=(0.7, 0.9),
    n=10,
    licence="none",
)


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    size = 4 * DIM + len(FACTS)
    shapes = {
        "compare": (size, 5),
        "compare_bias": (5,),
        "labels": (3, 5),
        "rank_hidden": (size, 4),
        "rank_hidden_bias": (4,),
        "rank_out": (4,),
        "rank_out_bias": (1,),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


class TinyEncoder:
    id = "tiny"
    version = "tiny@1"
    dim = DIM
    quick = True

    def encode(self, texts, *, role="document", advance=None):
        return np.array([[len(text), text.count("a"), 1.0] for text in texts], np.float32)


def test_logits_are_those_of_the_formula() -> None:
    w = weights()
    u, v = np.random.default_rng(1).normal(size=(2, 4, DIM)).astype(np.float32)
    evidence, claims = ["a b c"] * 4, ["no a", "a b", "c 5", "b"]
    found = EntailmentScorer(CARD, w).logits(u, v, evidence, claims)
    for i in range(4):
        m = [*v[i], *u[i], *(v[i] - u[i]), *(v[i] * u[i]), *pair_facts(evidence[i], claims[i])]
        z = [
            max(0.0, float(np.dot(m, column) + b))
            for column, b in zip(w["compare"].T, w["compare_bias"], strict=True)
        ]
        hidden = [
            max(0.0, float(np.dot(m, column) + b))
            for column, b in zip(w["rank_hidden"].T, w["rank_hidden_bias"], strict=True)
        ]
        rank = np.log1p(np.exp(float(np.dot(hidden, w["rank_out"]) + w["rank_out_bias"][0])))
        wanted = [rank * float(np.dot(row, z)) for row in w["labels"]]
        np.testing.assert_allclose(found[i], wanted, rtol=1e-4, atol=1e-4)


def test_probabilities_sum_to_one_also_for_large_logits() -> None:
    w = weights()
    w["labels"] = w["labels"] * 1000
    found = EntailmentScorer(CARD, w).score(["aaa", "b"], ["a", "bb"], TinyEncoder())
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    assert np.isfinite(found).all()
    assert EntailmentScorer(CARD, w).score([], [], TinyEncoder()).shape == (0, 3)


def test_a_round_trip_and_a_changed_file(tmp_path: Path) -> None:
    saved = save_scorer(tmp_path / "s", CARD, weights())
    again = load_scorer(tmp_path / "s")
    pair = ["a cat"], ["no cat"]
    one, other = (s.score(*pair, TinyEncoder()) for s in (saved, again))
    np.testing.assert_array_equal(one, other)
    assert again.card.interval == (0.7, 0.9)
    with (tmp_path / "s" / "weights.npz").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(BadInput, match="not those of the card"):
        load_scorer(tmp_path / "s")


@pytest.mark.parametrize("damage", ["gone", "schema", "not json", "unknown key"])
def test_a_damaged_card(tmp_path: Path, damage: str) -> None:
    save_scorer(tmp_path, CARD, weights())
    path = tmp_path / "entailment.json"
    facts = json.loads(path.read_text())
    if damage == "gone":
        path.unlink()
    elif damage == "not json":
        path.write_text("{")
    else:
        path.write_text(
            json.dumps(facts | {"schema": 9} if damage == "schema" else facts | {"x": 1})
        )
    with pytest.raises(BadInput, match="can't be read"):
        load_scorer(tmp_path)


def test_a_temperature_makes_it_less_sure_and_changes_no_label() -> None:
    pair = ["aaa", "b", "a cat"], ["a", "bb", "no cat"]
    plain = EntailmentScorer(CARD, weights()).score(*pair, TinyEncoder())
    soft = EntailmentScorer(replace(CARD, temperature=5000.0), weights()).score(
        *pair, TinyEncoder()
    )
    assert (soft.max(axis=1) < plain.max(axis=1)).all()
    assert (soft.argmax(axis=1) == plain.argmax(axis=1)).all()
    with pytest.raises(BadInput, match="temperature"):
        EntailmentScorer(replace(CARD, temperature=0.0), weights())


def test_weights_that_do_not_fit() -> None:
    for name, array in (("labels", np.zeros((2, 5))), ("rank_out", np.full(4, np.nan))):
        with pytest.raises(BadInput, match="don't fit"):
            EntailmentScorer(CARD, weights() | {name: array})
    missing = weights()
    del missing["compare"]
    with pytest.raises(BadInput, match="don't fit"):
        EntailmentScorer(CARD, missing)


def test_another_encoder_and_lists_of_unequal_length() -> None:
    scorer = EntailmentScorer(CARD, weights())
    other = TinyEncoder()
    other.id = "another"
    with pytest.raises(BadInput, match="another encoder"):
        scorer.score(["a"], ["b"], other)
    with pytest.raises(BadInput, match="one piece of evidence"):
        scorer.score(["a", "b"], ["b"], TinyEncoder())


def test_facts_of_a_pair() -> None:
    facts = dict(zip(FACTS, pair_facts("A dog isn't running", "3 dogs are running"), strict=True))
    assert facts["evidence denies"] == 1
    assert facts["claim denies"] == 0
    assert facts["one of them denies"] == 1
    assert facts["a number that only the claim has"] == 1
    assert facts["share of the claim's words in the evidence"] == pytest.approx(2 / 3)
    turned = dict(zip(FACTS, pair_facts("a cat sees a dog", "a dog sees a cat"), strict=True))
    assert turned["same words in another order"] == 1


@given(st.text(max_size=60), st.text(max_size=60))
def test_facts_are_small_finite_numbers_for_any_text(first: str, second: str) -> None:
    facts = pair_facts(first, second)
    assert facts.shape == (len(FACTS),)
    assert ((facts >= 0) & (facts <= 1)).all()


def test_no_heavy_import() -> None:
    code = "import broadsheet.runtime.entailment, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
