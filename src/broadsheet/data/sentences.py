"""Sentences of a text, with their places in it."""

from __future__ import annotations

from dataclasses import dataclass

import sentencex


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

    The rules for English are those of sentencex; a sentence does not end inside a `$formula$`.
    """
    found: list[Sentence] = []
    start = at = 0
    for piece in sentencex.segment("en", whole):
        at += len(piece)
        if _inside_formula(whole[start:at]) and not _last(whole, at):
            continue
        text = whole[start:at].strip()
        if text:
            begin = start + whole[start:at].index(text)
            found.append(Sentence(text, begin, begin + len(text)))
        start = at
    return found


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


def _last(whole: str, at: int) -> bool:
    """Tell whether nothing after `at` could close a formula."""
    return "$" not in whole[at:]
