"""Cards: read as written, and a wrong one is answered with the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from broadsheet.core.card import find_card, read_card
from broadsheet.core.errors import BadInput, NotFound

CARD = """
slug = "two_towers"
wing = "retrieval"
title = "Two Towers"
authors = ["A. Author"]
year = 2020
summary = "Two encoders, one space."

[[claims]]
id = "better"
text = "It is better."
metric = "nDCG@10"
expected = ">= 1"

[[data]]
name = "made here"
licence = "ours"
use = "train and test"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "card.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_card_is_read_as_written(tmp_path: Path) -> None:
    card = read_card(write(tmp_path, CARD))
    assert (card.slug, card.wing, card.authors) == ("two_towers", "retrieval", ("A. Author",))
    assert card.claims[0].source == "paper"
    assert not card.data[0].ships, "nothing ships unless the card says so"
    with pytest.raises(ValidationError):
        card.title = "another"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"two_towers"', '"Two-Towers"', "slug"),
        ('"retrieval"', '"kitchen"', "wing"),
        ("year = 2020", 'year = "soon"', "year"),
        ('expected = ">= 1"', "", "claims.0.expected"),
        ('use = "train and test"', 'use = "all"', "data.0.use"),
        ("year = 2020", "year = 2020\ncolour = 1", "colour"),
        ("year = 2020", "year 2020", "not TOML"),
    ],
)
def test_a_wrong_card_names_the_field(tmp_path: Path, old: str, new: str, field: str) -> None:
    with pytest.raises(BadInput, match=field.replace(".", r"\.")):
        read_card(write(tmp_path, CARD.replace(old, new)))


def test_an_unknown_system_is_answered_with_those_that_exist() -> None:
    with pytest.raises(NotFound, match="no such system"):
        find_card("no_such_system")
