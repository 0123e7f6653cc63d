"""SICK: pairs of sentences with relatedness (1 to 5) and entailment (CC BY-NC-SA 3.0)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from broadsheet.core.errors import UsageError
from broadsheet.data.files import broken, find, lines_of, number_of
from broadsheet.data.records import ScoredPair

Split = Literal["train", "dev", "test"]
_FILES = {"train": "SICK_train.txt", "dev": "SICK_trial.txt", "test": "SICK_test_annotated.txt"}
_PARTS = {"train": "TRAIN", "dev": "TRIAL", "test": "TEST"}
#: The column's name in the files of SemEval 2014 and in the single file of the authors.
_COLUMNS = {
    "id": ("pair_ID",),
    "a": ("sentence_A",),
    "b": ("sentence_B",),
    "score": ("relatedness_score",),
    "label": ("entailment_judgment", "entailment_label"),
}
LABELS = ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")


def read_sick(folder: Path, split: Split) -> tuple[ScoredPair, ...]:
    """Read one split of SICK: 4,500 pairs for training, 500 for trial, 4,927 for test.

    Args:
        folder: The folder of the three files of SemEval 2014 or of `SICK.txt`, or one that
            holds it as `sick` or `sts12-16-sick/sick`.
        split: train, dev (which the authors call trial) or test.

    Raises:
        UsageError: No such split.
        BadInput: The file is missing or broken.
    """
    if split not in get_args(Split):
        raise UsageError("SICK has no such split", received=split, hint="train, dev or test")
    inside = ("sts12-16-sick/sick", "sick", "distilled_sentence_embedding", ".")
    names = [f"{place}/{name}" for name in (_FILES[split], "SICK.txt") for place in inside]
    path = find(folder, *names)
    wanted = _PARTS[split] if path.name.startswith("SICK.txt") else None
    return _read(path, wanted)


def _read(path: Path, wanted: str | None) -> tuple[ScoredPair, ...]:
    lines = lines_of(path)
    header = next(lines, (1, ""))[1].split("\t")
    places = {}
    for field, names in _COLUMNS.items():
        place = next((header.index(name) for name in names if name in header), None)
        if place is None:
            raise broken(path, 1, "\t".join(header), f"no column {names[0]}")
        places[field] = place
    part = header.index("SemEval_set") if wanted and "SemEval_set" in header else None
    if wanted and part is None:
        raise broken(path, 1, "\t".join(header), "no column SemEval_set")
    pairs = []
    for number, line in lines:
        if not line.strip():
            continue
        row = line.split("\t")
        if len(row) != len(header):
            raise broken(path, number, line, f"{len(row)} fields instead of {len(header)}")
        if part is not None and row[part].strip() != wanted:
            continue
        score = number_of(row[places["score"]], path, number)
        label = row[places["label"]].strip()
        if not 1 <= score <= 5 or label not in LABELS:
            raise broken(path, number, line, "no relatedness from 1 to 5, or no entailment label")
        a, b = row[places["a"]].strip(), row[places["b"]].strip()
        pairs.append(ScoredPair(f"sick-{row[places['id']]}", a, b, score, label))
    return tuple(pairs)
