"""What is held out is the test sets, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.data.heldout import held_out_texts, split_papers
from broadsheet.data.leaks import LeakIndex, remove_leaks
from broadsheet.data.paper_pairs import title_abstract_pairs
from broadsheet.data.papers import Paper, read_acl


def test_every_set_is_there(golden: Path) -> None:
    texts = held_out_texts(golden / "data")
    assert {name: len(items) for name, items in texts.items()} == {
        "stsb-dev": 4,
        "stsb-test": 6,
        "sick-test": 6,
        "cranfield": 5,
        "acl-2022": 4,
    }
    assert "Lantern: Reading Small Maps" in texts["acl-2022"]
    assert "how does a kettle lift ." in texts["cranfield"]


def test_a_test_paper_from_another_source_is_a_leak(golden: Path) -> None:
    papers = read_acl(golden / "data")
    lantern = papers[0]
    copy = Paper(
        id="arxiv:2205.00001", title=lantern.title.upper(), abstract=lantern.abstract, year=2022
    )
    train, test = split_papers([*papers, copy])
    assert [paper.id for paper in test] == ["acl:2022.maps-long.1", "acl:2022.maps-long.2"]
    assert copy in train
    index = LeakIndex(text for part in held_out_texts(golden / "data").values() for text in part)
    kept = remove_leaks(title_abstract_pairs(train), index).kept
    assert [pair.id for pair in kept] == ["acl:W19-8104"]


@pytest.mark.data
def test_real_sizes(data_folder: Path) -> None:
    texts = held_out_texts(data_folder)
    assert len(texts["stsb-test"]) == 2 * 1379
    assert len(texts["sick-test"]) == 2 * 4927
    assert len(texts["cranfield"]) == 1400 + 225
    assert len(texts["acl-2022"]) > 8_000
