"""Every folder of a system has what a reader looks for, and the card is true to its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broadsheet.core.card import find_card, read_card, systems_folder
from broadsheet.metrics.verdicts import parse_expected

FOLDERS = sorted(path.parent for path in systems_folder().glob("*/*/card.toml"))
FILES = ("README.md", "__init__.py", "model.py", "recipe.py", "experiment.py", "test_system.py")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_folder_is_complete_and_the_card_names_it(folder: Path) -> None:
    card = read_card(folder / "card.toml")
    assert (card.wing, card.slug) == (folder.parent.name, folder.name)
    assert find_card(folder.name) == card
    missing = [name for name in FILES if not (folder / name).is_file()]
    assert not missing
    assert 1990 <= card.year <= 2100
    assert card.summary.count(". ") == 0, "one sentence"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_claims_can_be_judged_and_data_have_terms(folder: Path) -> None:
    card = read_card(folder / "card.toml")
    names = [claim.id for claim in card.claims]
    assert names
    assert len(set(names)) == len(names)
    for claim in card.claims:
        parse_expected(claim.expected)
    assert all(data.licence.strip() for data in card.data)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_readme_has_one_title_and_a_place_for_results(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert text.count("<!-- results:begin -->") == 1
    assert text.count("<!-- results:end -->") == 1
