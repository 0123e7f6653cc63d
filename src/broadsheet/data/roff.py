"""Reads the source of a manual page: sections, paragraphs and plain text, without a typesetter.

Only what stands in running text is kept. Synopses in `.nf`, examples in `.EX`, tables and macro
definitions are passed over.

**Source**: man(7) and groff_char(7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_SIGNS = {
    "aq": "'", "oq": "'", "cq": "'", "dq": '"', "lq": '"', "rq": '"', "em": " - ", "en": "-",
    "hy": "-", "mi": "-", "bu": "", "ha": "^", "ti": "~", "ga": "`", "rs": "\\", "co": "(c)",
    "rg": "(R)", "tm": "(TM)", "mu": "x", "+-": "+-", "<=": "<=", ">=": ">=", "!=": "!=",
    "->": "->", "<-": "<-", "sr": "sqrt", "if": "infinity", "*p": "pi", "de": " degrees",
    "12": "1/2", "14": "1/4", "or": "|", "at": "@", "sh": "#", "ss": "ß", "R": "(R)", "Tm": "(TM)",
    "pc": ".", "ps": "", "dg": "", "fo": "<", "fc": ">", "Fo": '"', "Fc": '"', "ua": "^",
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:"
    r'(?P<comment>["#].*)'
    r"|f(?:\(..|\[[^\]]*\]|.)"
    r"|s(?:[-+]?\d+|\[[^\]]*\]|[-+]?\(\d\d)"
    r"|[*](?P<string>\(..|\[[^\]]*\]|.)"
    r"|\((?P<two>..)"
    r"|\[(?P<name>[^\]]*)\]"
    r"|[nmMgk](?:\(..|\[[^\]]*\]|.)"
    r"|[hvwlLDoZ]'[^']*'"
    r"|(?P<one>.)"
    r")"
)
_ONE = {"-": "-", "e": "\\", " ": " ", "~": " ", "0": " ", "'": "'", "`": "`", "\\": "\\"}
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|[^\s"\\]|(?<=[^\s])")+)')
_BREAKS = frozenset(
    "PP LP P IP TP TQ HP sp br RS RE INDENT UNINDENT SS bp in ti SY YS".split()  # noqa: SIM905
)
_FONTS = frozenset(("B", "I", "SM", "SB", "R"))
_MIXED = frozenset(("BR", "RB", "BI", "IB", "IR", "RI"))
_VERBATIM = {"nf": "fi", "EX": "EE", "TS": "TE", "SY": "YS", "de": ".", "de1": ".", "ig": "."}


@dataclass(slots=True)
class ManualSection:
    r"""A section of a manual page.

    Args:
        heading: As printed, such as "RETURN VALUE".
        paragraphs: Its running text.

    Example:
        >>> [section] = read_roff(".SH NAME" + chr(10) + r"ls \- list" + chr(10) + ".B files")
        >>> section.heading, section.paragraphs
        ('NAME', ['ls - list files'])
    """

    heading: str
    paragraphs: list[str] = field(default_factory=list)


def read_roff(source: str) -> list[ManualSection]:
    """Return the sections of a page that is written with the man macros.

    What stands before the first heading is left out; a page that only points to another one (`.so`)
    has no sections.
    """
    sections: list[ManualSection] = []
    words: list[str] = []

    def end_paragraph() -> None:
        text = " ".join("".join(words).split())
        if text and sections:
            sections[-1].paragraphs.append(text)
        words.clear()

    for macro, text in _lines(source):
        if macro == "SH":
            end_paragraph()
            sections.append(ManualSection(" ".join(text.split())))
            continue
        if macro in _BREAKS:
            end_paragraph()
        if macro in ("UE", "ME") and words:
            words[-1] = words[-1].rstrip()
        if text:
            words.append(text)
    end_paragraph()
    return sections


def plain_text(text: str) -> str:
    r"""Return a line without its escapes.

    Example:
        >>> plain_text(r"the \fIfd\fP\(aqs \-1 \e0 \" a comment")
        "the fd's -1 \\0 "
    """
    return _ESCAPE.sub(_sign, text)


def _lines(source: str) -> Iterator[tuple[str, str]]:
    """Yield the macro (or "") and the text of each line that is not verbatim.

    The text ends in a blank unless the next line is to follow without one.
    """
    until, tag = "", False
    for line in re.sub(r"\\\n", "", source).split("\n"):
        macro, rest = _macro(line)
        if until:
            until = "" if macro == until else until
        elif macro in _VERBATIM:
            until = _VERBATIM[macro]
        elif macro in ("SH", "SS") and not rest.strip():
            tag = macro == "SH"  # the heading stands on the next line
        elif not macro and tag:
            yield "SH", plain_text(line)
            tag = False
        else:
            yield macro, _text_of(macro, rest if macro else line)


def _macro(line: str) -> tuple[str, str]:
    """Return the name of the macro that a line calls, and what follows it."""
    if not line.startswith((".", "'")):
        return "", line
    name, _, rest = line[1:].lstrip(" \t").partition(" ")
    name, tab, after = name.partition("\t")
    if line.startswith("'") and name[:2] not in ('\\"', "br", "so"):
        return "", line
    if name.startswith("\\"):
        return "comment", ""
    return name or "comment", after + tab + rest


def _text_of(macro: str, rest: str) -> str:
    if not macro:
        joined = rest.endswith("\\c")
        return plain_text(rest.removesuffix("\\c")) + ("" if joined else " ")
    if macro == "SH":
        return " ".join(_arguments(rest))
    if macro in _FONTS:
        return " ".join(_arguments(rest)) + " "
    if macro in _MIXED:
        return "".join(_arguments(rest)) + " "
    if macro == "IP":
        first = _arguments(rest)[:1]
        return f"{first[0]} " if first and any(sign.isalpha() for sign in first[0]) else ""
    if macro in ("UR", "MT"):
        return ""
    if macro in ("UE", "ME"):
        return "".join(_arguments(rest)) + " "
    return ""


def _arguments(rest: str) -> list[str]:
    """Return the arguments of a macro, without escapes."""
    uncommented = re.sub(r'\\".*', "", rest)
    found = [quoted.replace('""', '"') or bare for quoted, bare in _ARGUMENT.findall(uncommented)]
    return [plain_text(one) for one in found]


def _sign(found: re.Match[str]) -> str:
    name = found["two"] or found["name"] or (found["string"] or "").strip("([]")
    if name:
        return _SIGNS.get(name, "")
    return _ONE.get(found["one"] or "", "")
