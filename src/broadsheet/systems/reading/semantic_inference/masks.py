"""Which words a guided head may look at: one mask per linguistic role.

A mask is drawn over slots: START, the words, END, so word i is slot i + 1. Word pieces copy the
row and column of their word. Two modes: "fixed" gives a row without any allowed column itself (else
adding -1e10 to all its scores leaves plain uniform attention over everything, padding included);
"official" leaves such rows empty, as the authors' code does.

Legend: L positions, R roles, S slots.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import UsageError
from broadsheet.systems.reading.semantic_inference.parses import Parse

Mode = Literal["fixed", "official"]
Mask = NDArray[np.bool_]

#: spaCy's English models say dobj, universal dependencies (and newer parsers) say obj.
MAJOR = frozenset(("nsubj", "dobj", "obj", "amod", "advmod"))
SEPARATORS = frozenset((";", "?", ",", ".", ":", "!"))
NEGATIONS = frozenset(("no", "not", "n't", "never", "none", "nothing", "nobody", "neither", "nor"))
STOP_WORDS = frozenset(
    (
        *("a", "an", "the", "of", "in", "on", "at", "to", "for", "and", "or", "but", "is", "are"),
        *("was", "were", "be", "it", "its", "this", "that", "with", "as", "by", "from", "what"),
        *("which", "who", "do", "does", "did", "has", "have", "had", "he", "she", "they", "you"),
    )
)
#: The roles of the thesis's last grid, in the order of its heads.
ROLES = ("positional", "both_direct", "major_rels", "separator", "rare_word")
_REACH = 2


class RoleMaskBuilder:
    """Draws the masks of a sentence.

    Args:
        roles: Their names in the order of the heads; see `known_roles`.
        idf: Inverse document frequency by lower-case word, for rare words; see `word_idf`.
        mode: fixed or official.
        most: Words behind this many are cut off; heads and children beyond are left out.

    Raises:
        UsageError: An unknown role.

    Example:
        >>> one = Parse(("dogs", "bark", "."), (1, 1, 1), ("nsubj", "ROOT", "punct"),
        ...             ("NOUN", "VERB", "PUNCT"))
        >>> builder = RoleMaskBuilder(("both_direct",), {})
        >>> builder.build(one).astype(int)[0].tolist()
        [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]
    """

    def __init__(
        self,
        roles: Sequence[str],
        idf: Mapping[str, float],
        *,
        mode: Mode = "fixed",
        most: int = 128,
    ) -> None:
        unknown = [role for role in roles if role not in _DRAWERS]
        if unknown:
            raise UsageError("no such role", received=unknown[0], hint=", ".join(_DRAWERS))
        self.roles = tuple(roles)
        self.most = most
        self._idf = dict(idf)
        self._mode = mode

    def build(self, one: Parse) -> Mask:
        """Return the masks over START, the words and END.

        Shape:
            [R, S], S = words + 2: row may look at column.
        """
        size = min(len(one.words), self.most) + 2
        masks_RSS = np.zeros((len(self.roles), size, size), np.bool_)
        for mask_SS, role in zip(masks_RSS, self.roles, strict=True):
            _DRAWERS[role](mask_SS, one, self._idf)
        if self._mode == "fixed":
            fill_empty_rows(masks_RSS)
        return masks_RSS

    def build_pieces(self, one: Parse, words: Sequence[int | None]) -> Mask:
        """Return the masks over word pieces.

        Args:
            one: The sentence.
            words: For each piece the place of its word, None for special tokens: those before the
                first word are START, all others END (what `tokenizers` calls word_ids).

        Shape:
            [R, L, L].
        """
        return expand(self.build(one), slots_of(words, min(len(one.words), self.most)))


def slots_of(words: Sequence[int | None], count: int) -> NDArray[np.int64]:
    """Return the slot of each word piece; pieces of words that were cut off are at END.

    Example:
        >>> slots_of([None, 0, 0, 1, None], 2).tolist()
        [0, 1, 1, 2, 3]
    """
    slots = []
    seen = False
    for word in words:
        seen = seen or word is not None
        outside = word is None or word >= count
        slots.append((count + 1 if seen else 0) if outside else int(word or 0) + 1)
    return np.array(slots, np.int64)


def expand(masks_RSS: Mask, slots_L: NDArray[np.int64]) -> Mask:
    """Return masks over positions, each of which copies the row and column of its slot."""
    found: Mask = masks_RSS[:, slots_L][:, :, slots_L]
    return found


def fill_empty_rows(masks_RSS: Mask) -> None:
    """Let each row that may look at nothing look at itself, in place."""
    empty_RS = ~masks_RSS.any(axis=2)
    role, row = np.nonzero(empty_RS)
    masks_RSS[role, row, row] = True


def random_masks(masks_RSS: Mask, rng: np.random.Generator) -> Mask:
    """Return masks in which every row may look at as many columns as before, drawn at random.

    The control of equal density: what a head gains from fewer choices alone.
    """
    order_RSS = rng.random(masks_RSS.shape).argsort(axis=2).argsort(axis=2)
    found: Mask = order_RSS < masks_RSS.sum(axis=2, keepdims=True)
    return found


def borrowed_masks(masks_RSS: Mask, size: int) -> Mask:
    """Return another sentence's masks for a sentence of `size` slots: the shuffled-guides control.

    START and END stay at the ends; words that the other sentence lacks look at themselves.
    """
    other = masks_RSS.shape[1]
    inner = min(size, other) - 1
    keep = np.array([*range(inner), other - 1])
    place = np.array([*range(inner), size - 1])
    found = np.zeros((len(masks_RSS), size, size), np.bool_)
    found[:, place[:, None], place[None, :]] = masks_RSS[:, keep][:, :, keep]
    fill_empty_rows(found)
    return found


def word_idf(sentences: Iterable[Sequence[str]]) -> dict[str, float]:
    """Return ln(N / df) by lower-case word.

    Example:
        >>> word_idf([("A", "b"), ("a",)])["b"] > word_idf([("A", "b"), ("a",)])["a"]
        True
    """
    counts: Counter[str] = Counter()
    total = 0
    for words in sentences:
        counts.update({word.lower() for word in words})
        total += 1
    return {word: math.log(total / count) for word, count in counts.items()}


def known_roles() -> tuple[str, ...]:
    """Return the names of all roles."""
    return tuple(_DRAWERS)


_Drawer = Callable[[Mask, Parse, Mapping[str, float]], None]


def _positional(mask_SS: Mask, one: Parse, idf: Mapping[str, float]) -> None:
    places = np.arange(len(mask_SS))
    mask_SS |= np.abs(places[:, None] - places[None, :]) <= _REACH


def _both_direct(mask_SS: Mask, one: Parse, idf: Mapping[str, float]) -> None:
    words = len(mask_SS) - 2
    for place, head in enumerate(one.heads[:words]):
        mask_SS[place + 1, place + 1] = True
        if head < words:  # a head behind the cut has no slot
            mask_SS[place + 1, head + 1] = mask_SS[head + 1, place + 1] = True


def _major_rels(mask_SS: Mask, one: Parse, idf: Mapping[str, float]) -> None:
    chosen: set[int] = set()
    for place, relation in enumerate(one.relations):
        if relation in MAJOR:
            chosen.update((place, one.heads[place], *one.children(place)))
    _columns(mask_SS, chosen)


def _separator(mask_SS: Mask, one: Parse, idf: Mapping[str, float]) -> None:
    _columns(mask_SS, {place for place, word in enumerate(one.words) if word in SEPARATORS})
    mask_SS[:, [0, -1]] = True


def _rare_word(mask_SS: Mask, one: Parse, idf: Mapping[str, float]) -> None:
    words = [word.lower() for word in one.words[: len(mask_SS) - 2]]
    rarest = max(idf.values(), default=0.0) + 1.0  # a word that was never counted is the rarest
    alphabetic = [place for place, word in enumerate(words) if word.isalpha()]
    alphabetic.sort(key=lambda place: (-idf.get(words[place], rarest), place))
    _columns(mask_SS, set(alphabetic[: max(2, len(words) // 10)]))


def _tagged(*tags: str) -> _Drawer:
    def draw(mask_SS: Mask, one: Parse, idf: Mapping[str, float]) -> None:
        _columns(mask_SS, {place for place, tag in enumerate(one.parts) if tag in tags})

    return draw


def _listed(words: frozenset[str]) -> _Drawer:
    def draw(mask_SS: Mask, one: Parse, idf: Mapping[str, float]) -> None:
        _columns(mask_SS, {i for i, word in enumerate(one.words) if word.lower() in words})

    return draw


def _columns(mask_SS: Mask, places: Iterable[int]) -> None:
    """Let every row look at the words at `places`, as far as they have a slot."""
    slots = [place + 1 for place in places if place < len(mask_SS) - 2]
    mask_SS[:, slots] = True


_DRAWERS: dict[str, _Drawer] = {
    "positional": _positional,
    "both_direct": _both_direct,
    "major_rels": _major_rels,
    "separator": _separator,
    "rare_word": _rare_word,
    "noun": _tagged("NOUN", "PROPN"),
    "verb": _tagged("VERB", "AUX"),
    "adjective": _tagged("ADJ"),
    "negation": _listed(NEGATIONS),
    "stop_word": _listed(STOP_WORDS),
}
