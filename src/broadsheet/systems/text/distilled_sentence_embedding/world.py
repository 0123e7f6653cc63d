"""A made world with known answers: does b say of a's second noun something weaker, or deny it?

Sentences of a grammar of 60 words: "the red spaniel chases a boat near the tree". A noun stands on
a ladder of three (spaniel, dog, animal). b is a with its second noun one step up the ladder, or
with "no" before it: label 1. The same two sentences the other way round: label 0. Each pair is in
the data in both orders, so a similarity, which can't tell the orders apart, is right in exactly
half of the test. As a distraction the first noun may change too, in either direction, whatever the
label is. What the first sentence alone gives away: see `best_alone`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from broadsheet.core.seeds import SeedTree
from broadsheet.data.records import ScoredPair

LADDERS = (
    ("spaniel", "dog", "animal"),
    ("oak", "tree", "plant"),
    ("sedan", "car", "vehicle"),
    ("violin", "fiddle", "instrument"),
    ("nurse", "medic", "worker"),
    ("salmon", "fish", "creature"),
    ("cottage", "house", "building"),
    ("hammer", "mallet", "tool"),
    ("rye", "bread", "food"),
    ("sofa", "couch", "furniture"),
)
ADJECTIVES = ("red", "old", "tiny", "wet", "loud", "pale", "odd", "brave")
VERBS = ("chases", "sees", "paints", "finds", "moves", "draws", "lifts", "guards", "hides", "sells")
PREPOSITIONS = ("near", "under", "behind", "beside")
DETERMINERS = ("the", "a", "no", "this", "that", "some", "one", "every")
#: 30 nouns, 8 adjectives, 10 verbs, 4 prepositions, 8 determiners.
WORDS = (
    *(noun for ladder in LADDERS for noun in ladder),
    *ADJECTIVES,
    *VERBS,
    *PREPOSITIONS,
    *DETERMINERS,
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_PLAIN = tuple(word for word in DETERMINERS if word != "no")


def grammar_tokenizer() -> Tokenizer:
    """Return the tokenizer of the 60 words.

    Example:
        >>> len(WORDS), grammar_tokenizer().encode("the red dog").tokens
        (60, ['[CLS]', 'the', 'red', 'dog', '[SEP]'])
    """
    names = {word: place for place, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="[UNK]"))  # noqa: S106 - a word
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", names["[CLS]"]), ("[SEP]", names["[SEP]"])],
    )
    return tokenizer


def make_pairs(count: int, seeds: SeedTree) -> tuple[ScoredPair, ...]:
    """Return `count` pairs (an even number), both orders of each behind each other.

    The score is the label: 1.0 where b's second noun is a's, one step up or denied; else 0.0.
    """
    rng = seeds.numpy()
    pairs: list[ScoredPair] = []
    for place in range(count // 2):
        weaker, stronger = _two(rng)
        pairs.append(ScoredPair(f"{place}+", stronger.text, weaker.text, 1.0, "1"))
        pairs.append(ScoredPair(f"{place}-", weaker.text, stronger.text, 0.0, "0"))
    return tuple(pairs)


def best_alone(pairs: tuple[ScoredPair, ...]) -> float:
    """Return how often one is right who sees a's second noun phrase only, and knows all pairs.

    Example:
        >>> 0.5 < best_alone(make_pairs(6000, SeedTree(1))) < 0.75
        True
    """
    seen = Counter((_second(pair.a), pair.label) for pair in pairs)
    best: dict[str, int] = {}
    for (phrase, _), count in seen.items():
        best[phrase] = max(best.get(phrase, 0), count)
    return sum(best.values()) / len(pairs)


@dataclass(frozen=True, slots=True)
class _Sentence:
    first: str
    second: str
    verb: str
    tail: str

    @property
    def text(self) -> str:
        return f"{self.first} {self.verb} {self.second} {self.tail}"


def _two(rng: np.random.Generator) -> tuple[_Sentence, _Sentence]:
    """Return a sentence that says less of the second noun, and one that says more."""
    ladders = rng.choice(len(LADDERS), size=3, replace=False)
    plain = [_PLAIN[i] for i in rng.integers(0, len(_PLAIN), size=3)]
    adjective = ADJECTIVES[rng.integers(len(ADJECTIVES))]
    verb = VERBS[rng.integers(len(VERBS))]
    place = PREPOSITIONS[rng.integers(len(PREPOSITIONS))]
    tail = f"{place} {plain[2]} {LADDERS[ladders[2]][rng.integers(3)]}"
    noun = LADDERS[ladders[1]]
    step = int(rng.integers(2))
    if rng.random() < 0.75:
        determiner = "no" if rng.random() < 0.5 else plain[1]
        phrases = f"{determiner} {noun[step + 1]}", f"{determiner} {noun[step]}"
    else:
        word = noun[rng.integers(3)]
        phrases = f"no {word}", f"{plain[1]} {word}"
    first = rng.integers(0, 3, size=2) if rng.random() < 0.5 else [int(rng.integers(3))] * 2
    subjects = [f"{plain[0]} {adjective} {LADDERS[ladders[0]][i]}" for i in first]
    made = [_Sentence(s, p, verb, tail) for s, p in zip(subjects, phrases, strict=True)]
    return made[0], made[1]


def _second(text: str) -> str:
    words = text.split()
    return " ".join(words[4:6])
