"""Phrases of two words: whether they mean what their words mean.

Noun compounds in neutral sentences with replacements (noun_compound_senses), and expressions in
context that are idiomatic or literal (SemEval-2022 task 2, subtask A, GPL-3.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from broadsheet.core.errors import UsageError
from broadsheet.data.files import broken, csv_rows, find

_SPLITS = {
    "train": ("SubTaskA_Data_train_zero_shot.csv", ""),
    "one_shot": ("SubTaskA_Data_train_one_shot.csv", ""),
    "dev": ("SubTaskA_Data_dev.csv", "SubTaskA_Data_dev_gold.csv"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NounCompound:
    """A noun compound in a sentence that says nothing else, and that sentence with replacements.

    Args:
        text: The compound.
        sentence: "This is a <compound>".
        synonym: The sentence with a synonym of the whole (P1).
        head: With the head alone (P2).
        modifier: With the modifier alone (P2).
        parts: With each word replaced by its own synonym (P3).

    Example:
        >>> item = NounCompound(
        ...     text="brick wall", sentence="This is a brick wall", synonym="This is an obstacle",
        ...     head="This is a wall", modifier="This is a brick", parts="This is a block fence")
        >>> item.synonym
        'This is an obstacle'
    """

    text: str
    sentence: str
    synonym: str
    head: str
    modifier: str
    parts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One occurrence of an expression.

    Args:
        id: Unique in the set.
        language: EN, PT or GL.
        phrase: The expression, in its plain form.
        before: The sentence before.
        sentence: The sentence that holds it.
        after: The sentence after.
        idiomatic: Whether it means something else than its words here.

    Example:
        >>> Usage(id="1", language="EN", phrase="big fish", before="", sentence="A big fish.",
        ...       after="", idiomatic=False).phrase
        'big fish'
    """

    id: str
    language: str
    phrase: str
    before: str
    sentence: str
    after: str
    idiomatic: bool


def read_noun_compounds(folder: Path) -> tuple[NounCompound, ...]:
    """Read the English noun compounds and their three sets of replacements.

    Args:
        folder: Holds `ncs_en_P1.csv`, P2 and P3, or is one that holds it as `semantic_inference`.

    Raises:
        BadInput: A file is missing, or the three don't hold the same compounds.
    """
    tables = []
    for probe in ("P1", "P2", "P3"):
        name = f"ncs_en_{probe}.csv"
        path = find(folder, f"semantic_inference/{name}", name)
        rows = list(_records(path))
        tables.append({row["compound"]: row for _, row in rows})
        missing = set(tables[0]) ^ set(tables[-1])
        if missing:
            raise broken(path, len(rows), ", ".join(sorted(missing)[:3]), "other compounds than P1")
    whole, words, parts = tables
    try:
        return tuple(
            NounCompound(
                text=name,
                sentence=row["neutral sentence"],
                synonym=row["mwe synonym"],
                head=words[name]["head only"],
                modifier=words[name]["modifier only"],
                parts=parts[name]["both synonyms"],
            )
            for name, row in whole.items()
        )
    except KeyError as error:
        raise broken(path, 1, error.args[0], "no such column") from None


def read_idioms(
    folder: Path, split: Literal["train", "one_shot", "dev"], *, language: str = "EN"
) -> tuple[Usage, ...]:
    """Read expressions in context; the expressions of train (zero shot) don't occur in dev.

    Args:
        folder: Holds the files of subtask A, or is one that holds it as `idiomaticity-semeval2022`.
        split: train, one_shot or dev.
        language: EN, PT or GL.

    Raises:
        UsageError: No such split.
        BadInput: A file is missing, or a row has no label.
    """
    if split not in _SPLITS:
        raise UsageError("no such split", received=split, hint=", ".join(_SPLITS))
    name, gold = _SPLITS[split]
    path = _place(folder, name)
    labels = {row["ID"]: row["Label"] for _, row in _records(_place(folder, gold))} if gold else {}
    found = []
    for number, row in _records(path):
        if row["Language"] != language:
            continue
        key = row.get("DataID") or row.get("ID") or ""
        label = row.get("Label") or labels.get(key)
        if label not in ("0", "1"):
            raise broken(path, number, label, "the label is 0 (idiomatic) or 1 (literal)")
        found.append(
            Usage(
                id=key,
                language=language,
                phrase=row["MWE"],
                before=row["Previous"],
                sentence=row["Target"],
                after=row["Next"],
                idiomatic=label == "0",
            )
        )
    return tuple(found)


def _place(folder: Path, name: str) -> Path:
    return find(folder, f"idiomaticity-semeval2022/{name}", name)


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    rows = csv_rows(path)
    header = next(rows, (1, ()))[1]
    for number, row in rows:
        if not any(row):
            continue
        if len(row) != len(header):
            raise broken(path, number, row, f"{len(row)} fields instead of {len(header)}")
        yield number, dict(zip(header, row, strict=True))
