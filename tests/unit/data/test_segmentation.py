"""Readers of segmented documents: written files in the real shape, then the real files."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.segmentation import (
    SegmentedDocument,
    read_choi,
    read_csabstruct,
    read_lectures,
    read_wiki_sections,
)
from broadsheet.metrics.segmentation import window_size


def write_lines(path: Path, *items: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")


def test_roles_of_sentences_become_runs(tmp_path: Path) -> None:
    item = {
        "abstract_id": 7,
        "sentences": ["Much is known.", "We ask.", " ", "We  try.", "It works."],
        "labels": ["background", "objective", "method", "method", "result"],
        "confs": [1, 1, 1, 1, 1],
    }
    write_lines(tmp_path / "csabstruct" / "dev.jsonl", item)
    (document,) = read_csabstruct(tmp_path, "dev")
    assert document.units == ("Much is known.", "We ask.", "We try.", "It works.")
    assert document.unit_labels() == ("background", "objective", "method", "result")
    assert document.owners() == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ["method"]},
        {"labels": ["method", "joke"]},
        {"labels": None},
        {"sentences": "text"},
        {"sentences": [1, 2]},
        {"sentences": ["", ""]},
    ],
)
def test_broken_abstracts_name_their_line(tmp_path: Path, change: dict[str, object]) -> None:
    good = {"sentences": ["a", "b"], "labels": ["method", "result"]}
    write_lines(tmp_path / "csabstruct_test.jsonl", good, {**good, **change})
    with pytest.raises(BadInput, match="line 2"):
        read_csabstruct(tmp_path, "test")


def test_choi_files_are_cut_at_their_marks(tmp_path: Path) -> None:
    text = "==========\nA b .\nC .\n==========\nD ''e .\n==========\n"
    with tarfile.open(tmp_path / "choi.tar.gz", "w:gz") as archive:
        for name in ("10", "9"):
            member = tarfile.TarInfo(f"data/choi/1/3-11/{name}.ref")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    first, second = read_choi(tmp_path)
    assert (first.id, second.id) == ("1/3-11/9", "1/3-11/10")
    assert first.units == ("A b .", "C .", "D ''e .")
    assert first.masses == (2, 1)


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    (tmp_path / "choi.tar.gz").write_bytes(b"no archive")
    with pytest.raises(BadInput, match="damaged"):
        read_choi(tmp_path)


def test_a_lectures_clips_end_topics(tmp_path: Path) -> None:
    item = {"example_id": "mit1@@x", "text": ["a", "b", "c"], "labels": [0, 1, 1]}
    write_lines(tmp_path / "avlecture_dev.jsonl", item)
    (document,) = read_lectures(tmp_path, "dev")
    assert document == SegmentedDocument(id="mit1@@x", units=("a", "b", "c"), masses=(2, 1))
    write_lines(tmp_path / "avlecture_dev.jsonl", {**item, "labels": [0, 2, 1]})
    with pytest.raises(BadInput, match="0 or 1"):
        read_lectures(tmp_path, "dev")


def test_deep_sections_belong_to_the_one_above(tmp_path: Path) -> None:
    sections = [
        {"heading": "", "level": 1, "text": "It is. It was."},
        {"heading": "Past", "level": 2, "text": ""},
        {"heading": "Old", "level": 3, "text": "Long ago."},
        {"heading": "Now", "level": 2, "text": "Today, e.g. here."},
        {"heading": "Empty", "level": 2, "text": " "},
    ]
    write_lines(tmp_path / "wiki-sections.jsonl", {"title": "Time", "sections": sections})
    (document,) = read_wiki_sections(tmp_path)
    assert document.units == ("It is.", "It was.", "Long ago.", "Today, e.g. here.")
    assert (document.masses, document.labels) == ((2, 1, 1), ("", "Past", "Now"))
    (deep,) = read_wiki_sections(tmp_path, level=3)
    assert deep.labels == ("", "Old", "Now")


def test_no_such_split(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such split"):
        read_csabstruct(tmp_path, "validation")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no such split"):
        read_lectures(tmp_path, "train")  # type: ignore[arg-type]


def test_segments_cover_their_units() -> None:
    with pytest.raises(BadInput, match="fit together"):
        SegmentedDocument(id="x", units=("a", "b"), masses=(1,))


@pytest.mark.data
def test_the_real_files(data_folder: Path) -> None:
    counts = {}
    for split in ("train", "dev", "test"):
        documents = read_csabstruct(data_folder, split)
        counts[split] = (len(documents), sum(len(one.units) for one in documents))
    assert {split: count for split, (count, _) in counts.items()} == {
        "train": 1668,
        "dev": 295,
        "test": 226,
    }
    choi = read_choi(data_folder)
    assert len(choi) == 920
    assert sorted({len(one.masses) for one in choi}) == [9, 10]  # fourteen have an empty piece
    lectures = {split: read_lectures(data_folder, split) for split in ("dev", "test")}
    assert [len(found) for found in lectures.values()] == [35, 70]
    assert all(len(one.masses) > 1 for found in lectures.values() for one in found)
    wiki = read_wiki_sections(data_folder)
    assert len(wiki) == 87
    assert all(window_size(one.masses) < len(one.units) for one in wiki)
