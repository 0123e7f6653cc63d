"""Find the mathematics in a text. Prices and stray dollars are not mathematics.

A dollar opens only when no white space follows it; it closes only when no white space stands
before it and no digit after it (unless there is a command between them); braces between them
balance, and plain running words do not occur.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MATH = re.compile(
    r"\$\$(?P<block>[^$]{1,4000})\$\$"
    r"|(?<![\\$])\$(?P<inline>(?![\s$])(?:[^$\\]|\\.){1,2000})(?<!\s)\$(?!\$)"
    r"|\\\((?P<round>(?:[^\\]|\\[^()\[\]]){1,2000})\\\)"
    r"|\\\[(?P<square>(?:[^\\]|\\[^()\[\]]){1,4000})\\\]",
    re.DOTALL,
)
_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}[,.;]? [A-Za-z]{3,}(?![A-Za-z])")
_PRICE = re.compile(r"\d[\d.,]*[kKMB]?[ ,]+[A-Za-z]{2,}")
_TEXT_ARGUMENT = re.compile(r"\\(?:text|mbox|mathrm|operatorname)[a-z]*\s*\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text: `math` holds the formula without delimiters, "" for running text."""

    source: str
    math: str = ""
    block: bool = False


def segments(text: str) -> Iterator[Segment]:
    """Yield running text and formulas in turn; their sources joined are `text`.

    Example:
        >>> [part.math for part in segments("of $x^2$ for $5 and $6")]
        ['', 'x^2', '']
    """
    done = at = 0
    while match := _MATH.search(text, at):
        kind = match.lastgroup or ""
        inner = match[kind]
        price = (
            kind == "inline" and "\\" not in inner and text[match.end() : match.end() + 1].isdigit()
        )
        if price or not _is_math(inner, dollars=kind in ("inline", "block")):
            # Not even this delimiter: look again behind it.
            at = match.start() + 1
            continue
        if match.start() > done:
            yield Segment(text[done : match.start()])
        yield Segment(match[0], inner.strip(), kind in ("block", "square"))
        done = at = match.end()
    if done < len(text):
        yield Segment(text[done:])


def _is_math(inner: str, *, dollars: bool) -> bool:
    if not inner.strip():
        return False
    depth = 0
    for char in re.sub(r"\\[{}]", "", inner):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    if depth:
        return False
    if dollars and _PRICE.match(inner):
        return False
    return not (dollars and _WORDS.search(_TEXT_ARGUMENT.sub("", inner)))
