"""Test items stay out of training data: against brute force, and rule by rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import UsageError
from broadsheet.data.leaks import (
    LEAST_INSIDE,
    RULES,
    LeakIndex,
    LeakRules,
    Rule,
    remove_leaks,
    remove_pair_leaks,
    shingles,
    texts_of,
    words_of,
)
from broadsheet.data.records import LabelledText, ScoredPair, TextPair

LONG = "the quick brown fox jumps over the lazy dog near the old stone bridge at dawn"
#: Few words, so that texts share many shingles.
TEXTS = st.lists(st.sampled_from("abc"), min_size=0, max_size=16).map(" ".join)
LIMITS = st.sampled_from([0.3, 0.5, 0.7, 0.8, 1.0])


def slow_rule(text: str, tests: list[str], rules: LeakRules) -> Rule | None:
    """The definition, text by text."""
    words = words_of(text)
    known = [words_of(test) for test in tests if words_of(test)]
    if words in known:
        return "same text"
    own = shingles(words)
    others = [shingles(test) for test in known]
    if own and any(len(own & o) >= rules.near * len(own | o) for o in others):
        return "near copy"
    held = (o for o in others if len(o) >= LEAST_INSIDE)
    return "copy inside" if any(len(own & o) >= rules.inside * len(o) for o in held) else None


@settings(max_examples=250)
@given(st.lists(TEXTS, max_size=6), TEXTS, LIMITS, LIMITS)
def test_the_filter_finds_what_brute_force_finds(
    tests: list[str], text: str, near: float, inside: float
) -> None:
    rules = LeakRules(near=near, inside=inside)
    assert LeakIndex(tests, rules).rule(text) == slow_rule(text, tests, rules)


@pytest.mark.parametrize("near", [0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("inside", [0.3, 0.8, 1.0])
def test_parts_of_a_text_at_the_edge_of_the_limits(near: float, inside: float) -> None:
    # Words in order of the alphabet: the filter knows the first runs, the texts share the last.
    rules = LeakRules(near=near, inside=inside)
    met: set[Rule | None] = set()
    for length in range(3, 16):
        words = [f"w{n:02}" for n in range(length)]
        index = LeakIndex([" ".join(words)], rules)
        for start in range(1, length):
            for more in (0, 1, 2, 9):
                text = " ".join([f"x{n}" for n in range(more)] + words[start:])
                found = index.rule(text)
                assert found == slow_rule(text, [" ".join(words)], rules), (length, start, more)
                met.add(found)
    assert None in met
    assert "near copy" in met or near == 1.0


@settings(max_examples=100)
@given(st.lists(TEXTS, max_size=8), st.lists(TEXTS, max_size=5))
def test_nothing_left_is_a_test_text_and_nothing_is_lost(
    training: list[str], tests: list[str]
) -> None:
    cleaned = remove_leaks(training, tests)
    forbidden = {tuple(words_of(test)) for test in tests} - {()}
    assert not forbidden & {tuple(words_of(text)) for text in cleaned.kept}
    assert len(cleaned.kept) + sum(cleaned.removed.values()) == len(training)
    assert remove_leaks(cleaned.kept, tests).kept == cleaned.kept
    assert set(cleaned.removed) == set(RULES)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("THE QUICK, brown fox jumps over the lazy dog near the old stone bridge at dawn!", 0),
        ("ﬁne", 0),
        (LONG.replace("dawn", "dusk"), 1),
        (f"We saw it again: {LONG}, and then {LONG[::-1]} went on for a long while.", 2),
        ("a quick brown fox met a lazy dog", None),
        ("", None),
    ],
)
def test_rules(text: str, rule: int | None) -> None:
    index = LeakIndex([LONG, "fine", "", "---"])
    assert index.rule(text) == (None if rule is None else RULES[rule])


def test_short_texts_are_not_looked_for_inside() -> None:
    index = LeakIndex(["a man is playing a flute"])
    assert index.rule("yesterday a man is playing a flute while everybody else goes home") is None


def test_any_text_of_an_item_counts_and_the_worst_rule_is_told() -> None:
    pairs = [
        TextPair("1", LONG.replace("dawn", "dusk"), LONG),
        TextPair("2", "something else", "and more"),
    ]
    cleaned = remove_leaks(pairs, [LONG])
    assert [pair.id for pair in cleaned.kept] == ["2"]
    assert dict(cleaned.removed) == {"same text": 1, "near copy": 0, "copy inside": 0}
    assert cleaned.examples["same text"] == (LONG,)
    index = LeakIndex([LONG])
    assert remove_leaks(pairs, index).kept == cleaned.kept


def test_judged_pairs_may_share_a_sentence() -> None:
    first, second, third = "A man plays a flute.", "A man eats.", "Nobody eats."
    training = [
        ScoredPair("1", first, second, 1.0),
        ScoredPair("2", first, third, 2.0),
        ScoredPair("3", second, third, 2.0),
    ]
    tests = [ScoredPair("t", "nobody eats", "A MAN EATS", 2.0)]
    assert [pair.id for pair in remove_pair_leaks(training, tests).kept] == ["1", "2"]
    assert remove_leaks(training, ["nobody eats", "a man eats"]).kept == ()


def test_texts_of_every_record() -> None:
    assert texts_of(LabelledText("1", "a", "b")) == ("a",)
    assert texts_of("a") == ("a",)
    with pytest.raises(UsageError, match=r"Received: int"):
        texts_of(7)
    with pytest.raises(UsageError, match="limits of likeness"):
        LeakIndex([], LeakRules(near=0.0))
