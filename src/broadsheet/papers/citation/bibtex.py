"""BibTeX with stable keys, capitals kept by braces and everything special escaped."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from broadsheet.papers.citation.reference import Reference, one_line, reference_of
from broadsheet.papers.identity import family_name, normalise_title
from broadsheet.papers.model import Author, Work
from broadsheet.papers.tex import to_plain

_MATH = re.compile(r"(?<![\\$])\$(?![\s$])[^$]*?(?<![\s\\])\$(?![\d$])")
_WORD = re.compile(r"\w+")
#: Capitals that are not those of a title: LoRA, 3D, Qwen2, U-Net (but not Low-Rank).
_PROTECTED = re.compile(r"\w[^\s/–-]*[A-Z]|[A-Z]\S*\d|\b[A-Z][–-][A-Z]")
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{char: "\\" + char for char in "{}$&%#_"},
}
_SPECIALS = str.maketrans(_SPECIAL)
_LONE_BRACES = str.maketrans(
    _SPECIAL | {"{": r"\textbraceleft{}", "}": r"\textbraceright{}"},
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LIGATURE = re.compile(r"-(?=-)|`(?=[`'])|'(?=')|,(?=,)|<(?=<)|>(?=>)|[?!](?=`)")
_CORE = re.compile(r"(\W*)(\w|\w.*\w)(\W*)")
_CORPORATE = re.compile(
    r"(?i:\b(team|group|collaboration|consortium|labs?|university|institute|foundation|inc)\b)"
    r"|\bAI\b|\d"
)
_SMALL_WORD = re.compile("an?|and|are|at|by|can|do|does|for|from|how|in|is|of|on|or|the|to")
_KINDS = {
    "preprint": ("misc", "howpublished"),
    "paper": ("inproceedings", "booktitle"),
    "article": ("article", "journal"),
}


def to_bibtex(works: Sequence[Work]) -> str:
    """Write works as BibTeX, in the given order.

    A key is family name, year and first title word (`vaswani2017attention`). It depends on the
    work alone; works of one list that would share it get a, b, c ... in the order of their ids.
    """
    references = [reference_of(work) for work in works]
    keys = _distinct_keys(references)
    return "\n".join(_entry(keys[item.work_id], item) for item in references)


def citation_key(reference: Reference) -> str:
    """Return the key of one work, not yet told apart from others: ASCII letters and digits."""
    first = reference.authors[0] if reference.authors else Author(full="")
    family = _ascii(first.family or family_name(first.full)) or "anon"
    words = (_ascii(word) for word in _WORD.findall(reference.title))
    word = next((word for word in words if word and not _SMALL_WORD.fullmatch(word)), "")
    return f"{family}{reference.year or 'nd'}{word or _ascii(reference.work_id)}"


def escape(text: str) -> str:
    r"""Escape plain text for a braced BibTeX value, so that TeX prints exactly these characters.

    BibTeX counts escaped braces too, so those without a partner are named instead.

    Example:
        >>> print(escape("100% of R&D_{x}"), escape(":-}"))
        100\% of R\&D\_\{x\} :-\textbraceright{}
    """
    table = _SPECIALS if _balanced(text) else _LONE_BRACES
    return _LIGATURE.sub(lambda match: match[0] + "\0", text).translate(table).replace("\0", "{}")


def _distinct_keys(references: Iterable[Reference]) -> dict[str, str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for reference in sorted(references, key=lambda item: item.work_id):
        group = groups[citation_key(reference)]
        if reference.work_id not in group:
            group.append(reference.work_id)
    taken = {key for key, group in groups.items() if len(group) == 1}
    keys: dict[str, str] = {}
    for key in sorted(groups):
        number = 0
        for work_id in groups[key]:
            candidate = key
            while len(groups[key]) > 1 and (candidate == key or candidate in taken):
                candidate = key + _letters(number)
                number += 1
            taken.add(candidate)
            keys[work_id] = candidate
    return keys


def _letters(number: int) -> str:
    text = ""
    while number >= 0:
        text = chr(ord("a") + number % 26) + text
        number = number // 26 - 1
    return text


def _entry(key: str, item: Reference) -> str:
    kind, container_field = _KINDS[item.kind]
    fields = {
        "title": _title(item),
        "author": " and ".join(map(_name, item.authors)),
        "year": item.year,
        container_field: escape(item.container),
        "eprint": _verbatim(item.arxiv),
        "archiveprefix": "arXiv" if item.arxiv else "",
        "primaryclass": escape(item.primary_category) if item.arxiv else "",
        "doi": _verbatim(item.doi),
        "url": _verbatim(item.url),
        "abstract": escape(item.abstract),
        "keywords": escape(", ".join(item.keywords)),
        "note": item.note,
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    month = item.issued[5:7]
    if month.isdigit() and 1 <= int(month) <= 12:
        lines.append(f"  month = {_MONTHS[int(month) - 1]},")
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])


def _title(item: Reference) -> str:
    """Keep formulas as TeX, escape the text between them, protect words that carry capitals."""
    spans = [match for match in _MATH.finditer(item.tex_title) if _balanced(match[0])]
    if not spans:
        return _protected(item.title)
    parts: list[str] = []
    position = 0
    for match in spans:
        parts.append(_between(item.tex_title[position : match.start()]))
        parts.append(f"{{{match[0]}}}")
        position = match.end()
    parts.append(_between(item.tex_title[position:]))
    return "".join(parts)


def _between(tex: str) -> str:
    """Return text that stands beside a formula, its outer blanks kept."""
    if not tex.strip():
        return tex
    before = " " if tex[0] == " " else ""
    after = " " if tex[-1] == " " else ""
    return before + _protected(one_line(to_plain(tex))) + after


def _protected(text: str) -> str:
    return " ".join(map(_guarded, text.split(" ")))


def _guarded(word: str) -> str:
    """Brace a word's letters when they carry capitals of their own, not the marks around them."""
    match = _CORE.fullmatch(word)
    if match is None or not _PROTECTED.search(word):
        return escape(word)
    before, core, after = match.groups()
    return f"{escape(before)}{{{escape(core)}}}{escape(after)}"


def _name(author: Author) -> str:
    family, given, suffix = map(one_line, (author.family, author.given, author.suffix))
    if not family:
        full = one_line(author.full)
        single = " " not in full or "," in full or _splits(full) or _CORPORATE.search(full)
        return f"{{{escape(full)}}}" if single else escape(full)
    parts = [part for part in (family, suffix, given) if part]
    if len(parts) == 1:
        return f"{{{escape(family)}}}"
    guarded = (f"{{{escape(p)}}}" if "," in p or _splits(p) else escape(p) for p in parts)
    return ", ".join(guarded) if given else ", ".join([*guarded, "{}"])


def _splits(text: str) -> bool:
    """Tell whether BibTeX would read the text as several names."""
    return bool(re.search(r"(^|\s)and(\s|$)", text, re.IGNORECASE))


def _verbatim(identifier: str) -> str:
    """Write an id or address, which BibTeX styles print as it stands."""
    return identifier.replace("\\", "%5C").replace("{", "%7B").replace("}", "%7D")


def _balanced(text: str) -> bool:
    """Tell whether braces match as BibTeX counts them: escaped ones count too."""
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def _ascii(text: str) -> str:
    return normalise_title(text).encode("ascii", "ignore").decode()
