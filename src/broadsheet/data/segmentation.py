"""Documents cut into topics: CSAbstruct, Choi's texts, lectures, sections of Wikipedia.

| set | units | topics | labels |
| --- | --- | --- | --- |
| CSAbstruct | sentences of abstracts | runs of one label | background, objective, method, ... |
| Choi | sentences of ten pieces of the Brown corpus | the pieces | none |
| AVLecture | clips of lectures | as the lecturer announces them | none |
| Wikipedia | sentences of articles | sections | headings |
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.files import broken, find, json_lines
from broadsheet.data.sentences import split_sentences

AbstractSplit = Literal["train", "dev", "test"]
LectureSplit = Literal["dev", "test"]
#: What a sentence of an abstract does, in the usual order.
ROLES = ("background", "objective", "method", "result", "other")
#: Sizes of segments that Choi's folders are named by, and the folders.
CHOI_SIZES = ("3-5", "6-8", "9-11", "3-11", "12-15", "3-15")
_CHOI_MARK = "=========="


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentedDocument:
    """A document as a sequence of units that belong to segments.

    Args:
        id: Unique within its data set.
        units: Sentences, clips or paragraphs, none of them empty.
        masses: Units of each segment.
        labels: Class of each segment, where there are classes.

    Raises:
        BadInput: The segments do not cover the units, or the labels not the segments.

    Example:
        >>> SegmentedDocument(id="d", units=("a", "b", "c"), masses=(1, 2)).owners()
        (0, 1, 1)
    """

    id: str
    units: tuple[str, ...]
    masses: tuple[int, ...]
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        covered = sum(self.masses) == len(self.units) and min(self.masses, default=0) > 0
        if not covered or (self.labels and len(self.labels) != len(self.masses)):
            raise BadInput("segments, units and labels do not fit together", received=self.id)

    def owners(self) -> tuple[int, ...]:
        """Return the number of each unit's segment."""
        return tuple(at for at, mass in enumerate(self.masses) for _ in range(mass))

    def unit_labels(self) -> tuple[str, ...]:
        """Return each unit's class; empty without classes."""
        return tuple(self.labels[at] for at in self.owners()) if self.labels else ()


def labelled_runs(name: str, units: Sequence[str], labels: Sequence[str]) -> SegmentedDocument:
    """Return the document whose segments are the runs of units with the same label.

    Example:
        >>> labelled_runs("a", ["x", "y", "z"], ["method", "method", "result"]).masses
        (2, 1)
    """
    runs = [(label, len(list(run))) for label, run in groupby(labels)]
    return SegmentedDocument(
        id=name,
        units=tuple(units),
        masses=tuple(length for _, length in runs),
        labels=tuple(label for label, _ in runs),
    )


def read_csabstruct(folder: Path, split: AbstractSplit) -> tuple[SegmentedDocument, ...]:
    """Read abstracts of computer science whose sentences people gave a role (Apache-2.0).

    Args:
        folder: The folder of the files, or one that holds it as `csabstruct` or
            `local_topic_segmentation`.
        split: train (1,668 abstracts), dev (295) or test (226).

    Raises:
        UsageError: No such split.
        BadInput: The file is missing or broken.

    **Source**: Cohan et al. 2019, "Pretrained language models for sequential sentence
    classification".
    """
    if split not in get_args(AbstractSplit):
        raise UsageError("CSAbstruct has no such split", received=split, hint="train, dev or test")
    places = ("local_topic_segmentation", "csabstruct", ".")
    names = [f"{place}/{stem}{split}.jsonl" for place in places for stem in ("csabstruct_", "")]
    path = find(folder, *names)
    documents = []
    for number, item in json_lines(path):
        units, labels = _texts(item, "sentences", path, number), item.get("labels")
        if not isinstance(labels, list) or len(labels) != len(units) or not {*labels} <= {*ROLES}:
            raise broken(path, number, labels, "not one known role for each sentence")
        kept = [(unit, label) for unit, label in zip(units, labels, strict=True) if unit]
        name = f"{split}-{number}"
        documents.append(labelled_runs(name, *map(list, zip(*kept, strict=True))))
    return tuple(documents)


