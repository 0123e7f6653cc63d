"""Keeps test items out of training data: the same text, a near copy, or a copy inside a longer one.

Near copies are found exactly, not by chance: of each test text the rarest shingles (runs of three
words) are indexed, so many that a training text which shares enough of them all must share one of
these (prefix filtering). A candidate is then compared in full.

Source: Bayardo, Ma, Srikant, "Scaling up all pairs similarity search" (2007), the prefix filter.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from broadsheet.core.errors import UsageError
from broadsheet.data.records import LabelledText, ScoredPair, TextPair

T = TypeVar("T")
P = TypeVar("P", ScoredPair, TextPair)
Rule = Literal["same text", "near copy", "copy inside"]
RULES: tuple[Rule, ...] = ("same text", "near copy", "copy inside")
_WORD = re.compile(r"\w+")
#: Words in a shingle.
WIDTH = 3
#: A test text shorter than this many shingles is not looked for inside longer texts.
LEAST_INSIDE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakRules:
    """How alike is too alike.

    Args:
        near: Jaccard similarity of shingles from which a text is a near copy.
        inside: Share of a test text's shingles that a longer text may hold at most.

    Example:
        >>> LeakRules(near=0.6).inside
        0.8
    """

    near: float = 0.7
    inside: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned(Generic[T]):
    """Training data without test items.

    Args:
        kept: What may be trained on, in the order given.
        removed: How many items each rule took away; the first rule that fits counts.
        examples: For each rule up to five of the texts that were taken away, for the eye.

    Example:
        >>> Cleaned(kept=(1,), removed={"same text": 2}, examples={}).removed["same text"]
        2
    """

    kept: tuple[T, ...]
    removed: Mapping[Rule, int]
    examples: Mapping[Rule, tuple[str, ...]] = field(default_factory=dict)


#: For judged pairs, whose splits are full of variations of one sentence by design.
PAIR_RULES = LeakRules(near=0.9, inside=1.0)


class LeakIndex:
    """Finds out whether a text is, or holds, one of the test texts.

    Args:
        tests: All texts of all test sets that results will be reported on.
        rules: How alike is too alike.

    Raises:
        UsageError: A limit is not above 0 and at most 1.

    Example:
        >>> index = LeakIndex(["A man is playing a large flute in the park."])
        >>> index.rule("a man is playing a large flute, in the park")
        'same text'
        >>> index.rule("Two dogs run.") is None
        True
    """

    def __init__(self, tests: Iterable[str], rules: LeakRules | None = None) -> None:
        self._rules = rules or LeakRules()
        if not (0 < self._rules.near <= 1 and 0 < self._rules.inside <= 1):
            raise UsageError("limits of likeness lie above 0 and up to 1", received=self._rules)
        words = dict.fromkeys(tuple(words_of(text)) for text in tests)
        words.pop((), None)
        self._exact = set(words)
        self._tests = [shingles(item) for item in words]
        frequency = Counter(shingle for test in self._tests for shingle in test)
        self._prefixes: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, test in enumerate(self._tests):
            for shingle in self._prefix(test, frequency):
                self._prefixes[shingle].append(place)

    def rule(self, text: str) -> Rule | None:
        """Return the rule by which a text must not be trained on, None when it may be."""
        words = tuple(words_of(text))
        if words in self._exact:
            return "same text"
        own = shingles(words)
        found: Rule | None = None
        met: set[int] = set()
        for shingle in own:
            met.update(self._prefixes.get(shingle, ()))
        for place in met:
            test = self._tests[place]
            shared = len(own & test)
            if shared >= self._rules.near * (len(own) + len(test) - shared):
                return "near copy"
            if len(test) >= LEAST_INSIDE and shared >= self._rules.inside * len(test):
                found = "copy inside"
        return found

    def _prefix(
        self, test: frozenset[tuple[str, ...]], frequency: Mapping[tuple[str, ...], int]
    ) -> list[tuple[str, ...]]:
        """Return the rarest shingles, one of which any text that shares enough must share."""
        share = self._rules.near  # A Jaccard similarity s needs a share of s of the test text.
        if len(test) >= LEAST_INSIDE:
            share = min(share, self._rules.inside)
        needed = math.ceil(share * len(test) - 1e-9)
        rarest = sorted(test, key=lambda shingle: (frequency[shingle], shingle))
        return rarest[: len(test) - needed + 1]


def remove_leaks(
    training: Sequence[T],
    tests: Iterable[str] | LeakIndex,
    texts: Callable[[T], Sequence[str]] | None = None,
    rules: LeakRules | None = None,
) -> Cleaned[T]:
    """Return the training items none of whose texts is, or holds, a test text.

    Args:
        training: Records, or anything that `texts` can read.
        tests: Texts of the test sets, or an index of them for several calls.
        texts: Gives the texts of one item; by default those of our records and of plain strings.
        rules: How alike is too alike; for an index its own rules count.

    Example:
        >>> pairs = [TextPair("1", "a cat", "the cat sat"), TextPair("2", "a dog", "a dog ran")]
        >>> remove_leaks(pairs, ["A dog ran!"]).kept[0].id
        '1'
    """
    index = tests if isinstance(tests, LeakIndex) else LeakIndex(tests, rules)
    read = texts or texts_of
    kept: list[T] = []
    removed: dict[Rule, int] = dict.fromkeys(RULES, 0)
    examples: dict[Rule, list[str]] = {rule: [] for rule in RULES}
    for item in training:
        found = [(RULES.index(rule), text) for text in read(item) if (rule := index.rule(text))]
        if not found:
            kept.append(item)
            continue
        first, text = min(found)
        removed[RULES[first]] += 1
        if len(examples[RULES[first]]) < 5:
            examples[RULES[first]].append(text)
    return Cleaned(
        kept=tuple(kept),
        removed=removed,
        examples={rule: tuple(shown) for rule, shown in examples.items()},
    )


def remove_pair_leaks(
    training: Sequence[P], tests: Iterable[ScoredPair | TextPair], rules: LeakRules | None = None
) -> Cleaned[P]:
    """Return the training pairs that are no test pair, in either order.

    For sets of judged pairs whose splits share sentences by design (STS, SICK: one caption stands
    in several pairs), where what must not be seen is the judged pair.

    Args:
        training: Pairs to be trained on.
        tests: Pairs that results will be reported on.
        rules: How alike is too alike, `PAIR_RULES` by default; the two texts count as one.

    Example:
        >>> pair = ScoredPair("1", "a cat sat", "a dog ran", 2.0)
        >>> remove_pair_leaks([pair], [TextPair("t", "A dog ran.", "A cat sat.")]).kept
        ()
    """
    both = (f"{a} {b}" for t in tests for a, b in ((t.a, t.b), (t.b, t.a)))
    return remove_leaks(
        training, LeakIndex(both, rules or PAIR_RULES), lambda pair: (f"{pair.a} {pair.b}",)
    )


def texts_of(item: object) -> tuple[str, ...]:
    """Return the texts of a record, or a string itself.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(item, str):
        return (item,)
    if isinstance(item, ScoredPair | TextPair):
        return (item.a, item.b)
    if isinstance(item, LabelledText):
        return (item.text,)
    raise UsageError("no texts are known of this kind of item", received=type(item).__name__)


def words_of(text: str) -> list[str]:
    """Return the words of a text in normal form: compatibility forms joined, case and signs gone.

    Example:
        >>> words_of("The ﬁrst  STEP, done!")
        ['the', 'first', 'step', 'done']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def shingles(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """Return all runs of three words; a shorter text is one shingle."""
    if len(words) <= WIDTH:
        return frozenset({tuple(words)}) if words else frozenset()
    return frozenset(tuple(words[i : i + WIDTH]) for i in range(len(words) - WIDTH + 1))
