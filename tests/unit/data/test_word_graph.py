"""The dictionary as a graph: pointers are followed, the phrase's own words left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.data.word_graph import read_word_graph

NOUNS = """  1 This is a licence line.
00000010 13 n 02 hot_dog 0 weenie 1 002 @ 00000020 n 0000 ! 00000030 n 0000 | a smooth sausage; "x"
00000020 13 n 01 meat 0 000 | the flesh of animals
00000030 13 n 01 salad 0 000 | leaves
"""


def write(folder: Path, noun: str = NOUNS) -> Path:
    (folder / "data.noun").write_text(noun, encoding="utf-8")
    for part in ("verb", "adj", "adv"):
        (folder / f"data.{part}").write_text("", encoding="utf-8")
    return folder


def test_neighbours_are_gloss_words_synonyms_and_what_is_pointed_to(tmp_path: Path) -> None:
    graph = read_word_graph(write(tmp_path))
    assert graph.neighbours("Hot-Dog") == ("meat", "sausage", "smooth", "weenie")
    assert "hot dog" in graph
    assert "cold dog" not in graph
    assert graph.neighbours("cold dog") == ()


def test_a_damaged_line_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"line 1 of data\.noun"):
        read_word_graph(write(tmp_path, "00000010 13 n 02 hot_dog 0\n"))
    (tmp_path / "data.verb").unlink()
    write_noun = tmp_path / "data.noun"
    write_noun.write_text("")
    with pytest.raises(BadInput, match="a file of WordNet is missing"):
        read_word_graph(tmp_path)
