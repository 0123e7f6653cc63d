"""From text to the words that are indexed, as Lucene's analyser for English does it.

A text is cut at word boundaries as Unicode describes them (annex 29, in the part that matters for
languages with blanks), possessives and capitals go, stop words go, the rest is stemmed by Porter's
first algorithm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from broadsheet.core.optional import require

#: A function from a text to its words, in order, with repetitions.
Analyser = Callable[[str], list[str]]

#: Lucene's stop words for English.
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they this to was will with",
    )
)
#: Longer words are cut into pieces of this length.
LONGEST = 255

# Letters go on behind one of .:'’· and a letter; digits behind one of .,;' and a digit.
_WORD = re.compile(
    r"\w+(?:(?:(?<=[^\W\d_])[.:'’·](?=[^\W\d_])|(?<=\d)[.,;'’](?=\d))\w+)*", re.UNICODE
)
_POSSESSIVE = ("'s", "’s", "＇s", "'S", "’S", "＇S")


def words_of(text: str) -> list[str]:
    """Return the words of a text as printed.

    Example:
        >>> words_of("Prandtl's 1,400 wind-tunnel runs (U.S. data)")
        ["Prandtl's", '1,400', 'wind', 'tunnel', 'runs', 'U.S', 'data']
    """
    words = _WORD.findall(text)
    if any(len(word) > LONGEST for word in words):
        return [
            word[start : start + LONGEST]
            for word in words
            for start in range(0, len(word), LONGEST)
        ]
    return words


def plain_words(text: str) -> list[str]:
    """Return the words of a text in lower case, none left out: an analyser without a language."""
    return [word.lower() for word in words_of(text)]


class EnglishAnalyser:
    """Lucene's English chain: words, possessives, lower case, stop words, Porter's stems.

    Args:
        stop_words: What is left out, before stemming.

    Raises:
        UsageError: PyStemmer is not installed.

    Example:
        >>> EnglishAnalyser()("The wings' boundary layers, and Prandtl's theories")
        ['wing', 'boundari', 'layer', 'prandtl', 'theori']
    """

    def __init__(self, stop_words: Iterable[str] = STOP_WORDS) -> None:
        stemmer: Any = require("Stemmer", extra="eval", why="the analyser for English")
        self._stem = stemmer.Stemmer("porter").stemWord
        self._stop_words = frozenset(stop_words)
        self._known: dict[str, str] = {}

    def __call__(self, text: str) -> list[str]:
        """Return the stems of a text."""
        found = []
        for word in words_of(text):
            bare = word[:-2] if word.endswith(_POSSESSIVE) else word
            lower = bare.lower()
            if lower in self._stop_words:
                continue
            stem = self._known.get(lower)
            if stem is None:
                stem = self._known[lower] = self._stem(lower) if len(lower) > 2 else lower
            found.append(stem)
        return found
