"""Training texts: papers under CC0 or CC BY and WordNet's glosses, in pairs that mean the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.data.wordnet import Synset

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts and the pairs among them.

    Args:
        texts: All different texts.
        pairs: Source name to rows (anchor, positive) of text numbers, [pairs, 2].
    """

    texts: tuple[str, ...]
    pairs: dict[str, np.ndarray]


def paper_pairs(
    papers: Sequence[tuple[str, str]], window_words: int, seeds: SeedTree
) -> list[tuple[str, str]]:
    """Return (title, window of the abstract): whole sentences from a random one on.

    Args:
        papers: Titles and abstracts.
        window_words: Words of a window at most; a longer sentence is cut.
        seeds: Draws the first sentence of each window.
    """
    rng = seeds.numpy()
    pairs = []
    for title, abstract in papers:
        sentences = _SENTENCE_END.split(" ".join(abstract.split()))
        start = int(rng.integers(len(sentences)))
        words = " ".join(sentences[start:]).split()[:window_words]
        if len(words) < window_words // 3:
            words = abstract.split()[-window_words:]
        pairs.append((" ".join(title.split()), " ".join(words)))
    return pairs


def gloss_pairs(synsets: Sequence[Synset]) -> list[tuple[str, str]]:
    """Return (example, definition) where a synset has an example, else (words, definition)."""
    pairs = []
    for synset in synsets:
        if len(synset.definition.split()) < 3:
            continue
        anchor = max(synset.examples, key=len, default="")
        pairs.append((anchor or ", ".join(synset.words), synset.definition))
    return pairs


def choose_synsets(synsets: Sequence[Synset], number: int, seeds: SeedTree) -> list[Synset]:
    """Return `number` synsets: all with examples first, the rest drawn."""
    order = seeds.numpy().permutation(len(synsets))
    ranked = sorted(order, key=lambda i: not synsets[i].examples)
    return [synsets[i] for i in ranked[:number]]


def join(pairs: dict[str, list[tuple[str, str]]]) -> Corpus:
    """Number all different texts and return the corpus; pairs of equal texts are left out."""
    numbers: dict[str, int] = {}
    rows: dict[str, np.ndarray] = {}
    for source, items in pairs.items():
        kept = [
            (numbers.setdefault(a, len(numbers)), numbers.setdefault(b, len(numbers)))
            for a, b in items
            if a and b and a != b
        ]
        rows[source] = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return Corpus(tuple(numbers), rows)


_SUBJECTS = ("the old fox", "a small robot", "my sister", "the tall baker", "one quiet student")
_VERBS = ("sees", "follows", "paints", "forgets", "repairs")
_OBJECTS = ("a red boat", "the broken clock", "two green apples", "a long letter", "the last bus")


def grammar_pairs(number: int, seeds: SeedTree) -> list[tuple[str, str]]:
    """Return sentences of a little grammar with a rewording each, for the smoke preset."""
    rng = seeds.numpy()
    pairs = []
    for _ in range(number):
        s, v, o = (words[int(rng.integers(len(words)))] for words in (_SUBJECTS, _VERBS, _OBJECTS))
        pairs.append((f"{s} {v} {o}", f"{o} , that is what {s} {v}"))
    return pairs
