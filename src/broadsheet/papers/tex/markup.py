"""TeX to HTML that is safe to show in a page."""

from __future__ import annotations

import functools
import re
from html import escape

from broadsheet.papers.tex.plain import LONGEST, plain_text
from broadsheet.papers.tex.segments import segments

_MOST_FORMULAS = 100
# Not characters: they mark emphasis while the text between them is escaped.
_OPEN, _CLOSE, _OPEN_STRONG, _CLOSE_STRONG = "\ufdd4", "\ufdd5", "\ufdd6", "\ufdd7"
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}{_OPEN_STRONG}{_CLOSE_STRONG}]")
_EMPHASIS = re.compile(
    rf"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}|{_OPEN_STRONG}([^{_OPEN_STRONG}{_CLOSE_STRONG}]*){_CLOSE_STRONG}"
)
_EMPH = re.compile(r"\\(?:emph|textit)\s*\{([^{}$]*)\}")
_BOLD = re.compile(r"\\textbf\s*\{([^{}$]*)\}")


@functools.lru_cache(maxsize=4_096)
def to_html(raw: str) -> str:
    r"""Return safe HTML: escaped text, emphasis, and formulas as MathML.

    Example:
        >>> to_html(r"A \emph{small} <test> of 5\%")
        'A <em>small</em> &lt;test&gt; of 5%'
    """
    raw = _MARKS.sub("", " ".join(raw.split()))
    if len(raw) > LONGEST:
        return escape(raw)
    parts: list[str] = []
    formulas = 0
    for part in segments(raw):
        if not part.math:
            parts.append(_running(part.source))
            continue
        formulas += 1
        parts.append(_formula(part.math, part.block, formulas))
    return "".join(parts)


def _formula(source: str, block: bool, position: int) -> str:
    if position > _MOST_FORMULAS:
        return f"<code>{escape(source)}</code>"
    from broadsheet.papers.tex.mathml import formula_to_html

    return formula_to_html(source, block=block)


def _running(text: str) -> str:
    if "\\" in text:
        text = _EMPH.sub(rf"{_OPEN}\1{_CLOSE}", text)
        text = _BOLD.sub(rf"{_OPEN_STRONG}\1{_CLOSE_STRONG}", text)
    return _MARKS.sub("", _EMPHASIS.sub(_emphasised, escape(plain_text(text))))


def _emphasised(match: re.Match[str]) -> str:
    if match[1] is not None:
        return f"<em>{_MARKS.sub('', match[1])}</em>"
    return f"<strong>{_MARKS.sub('', match[2])}</strong>"
