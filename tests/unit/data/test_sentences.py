"""Sentences: nothing is lost, formulas stay whole, abbreviations do not end them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.data.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("  \n", []),
        ("One.  Two!\nThree?", ["One.", "Two!", "Three?"]),
        (
            "See Beeferman et al. (1999). Then cf. Fig. 3.",
            ["See Beeferman et al. (1999).", "Then cf. Fig. 3."],
        ),
        ("It is 3.5 points, i.e. more. Good.", ["It is 3.5 points, i.e. more.", "Good."]),
        ("We set $a. B$ to 1. Done.", ["We set $a. B$ to 1.", "Done."]),
        ("It costs $5. That is cheap.", ["It costs $5.", "That is cheap."]),
        ("An open $x formula. It never ends.", ["An open $x formula.", "It never ends."]),
        (r"It costs \$x. Then more.", [r"It costs \$x.", "Then more."]),
        (
            "We offer two: (i) a set, and (ii) a measure. It works. So (iii) is next.",
            ["We offer two: (i) a set, and (ii) a measure.", "It works.", "So (iii) is next."],
        ),
        ("(1) We ask. It answers. (2) We go.", ["(1) We ask.", "It answers.", "(2) We go."]),
        ("Two ways: 1. Few, and 2. Many. Done.", ["Two ways: 1. Few, and 2. Many.", "Done."]),
        ("Items\n(a) one\n(b) two", ["Items", "(a) one", "(b) two"]),
        ("It was 2. Then more.", ["It was 2.", "Then more."]),
    ],
)
def test_known_cases(text: str, sentences: list[str]) -> None:
    assert [one.text for one in split_sentences(text)] == sentences


@given(st.text(st.sampled_from("ab .?!\n$\\0\"'(é中")) | st.text())
def test_every_character_that_is_no_space_is_in_one_sentence(text: str) -> None:
    found = split_sentences(text)
    kept = "".join(one.text for one in found)
    assert "".join(kept.split()) == "".join(text.split())
    ends = [0]
    for one in found:
        assert text[one.start : one.end] == one.text
        assert one.text == one.text.strip() != ""
        assert one.start >= ends[-1]
        ends.append(one.end)
