"""Segmenters that look at words alone: TextTiling and C99.

Legend: N units, G gaps (N - 1), P pseudo-sentences, V words of the vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.evals.segmenters import Floats, Masses, cut, depths
from broadsheet.index.lexical.analysis import STOP_WORDS
from broadsheet.metrics.segmentation import masses_of

_WORD = re.compile(r"[^\W\d_][\w'-]*")
_TINY = 1e-12
#: Of Choi's smoothing of the gradient of the density.
_SMOOTHING = np.array([1.0, 2.0, 4.0, 8.0, 4.0, 2.0, 1.0])


def lower_words(text: str) -> list[str]:
    """Return the words of a text that begin with a letter, in lower case.

    Example:
        >>> lower_words("The wind-tunnel's 3 runs")
        ['the', "wind-tunnel's", 'runs']
    """
    return _WORD.findall(text.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTiling:
    """Finds where the words of neighbouring blocks of text have least in common.

    Args:
        width: Words in a pseudo-sentence, stop words included; 0 takes the units themselves.
        block: Pseudo-sentences in a block.
        smoothing: The curve of similarities is averaged over `smoothing + 1` gaps.
        words: Makes words of a text.
        stop_words: Words that do not count.

    **Source**: Hearst 1997, "TextTiling: segmenting text into multi-paragraph subtopic passages";
    similarities are compared with nltk's in the tests.

    Example:
        >>> units = ["cats like milk", "cats drink milk", "stars emit light", "stars burn light"]
        >>> TextTiling(width=0, block=2, smoothing=0).segment(units)
        (2, 2)
    """

    width: int = 20
    block: int = 10
    smoothing: int = 2
    words: Callable[[str], list[str]] = lower_words
    stop_words: frozenset[str] = STOP_WORDS

    def __post_init__(self) -> None:
        if self.width < 0 or self.block < 1 or self.smoothing < 0:
            raise BadInput(
                "a width or a block is out of its range",
                received=f"width {self.width}, block {self.block}, smoothing {self.smoothing}",
            )

    def scores(self, units: Sequence[str]) -> Floats:
        """Return the depth of each gap between units; 0 where no pseudo-sentence ends near.

        Shape:
            N texts -> [G]
        """
        return self._mapped(units)[0]

    def segment(self, units: Sequence[str]) -> Masses:
        """Return the segments by Hearst's own threshold: mean of the depths less half a deviation.

        A gap with no depth is never a boundary.
        """
        scores_G, found = self._mapped(units)
        if not len(found):
            return (len(units),)
        return cut(scores_G, max(float(found.mean() - found.std() / 2), _TINY))

    def _mapped(self, units: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the depths by gap between units, and those between pseudo-sentences."""
        words = [self.words(unit) for unit in units]
        pieces, ends = self._pieces(words)
        scores_G = np.zeros(max(len(units) - 1, 0))
        if len(pieces) < 2 or not len(scores_G):
            return scores_G, np.zeros(0)
        found = depths(smoothed(self.similarities(pieces), self.smoothing))
        unit_ends = np.cumsum([len(one) for one in words])[:-1]
        for depth, end in zip(found, ends[:-1], strict=True):
            gap = int(np.argmin(np.abs(unit_ends - end))) if self.width else end
            scores_G[gap] = max(scores_G[gap], depth)
        return scores_G, found

    def similarities(self, pieces: Sequence[Sequence[str]]) -> Floats:
        """Return the cosine of the word counts of the blocks on both sides of each gap.

        Near the ends both blocks are as short as the shorter one.

        Shape:
            P pseudo-sentences -> [P - 1]
        """
        known: dict[str, int] = {}
        ids = [
            [known.setdefault(word, len(known)) for word in piece if word not in self.stop_words]
            for piece in pieces
        ]
        found = np.zeros(len(pieces) - 1)
        for gap in range(1, len(pieces)):
            reach = min(gap, len(pieces) - gap, self.block)
            left, right = (
                np.array([*chain.from_iterable(ids[start : start + reach])], np.int64)
                for start in (gap - reach, gap)
            )
            found[gap - 1] = _cosine(left, right)
        return found

    def _pieces(self, words: Sequence[Sequence[str]]) -> tuple[list[Sequence[str]], list[int]]:
        """Return pseudo-sentences and where each ends: in words, or the unit's number."""
        if not self.width:
            return list(words), list(range(len(words)))
        flat = list(chain.from_iterable(words))
        pieces = [flat[at : at + self.width] for at in range(0, len(flat), self.width)]
        return list(pieces), [
            min(at + self.width, len(flat)) for at in range(0, len(flat), self.width)
        ]


