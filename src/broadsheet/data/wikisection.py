"""WikiSection: articles of Wikipedia on diseases and cities, whose sections have classes.

The archives are not at hand here; the reader follows the format in the data set's own description
and is tested on files written by us.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.files import DAMAGE, find, open_bytes
from broadsheet.data.segmentation import SegmentedDocument
from broadsheet.data.sentences import split_sentences

WikiSectionSplit = Literal["train", "validation", "test"]
#: Language and topic, as in the names of the files.
WIKISECTION_PARTS = ("en_disease", "en_city", "de_disease", "de_city")


def read_wikisection(folder: Path, part: str, split: str) -> tuple[SegmentedDocument, ...]:
    """Read one split; sentences end where sections end, empty sections are left out.

    Args:
        folder: Holds `wikisection_<part>_<split>.json`, plain or packed, or is one that holds it
            as `wikisection`.
        part: One of `WIKISECTION_PARTS`.
        split: train, validation or test.

    Raises:
        UsageError: No such part or split.
        BadInput: The file is missing or has another form.

    **Source**: Arnold et al. 2019, "SECTOR: a neural model for coherent topic segmentation and
    classification" (CC BY-SA 3.0).
    """
    if part not in WIKISECTION_PARTS or split not in get_args(WikiSectionSplit):
        raise UsageError(
            "WikiSection has no such part",
            received=f"{part}, {split}",
            hint=f"{', '.join(WIKISECTION_PARTS)}; train, validation or test",
        )
    name = f"wikisection_{part}_{split}.json"
    path = find(folder, f"wikisection/{name}", name)
    try:
        with open_bytes(path) as stream:
            items = json.loads(stream.read())
        return tuple(_document(item) for item in items)
    except (*DAMAGE, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(
            f"not a file of WikiSection ({type(error).__name__}: {error})", received=path
        ) from None


def wikisection_classes(documents: Iterable[SegmentedDocument]) -> tuple[str, ...]:
    """Return all classes in alphabetical order."""
    return tuple(sorted({label for one in documents for label in one.labels}))


def _document(item: dict[str, Any]) -> SegmentedDocument:
    text = str(item["text"])
    units: list[str] = []
    masses, labels = [], []
    for section in item["annotations"]:
        begin, length = int(section["begin"]), int(section["length"])
        found = [
            " ".join(one.text.split())
            for line in text[begin : begin + length].split("\n")
            for one in split_sentences(line)
        ]
        if found:
            units += found
            masses.append(len(found))
            labels.append(str(section["sectionLabel"]).rpartition(".")[2])
    return SegmentedDocument(
        id=str(item["id"]), units=tuple(units), masses=tuple(masses), labels=tuple(labels)
    )
