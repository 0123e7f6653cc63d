r"""TeX to plain Unicode text, for search, sorting and mail.

Titles and abstracts hold scraps of TeX, not documents: `%` and `~` are most often meant as they
stand, and macros of the authors (`\ours`) are unknown. A TeX parser takes the first as a comment
and drops the second, so the structure is read here and only the tables are pylatexenc's.
Nothing raises, every loop is bounded, and what isn't understood stays visible.
"""

from __future__ import annotations

import re
import unicodedata

from broadsheet.papers.tex.segments import segments
from broadsheet.papers.tex.symbols import (
    ACCENTS,
    BLACKBOARD,
    LETTERS,
    MATH_ACCENTS,
    STYLES,
    SUBSCRIPT,
    SUPERSCRIPT,
    long_names,
    table,
)

#: Longer texts are returned as they are.
LONGEST = 100_000
_PASSES = 8
# Stand for ^ and _ that remain, so that they aren't read again (these are not characters).
_RAISED, _LOWERED = "\ufdd0", "\ufdd1"
# Stand for \\{ and \\} while other braces are removed.
_LEFT, _RIGHT = "\ufdd2", "\ufdd3"
_TEX = re.compile(r"[\\$~{}]|--|``")
_ACCENT = re.compile(
    r"""\\(?:(?P<mark>[`'^"~=.])\s*|(?P<letter>[uvHcdbkr])(?:\s+|(?=[\{\\])))"""
    r"(?:\{\s*(?P<group>\\?[^\W\d_]{1,2})\s*\}|(?P<bare>\\[ij](?![A-Za-z])|[^\W\d_]))"
)
_BRACE = re.compile(r"\\textbrace(left|right)(?:\{\}|\b)")
_STYLE = re.compile(r"\\(" + "|".join(sorted(STYLES, key=len, reverse=True)) + r")\s*\{([^{}]*)\}")
_HREF = re.compile(r"\\href\s*\{[^{}]*\}\s*\{([^{}]*)\}")
_NOTE = re.compile(r"\s*\\(?:footnote|thanks)\s*\{([^{}]*)\}")
_COMMAND = re.compile(r"\\(?:([A-Za-z]+)(\*?)(\{\}|[ \t]*)|([^A-Za-z]))", re.DOTALL)
_GROUP = re.compile(r"(?<![\\\w^])\{([^{},;:=]{0,200})\}|(?<=[^\W_])\{([A-Z0-9]{1,8}|[^\W\d_])\}")
_ADDRESS = re.compile(r"(https?://[^\s{}]{1,300})\{([^{}]*)\}")
_LOST_STYLE = re.compile(r"(?<![\\A-Za-z])(?:emph|(?:text|math)(?:bf|it|tt|sc|rm|cal))\{([^{}]*)\}")
_CLOSING = re.compile(r"(?<=\w)``(?!\w)")
_TIE = re.compile(r"(?<=[\w.,;:)\]])~(?=[^\W\d]|[$\\(\[]|\d)")
_RANGE = re.compile(r"\d~\d")
_DASHES = re.compile(
    r"(?<![\s!<-])(-{2,3})(?![-\s>])|(?<=\s)(-{2,3})(?=\s)|(?<=[\w)\]])(-{2,3})(?=\s)"
)
_MATH_ACCENT = re.compile(
    r"\\(" + "|".join(MATH_ACCENTS) + r")(?:\s*\{([^{}]*)\}|\s+(\w)|(?<=\s)(\w))"
)
_BLACKBOARD = re.compile(r"\\(?:mathbb|mathbbm|mathds)\s*\{?\s*(\w)\s*\}?")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
_POSSESSIVE = re.compile(r"\w\\'s\b")
_CALL = re.compile(r"\\[A-Za-z]+\s*[\[{]")
_SCRIPT = re.compile(r"([_^])(?:\{([^{}]*)\}|([^\s{}\\_^]))")


def to_plain(raw: str) -> str:
    r"""Return text without TeX, white space as single blanks.

    Example:
        >>> to_plain(r"M{\"u}ller's $\alpha$-nets: 5\% of $x^2$, \emph{fast} at ~10x")
        "Müller's α-nets: 5% of x², fast at ~10x"
    """
    if len(raw) > LONGEST or not _TEX.search(raw):
        tidy = raw.isprintable() and "  " not in raw and raw == raw.strip(" ")
        return raw if tidy else " ".join(raw.split())
    raw = " ".join(raw.split())
    parts = [
        plain_math(part.math) if part.math else plain_text(part.source) for part in segments(raw)
    ]
    return " ".join("".join(parts).split())


def plain_text(text: str) -> str:
    """Return running text (no formulas) without TeX."""
    if "\\" in text:
        text = _ACCENT.sub(_accent, _BRACE.sub(_brace, text))
        for _ in range(_PASSES):
            before = text
            text = _HREF.sub(r"\1", _NOTE.sub(r" (\1)", _STYLE.sub(r"\2", text)))
            if text == before:
                break
        text = _COMMAND.sub(_command, text.replace("\\{", _LEFT).replace("\\}", _RIGHT))
    text = _TIE.sub(_tie, text)
    if "{" in text:
        text = _ungroup(_LOST_STYLE.sub(r"\1", _ADDRESS.sub(_address, text)))
    text = _DASHES.sub(_dash, text)
    if "``" in text:
        text = _CLOSING.sub("”", text).replace("``", "“").replace("''", "”")
    return text.replace(_LEFT, "{").replace(_RIGHT, "}")


