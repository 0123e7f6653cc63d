"""Semantic textual similarity: the STS benchmark in five languages and SemEval 2012 to 2016."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.files import broken, csv_rows, find, lines_of, number_of
from broadsheet.data.records import ScoredPair

Split = Literal["train", "dev", "test"]
#: Languages of the machine-translated benchmark that we read; train is English only.
LANGUAGES = ("en", "de", "es", "fr", "zh")
YEARS = (2012, 2013, 2014, 2015, 2016)
_LOWEST, _HIGHEST = 0.0, 5.0
_FILE = re.compile(r"(.+)\.(train|test)\.tsv(?:\.\w+)?$")


def read_stsb(folder: Path, split: Split, language: str = "en") -> tuple[ScoredPair, ...]:
    """Read one split of the STS benchmark; scores from 0 (unrelated) to 5 (the same).

    Takes the comma-separated files of stsb-multi-mt (`stsb-en-test.csv`) and the tab-separated
    ones of the first release (`sts-test.csv`), whose genre becomes the label.

    Args:
        folder: The folder of the files, or one that holds it as `stsb`.
        split: train, dev or test.
        language: en, de, es, fr or zh.

    Raises:
        UsageError: No such split or language.
        BadInput: The file is missing or broken.
    """
    if split not in get_args(Split) or language not in LANGUAGES:
        raise UsageError(
            "the STS benchmark has no such part",
            received=f"{split}, {language}",
            hint=f"train, dev or test; {', '.join(LANGUAGES)}",
        )
    name = f"stsb-{language}-{split}.csv"
    names = [f"stsb/{name}", name, f"data/{name}"]
    if language == "en":
        names += [f"stsb/sts-{split}.csv", f"sts-{split}.csv", f"stsbenchmark/sts-{split}.csv"]
    path = find(folder, *names)
    read = _first_release if path.name.startswith("sts-") else _multilingual
    return tuple(read(path, f"stsb-{language}-{split}"))


def read_sts_year(
    folder: Path, year: int, split: Literal["train", "test"] = "test"
) -> dict[str, tuple[ScoredPair, ...]]:
    """Read one year of SemEval STS: pairs with a gold score, by source of the sentences.

    Args:
        folder: A folder that holds `2012` to `2016`, or one that holds it as `sts` or
            `sts12-16-sick/sts`.
        year: 2012 to 2016.
        split: The pairs for training exist for 2012 only.

    Raises:
        UsageError: No such year or split.
        BadInput: The files are missing or broken.
    """
    if year not in YEARS or split not in ("train", "test"):
        raise UsageError(
            "STS has no such part",
            received=f"{year}, {split}",
            hint="2012 to 2016; train or test",
        )
    tried = [folder / inside / str(year) for inside in ("", "sts", "sts12-16-sick/sts")]
    place = next((path for path in tried if path.is_dir()), None)
    found: dict[str, tuple[ScoredPair, ...]] = {}
    for path in sorted(place.iterdir()) if place else ():
        match = _FILE.match(path.name)
        if match and match[2] == split:
            found[match[1]] = tuple(_tabbed(path, f"sts{year}-{match[1]}-{split}"))
    if not found:
        raise BadInput(
            f"no STS pairs of {year} for {split}",
            received=folder,
            hint="docs/guide/data.md says where they come from",
        )
    return found


def _multilingual(path: Path, name: str) -> Iterator[ScoredPair]:
    for line, row in csv_rows(path):
        if len(row) != 3:
            raise broken(path, line, row, f"{len(row)} fields instead of 3")
        a, b, score = row
        yield _pair(f"{name}-{line}", a, b, score, None, path, line)


def _first_release(path: Path, name: str) -> Iterator[ScoredPair]:
    for line, text in lines_of(path):
        row = text.split("\t")
        if len(row) < 7:
            raise broken(path, line, text, f"{len(row)} fields instead of 7 or more")
        yield _pair(f"{name}-{line}", row[5], row[6], row[4], row[0], path, line)


def _tabbed(path: Path, name: str) -> Iterator[ScoredPair]:
    for line, text in lines_of(path):
        row = text.split("\t")
        if len(row) < 3:
            raise broken(path, line, text, f"{len(row)} fields instead of 3")
        if row[0].strip():  # From 2015 on, most pairs were never scored.
            yield _pair(f"{name}-{line}", row[1], row[2], row[0], None, path, line)


def _pair(
    identifier: str, a: str, b: str, score: str, label: str | None, path: Path, line: int
) -> ScoredPair:
    value = number_of(score, path, line)
    a, b = a.strip(), b.strip()
    if not _LOWEST <= value <= _HIGHEST:
        raise broken(path, line, score, "the score is not between 0 and 5")
    if not a or not b:
        raise broken(path, line, f"{a!r}, {b!r}", "an empty sentence")
    return ScoredPair(identifier, a, b, value, label)