def smoothed(curve_G: Floats, width: int) -> Floats:
    """Return the mean over `width + 1` neighbours of each point, the curve mirrored at its ends.

    Example:
        >>> smoothed(np.array([0.0, 3.0, 0.0, 3.0]), 2).tolist()
        [2.0, 1.0, 2.0, 1.0]
    """
    if width < 1 or len(curve_G) <= width:
        return curve_G
    before, after = width // 2, width - width // 2
    longer = np.pad(curve_G, (before, after), mode="reflect")
    return np.convolve(longer, np.full(width + 1, 1 / (width + 1)), mode="valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class C99:
    """Cuts where the ranks of similarities are densest inside the segments.

    Every similarity is replaced by the share of its neighbours that are lower; then the document is
    cut in two, again and again, where the density inside the segments grows most. It takes memory
    and time with the square of the units.

    Args:
        rank: Width of the square of neighbours, odd.
        deviation: The cutting ends when the (smoothed) gain falls below its mean plus so many
            standard deviations.
        words: Makes words of a text; Choi takes stems.
        stop_words: Words that do not count.

    **Source**: Choi 2000, "Advances in domain independent linear text segmentation".

    Example:
        >>> units = ["cats like milk", "cats drink milk", "stars emit light", "stars burn light"]
        >>> C99().segment(units, segments=2)
        (2, 2)
    """

    rank: int = 11
    deviation: float = 1.2
    words: Callable[[str], list[str]] = lower_words
    stop_words: frozenset[str] = STOP_WORDS

    def __post_init__(self) -> None:
        if self.rank < 3 or self.rank % 2 == 0:
            raise BadInput("the square of neighbours is odd and 3 or wider", received=self.rank)

    def segment(self, units: Sequence[str], *, segments: int | None = None) -> Masses:
        """Return the segments of texts; as many as told, or as C99 thinks right."""
        counts_NV = word_counts([self.words(unit) for unit in units], self.stop_words)
        norms_N = np.linalg.norm(counts_NV, axis=1, keepdims=True)
        unit_NV = counts_NV / np.where(norms_N > 0, norms_N, 1.0)
        return self.segment_similar(unit_NV @ unit_NV.T, segments=segments)

    def segment_similar(self, similarity_NN: Floats, *, segments: int | None = None) -> Masses:
        """Return the segments of any similarities of units, such as cosines of vectors.

        Raises:
            BadInput: Not a square, or more segments than units.
        """
        n = len(similarity_NN)
        if np.shape(similarity_NN) != (n, n) or not n or not 1 <= (segments or 1) <= n:
            raise BadInput(
                "a square of similarities, and no more segments than units",
                received=f"shape {np.shape(similarity_NN)}, {segments} segments",
            )
        splits, density = divide(ranks(similarity_NN, self.rank))
        count = self._count(np.diff(density)) if segments is None else segments - 1
        cuts = np.zeros(n - 1, dtype=np.bool_)
        cuts[splits[:count]] = True
        return masses_of(cuts)

    def _count(self, gain: Floats) -> int:
        """Return the number of cuts before the smoothed gain falls below its threshold."""
        if not len(gain):
            return 0
        weight = np.convolve(np.ones(len(gain)), _SMOOTHING, mode="full")[3:-3]
        smooth = np.convolve(gain, _SMOOTHING, mode="full")[3:-3] / weight
        low = smooth < smooth.mean() + self.deviation * smooth.std()
        return int(np.argmax(low)) if low.any() else len(gain)


def ranks(similarity_NN: Floats, width: int) -> Floats:
    """Return, for each similarity, the share of its neighbours in a square that are lower.

    Example:
        >>> ranks(np.array([[1.0, 0.0], [0.0, 1.0]]), 3).round(2).tolist()
        [[0.67, 0.0], [0.0, 0.67]]
    """
    n, reach = len(similarity_NN), width // 2
    padded = np.full((n + 2 * reach, n + 2 * reach), np.nan)
    padded[reach : reach + n, reach : reach + n] = similarity_NN
    lower_NN = np.zeros((n, n), dtype=np.int64)
    for down in range(width):
        for right in range(width):
            lower_NN += padded[down : down + n, right : right + n] < similarity_NN
    place_N = np.arange(n)
    span_N = np.minimum(place_N + reach, n - 1) - np.maximum(place_N - reach, 0) + 1
    seen_NN = np.outer(span_N, span_N) - 1
    share_NN: Floats = lower_NN / np.maximum(seen_NN, 1)
    return share_NN


def divide(rank_NN: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return gaps in the order in which cutting there makes the segments densest.

    Returns:
        The N - 1 gaps, and the density before the first cut and after each one.
    """
    n = len(rank_NN)
    sums = np.zeros((n + 1, n + 1))
    sums[1:, 1:] = rank_NN.cumsum(axis=0).cumsum(axis=1)
    edges = [0, n]
    inside, area = float(sums[n, n]), float(n * n)
    density, order = [inside / area], []
    loss, saved = np.zeros(n - 1), np.zeros(n - 1)

    def update(start: int, stop: int) -> None:
        at = np.arange(start + 1, stop)
        whole = sums[stop, stop] - sums[start, stop] - sums[stop, start] + sums[start, start]
        left = sums[at, at] - sums[start, at] - sums[at, start] + sums[start, start]
        right = sums[stop, stop] - sums[at, stop] - sums[stop, at] + sums[at, at]
        loss[at - 1] = whole - left - right
        saved[at - 1] = (stop - start) ** 2 - (at - start) ** 2 - (stop - at) ** 2

    update(0, n)
    open_G = np.ones(n - 1, dtype=np.bool_)
    for _ in range(n - 1):
        value = np.where(open_G, (inside - loss) / np.maximum(area - saved, 1), -np.inf)
        gap = int(np.argmax(value))
        inside, area = inside - loss[gap], area - saved[gap]
        density.append(inside / area)
        order.append(gap)
        open_G[gap] = False
        place = int(np.searchsorted(edges, gap + 1))
        edges.insert(place, gap + 1)
        update(edges[place - 1], edges[place])
        update(edges[place], edges[place + 1])
    return np.array(order, np.int64), np.array(density)


def word_counts(pieces: Sequence[Sequence[str]], stop_words: frozenset[str]) -> Floats:
    """Return how often each word that counts occurs in each piece.

    Shape:
        [P, V]
    """
    kept = [[word for word in piece if word not in stop_words] for piece in pieces]
    places = {word: at for at, word in enumerate(dict.fromkeys(chain.from_iterable(kept)))}
    counts_PV = np.zeros((len(pieces), max(len(places), 1)))
    for row, piece in enumerate(kept):
        for word in piece:
            counts_PV[row, places[word]] += 1
    return counts_PV


def _cosine(left: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Return the cosine of the counts of two lists of word numbers; 0 where one is empty."""
    distinct, place = np.unique(np.concatenate([left, right]), return_inverse=True)
    one = np.bincount(place[: len(left)], minlength=len(distinct)).astype(np.float64)
    other = np.bincount(place[len(left) :], minlength=len(distinct)).astype(np.float64)
    norm = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / norm) if norm else 0.0
