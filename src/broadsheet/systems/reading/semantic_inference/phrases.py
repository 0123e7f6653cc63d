"""Contextual compositionality: does a phrase mean what its words mean, here?

A phrase and each of its words get an enriched vector: the mean of the words that surround it in
use, of its neighbours in a dictionary's graph, and of itself. The nearer the phrase's vector is to
that composed of its words, the more literal it is in general; the nearer the words around it here
are to the composed vector, the more literal it is in this place.

Legend: D width of a word's vector, N usages, F features.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.data.compounds import Usage
from broadsheet.data.word_graph import WordGraph

Floats = NDArray[np.float64]

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
#: What `CompositionalityScorer.features` returns, in this order.
FEATURES = (
    "phrase to words",
    "context to words",
    "context to phrase",
    "context to dictionary",
    "context to the farther word",
    "phrase is in the dictionary",
)
#: The features that look at the words around the phrase.
LOCAL = (1, 2, 3, 4)
#: Share of the local part in the score without training.
_LOCAL_SHARE = 0.5


@dataclass(slots=True)
class CompositionalityScorer:
    """Scores phrases in context; high is literal, low is idiomatic.

    Raises `BadInput` when there is no word vector at all.

    Args:
        vectors: Vectors of lower-case words, from elsewhere; words without one are passed over.
        weight: Weight of a word in means, such as its idf; 1 for unknown words.
        graph: The dictionary; None leaves it out.
        window: Words on each side that make a phrase's context; 0 for whole sentences.

    Source:
        The thesis, part II: usage contexts and a knowledge graph enrich both sides of the cosine.

    Example:
        >>> vectors = {"cold": [1., 0], "ice": [1., .1], "fish": [0, 1.], "sea": [.1, 1.]}
        >>> scorer = CompositionalityScorer({w: np.array(v) for w, v in vectors.items()})
        >>> scorer.learn_usages([("cold fish", "the cold fish in the sea")])
        >>> scorer.score("cold fish", "ice and a cold fish at sea") > scorer.score("cold fish", "")
        True
    """

    vectors: Mapping[str, Floats]
    weight: Mapping[str, float] = field(default_factory=dict)
    graph: WordGraph | None = None
    window: int = 10
    _usages: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.vectors:
            raise BadInput("no word has a vector")

    def learn_usages(self, usages: Iterable[tuple[str, str]]) -> None:
        """Take in occurrences (phrase, text) without labels."""
        for phrase, text in usages:
            self._usages.setdefault(phrase.lower(), []).extend(self.context_of(phrase, text))

    def context_of(self, phrase: str, text: str) -> list[str]:
        """Return the words around a phrase, without the phrase's own words.

        Where the phrase isn't found (another inflection), all words of the text are its context.
        """
        words, own = _WORD.findall(text.lower()), _WORD.findall(phrase.lower())
        place = _find(words, own)
        if place is not None and self.window:
            words = words[max(0, place - self.window) : place + len(own) + self.window]
        return [word for word in words if word not in own]

    def enriched(self, phrase: str) -> Floats:
        """Return the vector of a phrase or word from its usages, its neighbours and itself.

        Each of the three counts alike, as far as there is anything.

        Shape:
            [D], of length 1 or 0.
        """
        key = phrase.lower()
        near = self.graph.neighbours(key) if self.graph else ()
        own = _WORD.findall(key)
        parts = [self._mean(self._usages.get(key, ())), self._mean(near)]
        if len(own) == 1:
            parts.append(self._mean(own))
        return _unit(np.sum(parts, axis=0))

    def composed(self, phrase: str) -> Floats:
        """Return the vector that the words of a phrase would give it.

        Raises:
            BadInput: It is not of two words or more.
        """
        words = _WORD.findall(phrase.lower())
        if len(words) < 2:
            raise BadInput("a phrase has two words or more", received=phrase)
        return _unit(np.sum([self.enriched(word) for word in words], axis=0))

    def features(self, phrase: str, text: str) -> Floats:
        """Return the features of a phrase in a text; see `FEATURES`.

        Shape:
            [F].
        """
        composed, whole = self.composed(phrase), self.enriched(phrase)
        here = self._mean(self.context_of(phrase, text))
        listed = self._mean(self.graph.neighbours(phrase)) if self.graph else np.zeros_like(here)
        words = [float(here @ self.enriched(word)) for word in _WORD.findall(phrase.lower())]
        known = self.graph is not None and phrase in self.graph
        return np.array(
            [
                whole @ composed,
                here @ composed,
                here @ whole,
                here @ listed,
                min(words),
                float(known),
            ]
        )

    def score(self, phrase: str, text: str, *, local: float = _LOCAL_SHARE) -> float:
        """Return how literal a phrase is here, without any training.

        Args:
            phrase: Two words or more.
            text: Where it occurs.
            local: Weight of the words around it, 0 to 1.
        """
        found = self.features(phrase, text)
        return float((1 - local) * found[0] + local * found[1])

    def _mean(self, words: Iterable[str]) -> Floats:
        total = np.zeros(len(next(iter(self.vectors.values()))))
        for word in words:
            if word in self.vectors:
                total += self.weight.get(word, 1.0) * self.vectors[word]
        return _unit(total)


@dataclass(frozen=True, slots=True)
class LiteralRule:
    """A linear rule on standardised features.

    Args:
        mean_F: Of the features it was fitted on.
        spread_F: Their standard deviation.
        weight_F: Its weights.

    Example:
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> rule = LiteralRule.fit(x, np.array([False, False, True, True]))
        >>> bool(np.all(np.diff(rule(x)) > 0))
        True
    """

    mean_F: Floats
    spread_F: Floats
    weight_F: Floats

    @classmethod
    def fit(
        cls, features_NF: Floats, literal_N: NDArray[np.bool_], penalty: float = 10.0
    ) -> LiteralRule:
        """Fit by ridge regression of the label, which has one answer and no random part."""
        mean_F, spread_F = features_NF.mean(axis=0), features_NF.std(axis=0)
        spread_F = np.where(spread_F > 1e-9, spread_F, 1.0)
        x_NF = (features_NF - mean_F) / spread_F
        y_N = literal_N.astype(np.float64) - literal_N.mean()
        gram_FF = x_NF.T @ x_NF + penalty * np.eye(x_NF.shape[1])
        return cls(mean_F, spread_F, np.linalg.solve(gram_FF, x_NF.T @ y_N))

    def __call__(self, features_NF: Floats) -> Floats:
        """Return how literal each usage is."""
        found: Floats = (features_NF - self.mean_F) / self.spread_F @ self.weight_F
        return found


def clustered_auc_parts(
    phrase_N: Sequence[str], literal_N: NDArray[np.bool_], score_N: Floats
) -> dict[str, NDArray[np.float64]]:
    """Return what the AUC is made of, phrase by phrase, so that whole phrases can be resampled.

    Usages of one phrase depend on each other; their resample would be too sure of itself.

    Returns:
        wins: [P, P], how often a literal usage of one phrase scores above an idiomatic one of
        another, ties counting half; literal and idiomatic: [P], counts.
    """
    names = sorted(set(phrase_N))
    own = [np.array([p == name for p in phrase_N]) for name in names]
    wins_PP = np.zeros((len(names), len(names)))
    for first, mine in enumerate(own):
        high_N = score_N[mine & literal_N]
        for second, other in enumerate(own):
            low_N = score_N[other & ~literal_N]
            above = (high_N[:, None] > low_N).sum() + 0.5 * (high_N[:, None] == low_N).sum()
            wins_PP[first, second] = above
    return {
        "wins": wins_PP,
        "literal": np.array([float((mine & literal_N).sum()) for mine in own]),
        "idiomatic": np.array([float((mine & ~literal_N).sum()) for mine in own]),
    }


def usage_text(usage: Usage) -> str:
    """Return the sentence of a usage and those around it."""
    return " ".join(part for part in (usage.before, usage.sentence, usage.after) if part)


def _find(words: Sequence[str], own: Sequence[str]) -> int | None:
    for place in range(len(words) - len(own) + 1):
        if all(_same(words[place + i], part) for i, part in enumerate(own)):
            return place
    return None


def _same(word: str, part: str) -> bool:
    return word == part or word in (part + "s", part + "es", part[:-1] + "ies")


def _unit(vector: Floats) -> Floats:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
