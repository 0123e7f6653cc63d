"""Probing: what of a text can a linear model read from its vector, layer by layer?

Three tasks are made from any texts: the length of the text, which of some middling frequent words
it holds, and whether two neighbouring words were swapped. A probe with many dimensions can also
learn each word by heart, so each task comes with a control: the same probe on labels that were
dealt out at random to first words. Selectivity is accuracy minus control accuracy.

**Source**: the tasks follow Conneau et al. 2018 (SentLen, WC, BShift); control tasks are those of
Hewitt and Liang 2019.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.evals.classification import Probe, fit_predict, label_scores
from broadsheet.evals.score import Score, unit_rows

Task = Literal["length", "word_content", "word_order"]

#: Returns one matrix of rows per layer for the texts given.
EncodeLayers = Callable[[Sequence[str]], Sequence[NDArray[np.float32]]]

_LENGTH_BINS = 5
_WORDS = 20
_LEAST = 20


@dataclass(frozen=True, slots=True)
class ProbingSet:
    """Texts and labels of one probing task, split in two.

    Args:
        task: Name of the task.
        texts: All texts, the training ones first.
        labels: A class per text.
        train: How many of the texts are for training.

    Example:
        >>> texts = [f"word{i} " * (1 + i % 7) + f"end{i}" for i in range(60)]
        >>> made = make_probing_set("length", texts, SeedTree(0))
        >>> made.train, sorted(set(made.labels.tolist()))
        (40, [0, 1, 2, 3, 4])
    """

    task: Task
    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    train: int


def make_probing_set(task: Task, texts: Sequence[str], seeds: SeedTree) -> ProbingSet:
    """Make a probing task from texts: two thirds to train on, one third to test on.

    Raises:
        BadInput: Too few of the texts suit the task.
    """
    rng = seeds.child("probing", task).numpy()
    distinct = list(dict.fromkeys(text for text in texts if len(text.split()) > 1))
    shuffled = [distinct[index] for index in rng.permutation(len(distinct))]
    made, labels = _MAKERS[task](shuffled, rng)
    train = 2 * len(made) // 3
    if len(made) < _LEAST or len(set(labels[:train])) < 2:
        raise BadInput(f"too few texts to probe {task}", received=f"{len(made)} suitable texts")
    return ProbingSet(task, tuple(made), np.array(labels, np.int64), train)


def evaluate_probing(
    encode_layers: EncodeLayers,
    probing: ProbingSet,
    *,
    dataset: str,
    seeds: SeedTree,
    probe: Probe | None = None,
) -> tuple[Score, ...]:
    """Return accuracy and selectivity of a linear probe at each layer.

    The metrics are named "length accuracy, layer 0", where layer 0 is the first matrix that
    `encode_layers` returns. Items of selectivity are correct minus control correct, per text.

    Raises:
        BadInput: A layer has not one row per text.
    """
    split, gold = probing.train, probing.labels
    dealt = _deal_labels(probing, seeds.child("control", probing.task).numpy())
    scores = []
    for layer, matrix in enumerate(encode_layers(probing.texts)):
        rows = unit_rows(matrix, len(gold))
        found = fit_predict(rows[:split], gold[:split], rows[split:], probe)
        accuracy = label_scores(found, gold[split:], dataset=dataset)[0]
        control = fit_predict(rows[:split], dealt[:split], rows[split:], probe)
        gain = accuracy.items["correct"] - (control == dealt[split:])
        scores.append(_named(accuracy, f"{probing.task} accuracy, layer {layer}", accuracy.items))
        scores.append(
            _named(accuracy, f"{probing.task} selectivity, layer {layer}", {"score": gain})
        )
    return tuple(scores)


def _named(like: Score, metric: str, items: Mapping[str, NDArray[Any]]) -> Score:
    value = 100.0 * float(np.mean(items["correct" if "correct" in items else "score"]))
    return Score(
        dataset=like.dataset, metric=metric, unit="x100", value=value, n=like.n, items=items
    )


def _deal_labels(probing: ProbingSet, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a label per text that depends on its first word only, as frequent as the task's."""
    first = [text.split()[0].lower() for text in probing.texts]
    words = sorted(set(first))
    dealt = dict(zip(words, rng.choice(probing.labels, size=len(words)).tolist(), strict=True))
    return np.array([dealt[word] for word in first], np.int64)


def _by_length(texts: list[str], rng: np.random.Generator) -> tuple[list[str], list[int]]:
    lengths = np.array([len(text.split()) for text in texts])
    if not len(lengths):
        return [], []
    edges = np.quantile(lengths, np.arange(1, _LENGTH_BINS) / _LENGTH_BINS)
    return texts, np.searchsorted(np.unique(edges), lengths, side="left").tolist()


def _by_word(texts: list[str], rng: np.random.Generator) -> tuple[list[str], list[int]]:
    bags = [set(text.lower().split()) for text in texts]
    counts = Counter(word for bag in bags for word in bag)
    middling = [
        word for word, count in counts.most_common() if 5 <= count <= max(5, len(texts) // 10)
    ]
    words = {word: index for index, word in enumerate(middling[:_WORDS])}
    kept, labels = [], []
    for text, bag in zip(texts, bags, strict=True):
        found = sorted(words[word] for word in bag if word in words)
        if len(found) == 1:
            kept.append(text)
            labels.append(found[0])
    return kept, labels


def _by_order(texts: list[str], rng: np.random.Generator) -> tuple[list[str], list[int]]:
    made, labels = [], []
    for text in texts:
        words = text.split()
        places = [i for i in range(len(words) - 1) if words[i].lower() != words[i + 1].lower()]
        if not places:
            continue
        swap = int(rng.integers(2))
        if swap:
            place = places[int(rng.integers(len(places)))]
            words[place : place + 2] = words[place + 1], words[place]
        made.append(" ".join(words))
        labels.append(swap)
    return made, labels


_MAKERS: dict[Task, Callable[[list[str], np.random.Generator], tuple[list[str], list[int]]]] = {
    "length": _by_length,
    "word_content": _by_word,
    "word_order": _by_order,
}
