"""Probing: a vector that spells the property out is read, one that hides it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.evals.probing import evaluate_probing, make_probing_set

WORDS = [f"w{n:02d}" for n in range(40)]


def made_up(count: int = 600) -> list[str]:
    rng = np.random.default_rng(0)
    common = [f"the{n}" for n in range(6)]
    texts = []
    for _ in range(count):
        words = list(rng.choice(common, size=rng.integers(2, 12)))
        words.insert(int(rng.integers(len(words))), str(rng.choice(WORDS)))
        texts.append(" ".join(words))
    return texts


def layers(texts: Sequence[str]) -> list[np.ndarray]:
    """Layer 0 is noise, layer 1 spells out length and words, but no order."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(len(texts), 20)).astype(np.float32)
    counted = [Counter(text.split()) for text in texts]
    bag = [[count[word] for word in WORDS] + [1 + sum(count.values())] for count in counted]
    # Unit rows keep the length readable through the share of the constant column.
    return [noise, np.hstack([np.array(bag, np.float32), np.full((len(texts), 1), 6.0)])]


def run(task: str) -> dict[str, float]:
    probing = make_probing_set(task, made_up(), SeedTree(0))
    scores = evaluate_probing(layers, probing, dataset="made up", seeds=SeedTree(1))
    assert all(score.n == len(probing.texts) - probing.train for score in scores)
    return {score.metric: score.value for score in scores}


def test_length_is_read_from_a_layer_that_holds_it() -> None:
    found = run("length")
    assert found["length accuracy, layer 1"] > 75 > 35 > found["length accuracy, layer 0"]
    assert found["length selectivity, layer 1"] > 40


def test_words_are_read_from_a_bag_of_words() -> None:
    found = run("word_content")
    assert found["word_content accuracy, layer 1"] > 90
    assert found["word_content accuracy, layer 0"] < 20


def test_word_order_can_not_be_read_from_a_bag_of_words() -> None:
    found = run("word_order")
    assert 35 < found["word_order accuracy, layer 1"] < 65


def test_swapped_texts_have_the_same_words_in_another_order() -> None:
    texts = made_up(60)
    probing = make_probing_set("word_order", texts, SeedTree(0))
    originals = set(texts)
    for text, label in zip(probing.texts, probing.labels, strict=True):
        assert (text not in originals) == bool(label)
    assert {tuple(sorted(text.split())) for text in probing.texts} <= {
        tuple(sorted(text.split())) for text in texts
    }


def test_items_of_selectivity_average_to_it() -> None:
    probing = make_probing_set("length", made_up(), SeedTree(0))
    scores = evaluate_probing(layers, probing, dataset="made up", seeds=SeedTree(1))
    selectivity = next(score for score in scores if "selectivity, layer 1" in score.metric)
    assert 100 * selectivity.items["score"].mean() == pytest.approx(selectivity.value)


def test_the_same_seed_makes_the_same_task() -> None:
    first, again, other = (
        make_probing_set("word_order", made_up(60), SeedTree(seed)) for seed in (0, 0, 1)
    )
    assert first.texts == again.texts != other.texts


@pytest.mark.parametrize("task", ["length", "word_content", "word_order"])
def test_too_few_texts_are_refused(task: str) -> None:
    with pytest.raises(BadInput, match="too few texts"):
        make_probing_set(task, ["one two", "three"], SeedTree(0))