def plain_math(source: str) -> str:
    r"""Return a formula as Unicode text.

    Example:
        >>> plain_math(r"O(n^{2}) \leq \frac{a+b}{c}"), plain_math(r"\mathbb{R}^d, 10^{-3}")
        ('O(n²) ≤ (a+b)/c', 'ℝᵈ, 10⁻³')
    """
    text = _BLACKBOARD.sub(lambda match: BLACKBOARD.get(match[1], match[1]), source)
    text = _COMMAND.sub(_symbol, text)
    for _ in range(_PASSES):
        before = text
        text = _STYLE.sub(r"\2", text)
        text = _MATH_ACCENT.sub(_math_accent, text)
        text = _FRACTION.sub(lambda match: f"{_closed(match[1])}/{_closed(match[2])}", text)
        text = _ROOT.sub(lambda match: f"√{_closed(match[1])}", text)
        text = _SCRIPT.sub(_script, text)
        if text == before:
            break
    if _CALL.search(text):
        return source.strip()
    text = re.sub(r"(?<!\\)[{}]", "", text).replace("\\{", "{").replace("\\}", "}")
    text = text.replace(_RAISED, "^").replace(_LOWERED, "_")
    return text.replace("~", " ").replace("\\ ", " ")


def _ungroup(text: str) -> str:
    """Remove braces that only group or protect letters, the innermost first."""
    for _ in range(_PASSES):
        before = text
        text = _GROUP.sub(_bare, text)
        if text == before:
            break
    return text


def _bare(match: re.Match[str]) -> str:
    inner = match[1] if match[1] is not None else match[2]
    is_word = any(char.isalpha() for char in inner)
    return inner if is_word or not inner.strip() else match[0]


def _address(match: re.Match[str]) -> str:
    """Keep the words of a link apart from its address."""
    return match[1] if match[2].startswith("http") else f"{match[1]} ({match[2]})"


def _accent(match: re.Match[str]) -> str:
    base = match["group"] or match["bare"]
    if match[0] == "\\'s" and _POSSESSIVE.match(match.string, max(match.start() - 1, 0)):
        return "'s"
    base = {"\\i": "i", "\\j": "j"}.get(base, base)
    if base.startswith("\\"):
        return match[0]
    mark = ACCENTS[match["mark"] or match["letter"]]
    return unicodedata.normalize("NFC", base[0] + mark) + base[1:]


def _brace(match: re.Match[str]) -> str:
    return _LEFT if match[1] == "left" else _RIGHT


def _tie(match: re.Match[str]) -> str:
    around = match.string[match.start() - 1 : match.end() + 1]
    return "~" if _RANGE.fullmatch(around) else " "


def _dash(match: re.Match[str]) -> str:
    return "—" if len(match[0]) == 3 else "–"


def _command(match: re.Match[str]) -> str:
    """Return the character of a command in running text, or the command as it stands."""
    name, star, blank, mark = match.groups()
    shown = table().get(mark or name)
    if shown is not None:
        if mark or not shown:
            return shown
        return shown + star + ("" if name in LETTERS or blank == "{}" else blank)
    for known in long_names() if name else ():
        if name.startswith(known):
            return f"{table()[known]}{name[len(known) :]}{star}{blank}"
    return match[0]


def _symbol(match: re.Match[str]) -> str:
    """Return the character of a command in a formula; braces and arguments wait."""
    name, star, blank, mark = match.groups()
    if mark in ("{", "}"):
        return match[0]
    shown = table().get(mark or name)
    if shown is None or name in MATH_ACCENTS or name in STYLES:
        return match[0]
    if mark or not shown:
        return shown
    words = shown.isascii() and shown.isalpha()
    blank = blank.strip("{}")
    return f"{shown}{star}{' ' if words and blank else blank}"


def _math_accent(match: re.Match[str]) -> str:
    base = next(group for group in match.groups()[1:] if group is not None)
    if len(base) != 1:
        return base
    return unicodedata.normalize("NFC", base + MATH_ACCENTS[match[1]])


def _closed(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 1 or text.isalnum() else f"({text})"


def _script(match: re.Match[str]) -> str:
    kind = match[1]
    inner = (match[2] if match[2] is not None else match[3]).strip()
    letters = SUPERSCRIPT if kind == "^" else SUBSCRIPT
    word = len(inner) > 1 and any(char.isalpha() for char in inner)
    if inner and not word and all(char in letters for char in inner):
        return "".join(letters[char] for char in inner)
    if not inner:
        return ""
    mark = _RAISED if kind == "^" else _LOWERED
    closed = len(inner) == 1 or inner.isalnum() or (inner[0] == "(" and inner[-1] == ")")
    return f"{mark}{inner}" if closed else f"{mark}({inner})"
