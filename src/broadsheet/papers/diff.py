"""What changed between two versions of a text, word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from broadsheet.papers.model import Version, Work

#: A word with its inner hyphens and apostrophes, a TeX command, or one other character.
_TOKEN = re.compile(r"\\[A-Za-z]+|\w+(?:[-'’]\w+)*|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text: `op` is "same", "removed" or "added"."""

    op: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChange:
    """How one version reads against the last one before it whose text is known.

    Args:
        number: The version.
        since: The version it is compared with.
        date: When it appeared, possibly "".
        title: Segments when the title changed, else empty.
        abstract: Segments when the abstract changed, else empty.
    """

    number: int
    since: int
    date: str = ""
    title: tuple[Segment, ...] = ()
    abstract: tuple[Segment, ...] = ()


def diff_words(old: str, new: str) -> tuple[Segment, ...]:
    """Compare two texts word by word.

    The "same" and "removed" segments together give `old`, the "same" and "added" ones `new`.

    Example:
        >>> [(part.op, part.text) for part in diff_words("a small step", "a big step")]
        [('same', 'a '), ('removed', 'small'), ('added', 'big'), ('same', ' step')]
    """
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    parts: list[tuple[str, list[str]]] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for op, low, high, start, end in matcher.get_opcodes():
        if op == "equal":
            parts.append(("same", before[low:high]))
            continue
        parts.append(("removed", before[low:high]))
        parts.append(("added", after[start:end]))
    return tuple(Segment(op, "".join(words)) for op, words in parts if words)


def version_changes(work: Work) -> list[VersionChange]:
    """Return each version of a work that changed title or abstract, in order.

    Versions whose texts are not known are passed over: a change is told against the last version
    before it that is known.
    """
    changes = []
    known = [version for version in work.versions if version.title or version.abstract]
    for old, new in pairwise(known):
        title = _changed(old.title, new.title)
        abstract = _changed(old.abstract, new.abstract)
        if title or abstract:
            changes.append(_change(old, new, title, abstract))
    return changes


def _changed(old: str, new: str) -> tuple[Segment, ...]:
    return diff_words(old, new) if old and new and old != new else ()


def _change(
    old: Version, new: Version, title: tuple[Segment, ...], abstract: tuple[Segment, ...]
) -> VersionChange:
    return VersionChange(
        number=new.number, since=old.number, date=new.date, title=title, abstract=abstract
    )
