"""What changed between two texts, word by word."""

from __future__ import annotations

from difflib import SequenceMatcher

#: A run of words: "same", "added" or "removed".
Piece = tuple[str, str]


def compare(before: str, after: str) -> tuple[Piece, ...]:
    """Return runs of words that are the same, removed or added; nothing when the texts are equal.

    Example:
        >>> compare("a small model", "a large model")
        (('same', 'a'), ('removed', 'small'), ('added', 'large'), ('same', 'model'))
    """
    old, new = before.split(), after.split()
    if old == new or not old or not new:
        return ()
    pieces: list[Piece] = []
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(("same", " ".join(old[old_from:old_to])))
            continue
        if old_to > old_from:
            pieces.append(("removed", " ".join(old[old_from:old_to])))
        if new_to > new_from:
            pieces.append(("added", " ".join(new[new_from:new_to])))
    return tuple(pieces)
