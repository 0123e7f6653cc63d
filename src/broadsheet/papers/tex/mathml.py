r"""Formulas as MathML that is safe to show.

The converter passes some of what it is given through as live markup (`\text{<svg/onload=...>}`),
so nothing leaves this module that nh3 has not cleaned against the lists below. A formula that
can't be converted whole is shown as its source.
"""

from __future__ import annotations

import functools
import re
from html import escape

import nh3

LONGEST_FORMULA = 1_500
_DEEPEST = 20
_TAGS = frozenset(
    {
        "math",
        "mrow",
        "mi",
        "mn",
        "mo",
        "ms",
        "mtext",
        "mspace",
        "msup",
        "msub",
        "msubsup",
        "munder",
        "mover",
        "munderover",
        "mmultiscripts",
        "mprescripts",
        "none",
        "mfrac",
        "msqrt",
        "mroot",
        "mtable",
        "mtr",
        "mtd",
        "mpadded",
        "mphantom",
        "menclose",
        "mstyle",
    }
)
_ATTRIBUTES = {
    "math": {"display"},
    "mo": {"stretchy", "fence", "separator", "form", "accent"},
    "mi": {"mathvariant"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mtable": {"columnalign"},
    "mtd": {"columnalign"},
}
_VALUE = re.compile(
    r"true|false|block|inline|normal|prefix|infix|postfix|0"
    r"|(?:left|center|right)(?: (?:left|center|right)){0,30}"
)
_VISIBLE = re.compile(r"<(?:mi|mn|mo|mtext|ms|mtable|msqrt)\b")
# Text goes through the converter as it stands; links and classes have no place in a formula.
_RISKY = re.compile(
    r"\\(?:text[a-z]*|[mh]box|math[a-z]+|operatorname)\s*\{[^{}]*[<>&]"
    r"|\\(?:href|url|style|class|html[a-z]*|data|cssId)(?![A-Za-z])",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"\\[A-Za-z]")


def formula_to_html(source: str, *, block: bool = False) -> str:
    r"""Return a formula as cleaned MathML, or as its source in `<code>`.

    Example:
        >>> formula_to_html("x")
        '<math display="inline"><mrow><mi>x</mi></mrow></math>'
        >>> formula_to_html(r"\undefined{x}")
        '<code>\\undefined{x}</code>'
    """
    return _convert(source, block) or f"<code>{escape(source)}</code>"


@functools.lru_cache(maxsize=4_096)
def _convert(source: str, block: bool) -> str:
    """Return cleaned MathML, or "" when the formula can't be shown as such."""
    if len(source) > LONGEST_FORMULA or _depth(source) > _DEEPEST or _RISKY.search(source):
        return ""
    from latex2mathml.converter import convert

    try:
        made = convert(source, display="block" if block else "inline")
    except Exception:
        return ""
    if _UNKNOWN.search(made):
        return ""
    safe = nh3.clean(
        made,
        tags=set(_TAGS),
        clean_content_tags={"script", "style", "annotation", "annotation-xml"},
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=_allowed,
        strip_comments=True,
        link_rel=None,
    )
    return safe if safe.startswith("<math") and _VISIBLE.search(safe) else ""


def _allowed(tag: str, name: str, value: str) -> str | None:
    return value if _VALUE.fullmatch(value) else None


def _depth(source: str) -> int:
    deepest = depth = 0
    for char in source:
        depth += (char == "{") - (char == "}")
        deepest = max(deepest, depth)
    scripts = max((len(run) for run in re.findall(r"(?:[_^]\s*\S\s*)+", source)), default=0)
    commands = len(re.findall(r"\\(?:left|begin|sqrt|frac|binom|[a-z]*text[a-z]*)\b", source))
    return max(deepest, scripts // 8, commands // 4)
