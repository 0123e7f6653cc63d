"""The reader of WikiSection on files written by us."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.wikisection import read_wikisection, wikisection_classes

CAUSE = "Nobody knows. It may be\nthe weather."
SIGNS = "\n People sneeze. They cough."


def item(text: str) -> dict[str, object]:
    sections = ((0, len(CAUSE), "disease.cause"), (len(CAUSE), len(SIGNS), "disease.symptom"))
    return {
        "id": "https://example.org/hay",
        "type": "disease",
        "title": "Hay",
        "abstract": "Not read.",
        "text": text,
        "annotations": [
            {
                "class": "SectionAnnotation",
                "begin": begin,
                "length": length,
                "sectionHeading": "Heading",
                "sectionLabel": label,
            }
            for begin, length, label in (*sections, (len(text), 0, "disease.other"))
        ],
    }


def test_sentences_end_with_lines_and_sections(tmp_path: Path) -> None:
    path = tmp_path / "wikisection" / "wikisection_en_disease_train.json"
    path.parent.mkdir()
    path.write_text(json.dumps([item(CAUSE + SIGNS)]), encoding="utf-8")
    (document,) = documents = read_wikisection(tmp_path, "en_disease", "train")
    assert document.units == (
        "Nobody knows.",
        "It may be",
        "the weather.",
        "People sneeze.",
        "They cough.",
    )
    assert document.masses == (3, 2)
    assert document.labels == ("cause", "symptom")
    assert wikisection_classes(documents) == ("cause", "symptom")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such part"):
        read_wikisection(tmp_path, "fr_city", "train")
    with pytest.raises(UsageError, match="no such part"):
        read_wikisection(tmp_path, "en_city", "dev")
    path = tmp_path / "wikisection_en_city_test.json"
    for content in ("no json", "[{}]", "[1]", '[{"id": 1, "text": "", "annotations": [{}]}]'):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(BadInput, match="not a file of WikiSection"):
            read_wikisection(tmp_path, "en_city", "test")
