"""Tables from TeX names to characters; those of pylatexenc, read once, and what they lack."""

from __future__ import annotations

import functools

#: Combining characters of accent commands.
ACCENTS = {
    "`": "\u0300",
    "'": "\u0301",
    "^": "\u0302",
    "~": "\u0303",
    "=": "\u0304",
    "u": "\u0306",
    ".": "\u0307",
    '"': "\u0308",
    "r": "\u030a",
    "H": "\u030b",
    "v": "\u030c",
    "d": "\u0323",
    "c": "\u0327",
    "k": "\u0328",
    "b": "\u0331",
}
#: Combining characters of accents in formulas.
MATH_ACCENTS = {
    "hat": "\u0302",
    "widehat": "\u0302",
    "tilde": "\u0303",
    "widetilde": "\u0303",
    "bar": "\u0304",
    "overline": "\u0305",
    "dot": "\u0307",
    "ddot": "\u0308",
    "vec": "\u20d7",
}
#: Letters that swallow the blank after them, as in `\o stergaard`.
LETTERS = frozenset({"ss", "o", "O", "l", "L", "ae", "AE", "oe", "OE", "aa", "AA", "i", "j"})
#: Commands with one argument that only change how it looks.
STYLES = frozenset(
    {
        "emph",
        "textbf",
        "textit",
        "texttt",
        "textsc",
        "textrm",
        "textsf",
        "textsl",
        "textup",
        "textmd",
        "textnormal",
        "text",
        "mbox",
        "hbox",
        "underline",
        "uline",
        "url",
        "mathrm",
        "mathbf",
        "mathit",
        "mathsf",
        "mathtt",
        "mathcal",
        "mathfrak",
        "mathscr",
        "boldsymbol",
        "bm",
        "operatorname",
        "mathop",
        "mathbin",
        "mathrel",
        "textsuperscript",
        "textsubscript",
        "ensuremath",
        "xspace",
        "pmb",
    }
)
#: Commands without an argument that leave no trace.
SILENT = frozenset(
    {
        "em",
        "bf",
        "it",
        "rm",
        "sf",
        "sl",
        "sc",
        "tt",
        "bfseries",
        "itshape",
        "rmfamily",
        "normalfont",
        "xspace",
        "allowbreak",
        "left",
        "right",
        "big",
        "Big",
        "bigg",
        "Bigg",
        "bigl",
        "bigr",
        "Bigl",
        "Bigr",
        "biggl",
        "biggr",
        "displaystyle",
        "textstyle",
        "scriptstyle",
        "limits",
        "nolimits",
        "protect",
        "noindent",
        "centering",
        "small",
        "large",
        "Large",
        "mathstrut",
    }
)
BLACKBOARD = dict(zip("CHNPQRZE1", "ℂℍℕℙℚℝℤ𝔼𝟙", strict=True))
SUPERSCRIPT = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWαβγδθ∘*′⊤∗",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵅᵝᵞᵟᶿ°*′ᵀ*",
        strict=True,
    )
)
SUBSCRIPT = dict(
    zip(
        "0123456789+-=()aehijklmnoprstuvxβγρφχ",
        "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
_LACKING = {
    "%": "%",
    "#": "#",
    " ": " ",
    "\n": " ",
    "/": "",
    "-": "",
    "@": "",
    "\\": " ",
    ":": " ",
    ">": " ",
    "LaTeX": "LaTeX",
    "TeX": "TeX",
    "degree": "°",
    "textdegree": "°",
    "textgreater": ">",
    "textless": "<",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textbackslash": "\\",
    "textunderscore": "_",
    "textpm": "±",
    "texttimes": "×",
    "textmu": "µ",
    "implies": "⟹",
    "iff": "⟺",
    "bigstar": "★",
    "lvert": "|",
    "rvert": "|",
    "lVert": "‖",
    "rVert": "‖",
    "colon": ":",
    "mid": "|",
    "cdots": "⋯",
    "top": "⊤",
    "argmax": "argmax",
    "argmin": "argmin",
    "softmax": "softmax",
    "dag": "†",
    "checkmark": "✓",
}
_UNWANTED = ("today", "hspace")


@functools.cache
def table() -> dict[str, str]:
    """Return names of commands without argument, and the characters that stand for them."""
    from pylatexenc import latex2text

    context = latex2text.get_default_latex_context_db()
    found: dict[str, str] = {}
    for category in context.categories():
        for name, spec in context.d[category]["macros"].items():
            shown = spec.simplify_repl
            if isinstance(shown, str) and "%" not in shown and "<" not in shown:
                found[name] = shown
    found |= _LACKING | dict.fromkeys(SILENT, "")
    for name in _UNWANTED:
        found.pop(name, None)
    return found


@functools.cache
def long_names() -> tuple[str, ...]:
    r"""Return names that may be cut from a longer word, as in `\rightarrowEnglish`."""
    names = [name for name, shown in table().items() if len(name) >= 5 and not shown.isascii()]
    return tuple(sorted(names, key=len, reverse=True))