def read_choi(folder: Path) -> tuple[SegmentedDocument, ...]:
    """Read Choi's 920 texts, each of ten pieces of the Brown corpus (no licence given).

    The id tells folder, size of the segments and file, as in `1/3-11/17`.

    Args:
        folder: A folder with `choi.tar.gz`, or one that holds it as `choi` or
            `coherence_topic_segmentation`.

    Raises:
        BadInput: The archive is missing or broken.

    **Source**: Choi 2000, "Advances in domain independent linear text segmentation".
    """
    places = ("coherence_topic_segmentation", "choi", ".")
    path = find(folder, *(f"{place}/choi.tar" for place in places))
    try:
        with tarfile.open(path) as archive:
            members = [m for m in archive.getmembers() if m.isfile() and m.name.endswith(".ref")]
            texts = {m.name: _content(archive, m) for m in members}
    except (tarfile.TarError, OSError, EOFError, UnicodeDecodeError) as error:
        raise BadInput(
            f"the archive is damaged ({type(error).__name__}: {error})", received=path
        ) from None
    if not texts:
        raise BadInput("the archive holds no .ref files", received=path)
    documents = [_choi_text(name, text) for name, text in texts.items()]
    return tuple(sorted(documents, key=lambda one: _order(one.id)))


def read_lectures(folder: Path, split: LectureSplit) -> tuple[SegmentedDocument, ...]:
    """Read transcripts of MIT lectures, cut into topics (CC BY-NC-SA: for tests only).

    Args:
        folder: The folder of the files, or one that holds it as `avlecture` or
            `coherence_topic_segmentation`.
        split: dev (35 lectures) or test (70).

    Raises:
        UsageError: No such split.
        BadInput: The file is missing or broken.
    """
    if split not in get_args(LectureSplit):
        raise UsageError("the lectures have no such split", received=split, hint="dev or test")
    places = ("coherence_topic_segmentation", "avlecture", ".")
    path = find(folder, *(f"{place}/avlecture_{split}.jsonl" for place in places))
    documents = []
    for number, item in json_lines(path):
        units, ends = _texts(item, "text", path, number), item.get("labels")
        if not isinstance(ends, list) or len(ends) != len(units) or not {*ends} <= {0, 1}:
            raise broken(path, number, ends, "not a 0 or 1 for each clip")
        owners = [sum(ends[:at]) for at in range(len(ends))]
        kept = [(unit, str(owner)) for unit, owner in zip(units, owners, strict=True) if unit]
        runs = labelled_runs(str(item["example_id"]), *map(list, zip(*kept, strict=True)))
        documents.append(SegmentedDocument(id=runs.id, units=runs.units, masses=runs.masses))
    return tuple(documents)


def read_wiki_sections(folder: Path, *, level: int = 2) -> tuple[SegmentedDocument, ...]:
    """Read articles of Wikipedia cut into sentences, with their sections (CC BY-SA 3.0).

    Args:
        folder: The folder of the file, or one that holds it as `wiki-sections`.
        level: Headings down to this level begin a segment; deeper ones belong to the one above.

    Raises:
        BadInput: The file is missing or broken.
    """
    path = find(folder, "wiki-sections/wiki-sections.jsonl", "wiki-sections.jsonl")
    documents = []
    for number, item in json_lines(path):
        segments: list[tuple[str, list[str]]] = []
        for section in _sections(item, path, number):
            if not segments or section["level"] <= level:
                segments.append((section["heading"], []))
            segments[-1][1].extend(one.text for one in split_sentences(section["text"]))
        filled = [(heading, units) for heading, units in segments if units]
        if len(filled) > 1:
            documents.append(
                SegmentedDocument(
                    id=str(item["title"]),
                    units=tuple(unit for _, units in filled for unit in units),
                    masses=tuple(len(units) for _, units in filled),
                    labels=tuple(heading for heading, _ in filled),
                )
            )
    return tuple(documents)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    handle = archive.extractfile(member)
    return handle.read().decode("utf-8") if handle else ""


def _choi_text(name: str, text: str) -> SegmentedDocument:
    parts = [
        [line.strip() for line in part.splitlines() if line.strip()]
        for part in text.split(_CHOI_MARK)
    ]
    kept = [part for part in parts if part]
    return SegmentedDocument(
        id="/".join(Path(name).with_suffix("").parts[-3:]),
        units=tuple(line for part in kept for line in part),
        masses=tuple(len(part) for part in kept),
    )


def _order(name: str) -> tuple[tuple[bool, int, str], ...]:
    return tuple(
        (not part.isdigit(), int(part or 0) if part.isdigit() else 0, part)
        for part in name.split("/")
    )


def _texts(item: dict[str, Any], field: str, path: Path, number: int) -> list[str]:
    found = item.get(field)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise broken(path, number, found, f"{field} is not a list of texts")
    texts = [" ".join(one.split()) for one in found]
    if not any(texts):
        raise broken(path, number, found, f"{field} has no text")
    return texts


def _sections(item: dict[str, Any], path: Path, number: int) -> Iterator[dict[str, Any]]:
    for section in item.get("sections") or ():
        known = isinstance(section, dict) and isinstance(section.get("level"), int)
        if not known or not isinstance(section.get("text"), str):
            raise broken(path, number, section, "not a section")
        yield section
