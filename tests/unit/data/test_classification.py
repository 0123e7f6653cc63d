"""Sentence classification: labels, encodings, splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.classification import TASKS, read_classification


def test_lines_without_text_are_passed_over(golden: Path) -> None:
    texts = read_classification(golden / "data", "cr")
    assert [(item.id, item.label) for item in texts] == [
        ("cr-custrev.all-1", "negative"),
        ("cr-custrev.all-2", "positive"),
    ]


def test_the_folder_may_have_another_name_or_be_a_link(golden: Path, tmp_path: Path) -> None:
    known = read_classification(golden / "data" / "sent-conv", "cr")
    for name in ("sent-conv", "lama", "data"):
        folder = tmp_path / f"holds-{name}"
        folder.mkdir()
        (folder / name).symlink_to(golden / "data" / "sent-conv")
        assert read_classification(folder, "cr") == known


def test_each_line_has_its_own_encoding(golden: Path) -> None:
    first, second = read_classification(golden / "data" / "sent-conv", "mr")
    assert first.text == "a naïve but lovely café scene ."
    assert second.text == "crème brûlée gone bad ."


def test_splits_and_names_of_classes(golden: Path) -> None:
    test = read_classification(golden / "data", "trec", "test")
    assert [item.label for item in test] == ["location", "number", "description"]
    whole = read_classification(golden / "data", "trec")
    assert [item.label for item in whole] == ["abbreviation", "human", *(i.label for i in test)]
    assert len({item.id for item in whole}) == 5


@pytest.mark.parametrize(("task", "split"), [("mr", "test"), ("none", "all"), ("trec", "dev")])
def test_no_such_task_or_split(golden: Path, task: str, split: str) -> None:
    with pytest.raises(UsageError, match="no such"):
        read_classification(golden / "data", task, split)  # type: ignore[arg-type]


def test_a_class_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "subj.all").write_text("1 fine\n2 not\n")
    with pytest.raises(BadInput, match=r"subj\.all, line 2: no class from 0 to 1"):
        read_classification(tmp_path, "subj")


def test_every_task_names_its_classes_once() -> None:
    for task in TASKS.values():
        assert len(set(task.classes)) == len(task.classes) >= 2
        assert task.files
