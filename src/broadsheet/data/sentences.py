"""Sentences of a text, with their places in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sentencex

_MARK = r"\(?(?:[ivx]{1,4}|\d{1,2}|[A-Za-z])\)[ \t]+"
_ITEM = re.compile(r"\s*" + _MARK)
_ENDED = re.compile(r"""[.!?…]["'”’)\]]*\s*$|\n\s*$""")
_NUMBERED = re.compile(r"(?:[:;,]|\b(?:and|or))\s+\d{1,2}\.\s*$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and where it stands: `text == whole[start:end]`.

    Example:
        >>> [one.text for one in split_sentences("Of $x. Y$ e.g. this. Then more.")]
        ['Of $x. Y$ e.g. this.', 'Then more.']
    """

    text: str
    start: int
    end: int


def split_sentences(whole: str) -> list[Sentence]:
    """Return the sentences of a text without the white space around them.

    The rules for English are those of sentencex, with three additions: a sentence does not end
    inside a `$formula$`, nor before or after the mark of a list inside it ("two: 1. this, and
    2. that", "of (i) this and (ii) that"), and an item of a list may hold several sentences.
    """
    found: list[Sentence] = []
    start = at = 0
    for piece in _pieces(whole):
        at += len(piece)
        text = whole[start:at]
        if at < len(whole) and _goes_on(text, whole[at:]):
            continue
        if text.strip():
            begin = start + text.index(text.strip())
            found.append(Sentence(text.strip(), begin, begin + len(text.strip())))
        start = at
    return found


def _pieces(whole: str) -> Iterator[str]:
    """Yield what sentencex finds; it takes an item of a list for one sentence, so look inside."""
    for piece in sentencex.segment("en", whole):
        mark = _ITEM.match(piece)
        if mark is None or not piece[mark.end() :]:
            yield piece
            continue
        first, *others = _pieces(piece[mark.end() :])
        yield mark.group() + first
        yield from others


def _goes_on(text: str, rest: str) -> bool:
    """Tell whether a sentence that sentencex ends here goes on."""
    if _inside_formula(text) and "$" in rest:
        return True
    inside = _ITEM.match(rest) is not None and _ENDED.search(text) is None
    return inside or _NUMBERED.search(text) is not None


def _inside_formula(text: str) -> bool:
    """Tell whether a dollar sign that can open a formula stands alone at the end.

    One before a space or a digit is money; so is one of an odd number that closes nothing.
    """
    opened = False
    for position, sign in enumerate(text):
        if sign != "$" or text[position - 1 : position] == "\\":
            continue
        after = text[position + 1 : position + 2]
        if opened:
            opened = False
        elif after and not after.isspace() and not after.isdigit():
            opened = True
    return opened
