"""Topics without a model: tf-idf vectors of whole numbers, nearest papers, and topic bursts.

An edition must be rebuilt byte for byte on another machine, whatever encoder is installed there.
So the vectors are made here from title and abstract alone, and they hold whole numbers only: sums
of whole numbers are exact in any order, while sums of fractions depend on the processor.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from broadsheet.papers.model import Work

#: Words that say nothing about a topic: English function words and the vocabulary of abstracts.
STOP_WORDS = frozenset(
    (resources.files("broadsheet.papers.trending") / "stop_words.txt")
    .read_text(encoding="utf-8")
    .split()
)
_WORD = re.compile(r"[^\W_]+")
_KEEP_S = frozenset({"series", "species", "physics", "semantics", "robotics", "mathematics"})
#: Heaviest terms of a paper that its vector keeps.
_KEPT_TERMS = 32
#: Length of every vector; similarities are products of two, so a million means "the same".
_LENGTH = 1000
#: Papers less similar than this are never neighbours.
_LEAST_SIMILARITY = 20_000

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one text: stable 32-bit numbers in rising order, and how often each occurs."""

    ids: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint8]


def words_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield each word of a text that can mean a topic: its comparison form and how it is printed.

    Example:
        >>> list(words_of("A study of 3D Videos for LLMs"))
        [('3d', '3D'), ('video', 'Videos'), ('llm', 'LLMs')]
    """
    for match in _WORD.finditer(text):
        form = _singular(match[0].casefold())
        if len(form) > 1 and form not in STOP_WORDS and not form.isdecimal():
            yield form, match[0]


def terms_of(work: Work) -> Terms:
    """Return the terms of a work's title (counted twice) and abstract."""
    counts = Counter(form for form, _ in words_of(work.title_text))
    counts.update(counts)
    counts.update(form for form, _ in words_of(work.abstract_text))
    numbers: Counter[int] = Counter()
    for form, count in counts.items():
        numbers[term_number(form)] += count
    ids = sorted(numbers)
    return Terms(
        np.array(ids, np.uint32), np.array([min(numbers[item], 255) for item in ids], np.uint8)
    )


@lru_cache(maxsize=1 << 16)
def term_number(form: str) -> int:
    """Return the stable number of a word's comparison form."""
    return zlib.crc32(form.encode())


def _singular(word: str) -> str:
    if len(word) < 4 or word in _KEEP_S or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "ches", "shes", "xes")):
        return word[:-2]
    return word if word.endswith(("ss", "us", "is", "as")) else word[:-1]


class TopicSpace:
    """Papers as sparse whole-number vectors, with the words that are rare enough among them.

    Args:
        terms: One entry per paper; a paper is named by its position.
    """

    def __init__(self, terms: Sequence[Terms]) -> None:
        self.size = len(terms)
        lengths = np.array([len(item.ids) for item in terms], np.int64)
        ids = _joined([item.ids for item in terms], np.uint32)
        counts = _joined([item.counts for item in terms], np.uint8)
        self._vocabulary, columns = np.unique(ids, return_inverse=True)
        papers = np.repeat(np.arange(self.size), lengths)
        frequency = np.bincount(columns, minlength=len(self._vocabulary))
        weights = _idf(frequency, self.size)[columns] * _COUNT_FACTOR[counts]
        kept = np.flatnonzero(weights > 0)
        papers, columns, weights = papers[kept], columns[kept], weights[kept]
        papers, columns, weights = _heaviest(papers, columns, weights)
        values = _scaled(papers, weights, self.size)
        self._rows = np.searchsorted(papers, np.arange(self.size + 1))
        self._columns, self._values = columns, values
        by_term = np.argsort(columns, kind="stable")
        self._posting_papers, self._posting_values = papers[by_term], values[by_term]
        self._postings = np.searchsorted(columns[by_term], np.arange(len(self._vocabulary) + 1))

    def similarities(self, paper: int) -> IntArray:
        """Return the similarity of `paper` to every paper, 0 to a million (itself: -1)."""
        total = np.zeros(self.size, np.int64)
        for entry in range(self._rows[paper], self._rows[paper + 1]):
            column = self._columns[entry]
            postings = slice(self._postings[column], self._postings[column + 1])
            # A paper occurs once in the postings of a term, so plain indexing adds correctly.
            total[self._posting_papers[postings]] += (
                self._posting_values[postings] * self._values[entry]
            )
        total[paper] = -1
        return total

    def nearest(self, paper: int, count: int) -> IntArray:
        """Return the `count` most similar papers, and those that tie with the last of them."""
        similarities = self.similarities(paper)
        radius = _LEAST_SIMILARITY
        if self.size > count:
            radius = max(radius, int(np.partition(similarities, -count)[-count]))
        return np.flatnonzero(similarities >= radius)

    def weights(self, paper: int) -> dict[int, int]:
        """Return the kept terms of a paper, as term number to weight."""
        span = slice(self._rows[paper], self._rows[paper + 1])
        numbers = self._vocabulary[self._columns[span]].tolist()
        return dict(zip(numbers, self._values[span].tolist(), strict=True))


#: 100 * (1 + ln count), rounded, by count.
_COUNT_FACTOR: IntArray = np.array(
    [0] + [round(100 * (1 + math.log(count))) for count in range(1, 256)], np.int64
)


def _joined(
    arrays: list[npt.NDArray[np.generic]], kind: type[np.generic]
) -> npt.NDArray[np.generic]:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)


def _idf(frequency: IntArray, papers: int) -> IntArray:
    """1000 * ln(papers / frequency), rounded; 0 for a word of one paper or of over a quarter."""
    most = max(papers // 4, 3)
    table = [0, 0] + [round(1000 * math.log(papers / seen)) for seen in range(2, most + 1)]
    allowed = np.where(frequency <= most, frequency, 0)
    return np.maximum(np.array(table, np.int64)[allowed], 0)


def _heaviest(
    papers: IntArray, columns: IntArray, weights: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Keep the heaviest terms of each paper; the vocabulary's order decides ties."""
    order = np.lexsort((columns, -weights, papers))
    papers, columns, weights = papers[order], columns[order], weights[order]
    starts = np.searchsorted(papers, papers)
    kept = np.arange(len(papers)) - starts < _KEPT_TERMS
    return papers[kept], columns[kept], weights[kept]


def _scaled(papers: IntArray, weights: IntArray, size: int) -> IntArray:
    """Bring every paper's vector to the common length, in whole numbers."""
    squares = np.zeros(size, np.int64)
    np.add.at(squares, papers, weights * weights)
    lengths = np.sqrt(squares.astype(np.float64))
    scaled: IntArray = np.rint(_LENGTH * weights / lengths[papers]).astype(np.int64)
    return scaled
