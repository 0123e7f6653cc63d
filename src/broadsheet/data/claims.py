"""Claims with evidence and the verdicts of fact checkers: LIAR-PLUS and MultiFC.

LIAR-PLUS (CC0 1.0): one claim a line with its justification as the evidence. Some lines are broken
in two by a line feed inside a field, some have no justification, and a row may have no label; what
was mended or left out is counted. MultiFC: tab-separated claims of many fact checkers and, for
each claim, a file of search results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.files import broken, find, lines_of

#: From worst to best.
LIAR_LABELS = ("pants-fire", "false", "barely-true", "half-true", "mostly-true", "true")
_LIAR_FIELDS = 16
_LIAR_META = {"subject": 4, "speaker": 5, "job": 6, "state": 7, "party": 8, "venue": 14}
_MULTIFC_FIELDS = (
    "claimID",
    "claim",
    "label",
    "claimURL",
    "reason",
    "categories",
    "speaker",
    "checker",
    "tags",
    "articleTitle",
    "publishDate",
    "claimDate",
    "entities",
)
_MULTIFC_META = ("categories", "speaker", "tags", "entities")
#: Results of a search that are kept for each claim, as in the paper.
EVIDENCE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement, what was found about it, and a checker's verdict.

    Args:
        id: Unique within its data set.
        text: The statement.
        label: The verdict in the checker's own words.
        domain: The checker; each has labels of its own.
        evidence: Passages that may bear on it, in the order of the source.
        metadata: Further facts by name, such as the speaker; never counts of past verdicts, which
            hold the verdict itself.

    Example:
        >>> Claim(id="1", text="Water is wet.", label="true", domain="us").evidence
        ()
    """

    id: str
    text: str
    label: str
    domain: str
    evidence: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFile:
    """Claims and what had to be mended.

    Args:
        claims: Those with a label.
        joined: Lines that were put together again from two.
        without_label: Rows that were left out because they have no known label.
        without_evidence: Claims whose justification is empty; they stay.
        removed_evidence: Passages from the checker's own site, which were removed.

    Example:
        >>> ClaimFile(claims=(), joined=2).joined
        2
    """

    claims: tuple[Claim, ...]
    joined: int = 0
    without_label: int = 0
    without_evidence: int = 0
    removed_evidence: int = 0


def read_liar_plus(folder: Path, split: str) -> ClaimFile:
    """Read one split of LIAR-PLUS.

    The five counts of a speaker's past verdicts are left out: they count this verdict, too.

    Args:
        folder: Holds `liar_plus_<split>.tsv` or the authors' `<split>2.tsv`, or is one that holds
            it as `semantic_inference`.
        split: train, val or test.

    Raises:
        UsageError: No such split.
        BadInput: The file is missing or a line can't be mended.
    """
    if split not in ("train", "val", "test"):
        raise UsageError("LIAR-PLUS has no such split", received=split, hint="train, val or test")
    path = find(
        folder,
        f"semantic_inference/liar_plus_{split}.tsv",
        f"liar_plus_{split}.tsv",
        f"{split}2.tsv",
    )
    claims: list[Claim] = []
    joined = unlabelled = bare = 0
    for number, fields, pieces in _liar_rows(path):
        joined += pieces > 1
        if not fields[2]:
            unlabelled += 1
            continue
        if fields[2] not in LIAR_LABELS:
            raise broken(path, number, fields[2], "no label of LIAR")
        evidence = fields[15]
        bare += not evidence
        claims.append(
            Claim(
                id=f"liar-{split}-{fields[1].removesuffix('.json') or number}",
                text=fields[3],
                label=fields[2],
                domain="politifact",
                evidence=(evidence,) if evidence else (),
                metadata=tuple((name, fields[place]) for name, place in _LIAR_META.items()),
            )
        )
    return ClaimFile(
        claims=tuple(claims), joined=joined, without_label=unlabelled, without_evidence=bare
    )


def _liar_rows(path: Path) -> Iterator[tuple[int, list[str], int]]:
    """Yield line number, 16 fields and of how many lines they were made."""
    waiting: list[str] = []
    pieces = start = 0
    for number, line in lines_of(path):
        row = line.split("\t")
        if not waiting and len(row) == 1 and not line.strip():
            continue
        start = number if not waiting else start
        # A line feed inside a field cuts it in two: the last field goes on in the next line.
        waiting = [*waiting[:-1], f"{waiting[-1]} {row[0]}", *row[1:]] if waiting else row
        pieces += 1
        if len(waiting) > _LIAR_FIELDS:
            raise broken(path, start, line, f"{len(waiting)} fields instead of {_LIAR_FIELDS}")
        if len(waiting) == _LIAR_FIELDS:
            yield start, [_unquoted(field) for field in waiting], pieces
            waiting, pieces = [], 0
    if waiting:
        raise broken(path, start, "\t".join(waiting), "the file ends inside a row")


def _unquoted(field: str) -> str:
    field = field.strip()
    if len(field) > 1 and field[0] == field[-1] == '"':
        field = field[1:-1].replace('""', '"').strip()
    return field


def read_multifc(folder: Path, split: str) -> ClaimFile:
    """Read one split of MultiFC with at most ten passages for each claim.

    A passage from the host of the claim's own page is removed: it states the verdict. The domain
    is what stands before the hyphen of a claim's id.

    Args:
        folder: Holds `train.tsv`, `dev.tsv`, `test.tsv` and `snippets/`, or is one that holds it
            as `multifc`.
        split: train, dev or test.

    Raises:
        UsageError: No such split.
        BadInput: A file is missing or broken.
    """
    if split not in ("train", "dev", "test"):
        raise UsageError("MultiFC has no such split", received=split, hint="train, dev or test")
    path = find(folder, f"multifc/{split}.tsv", f"{split}.tsv")
    claims: list[Claim] = []
    unlabelled = bare = removed = 0
    for number, line in lines_of(path):
        row = line.split("\t")
        if row[0] == "claimID" or not line.strip():
            continue
        if len(row) != len(_MULTIFC_FIELDS):
            raise broken(path, number, line, f"{len(row)} fields, not {len(_MULTIFC_FIELDS)}")
        facts = dict(zip(_MULTIFC_FIELDS, (_unquoted(field) for field in row), strict=True))
        if facts["label"] in ("", "None"):
            unlabelled += 1
            continue
        found = _snippets(path.parent / "snippets" / facts["claimID"])
        host = urlsplit(facts["claimURL"]).hostname
        kept = [text for text, url in found if not host or urlsplit(url).hostname != host]
        removed += len(found) - len(kept)
        bare += not kept
        claims.append(
            Claim(
                id=facts["claimID"],
                text=facts["claim"],
                label=facts["label"],
                domain=facts["claimID"].partition("-")[0],
                evidence=tuple(kept[:EVIDENCE]),
                metadata=tuple((name, _known(facts[name])) for name in _MULTIFC_META),
            )
        )
    return ClaimFile(
        claims=tuple(claims),
        without_label=unlabelled,
        without_evidence=bare,
        removed_evidence=removed,
    )


def _snippets(path: Path) -> list[tuple[str, str]]:
    """Return text and address of each search result: place, title, text, address."""
    if not path.is_file():
        return []
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise BadInput("a file of search results leads out of its folder", received=path)
    found = []
    for _, line in lines_of(path):
        row = line.split("\t")
        if len(row) >= 3:
            text = " ".join(part for part in (_known(row[1]), _known(row[2])) if part)
            found.append((text, row[3].strip() if len(row) > 3 else ""))
    return [(text, url) for text, url in found if text]


def _known(field: str) -> str:
    field = field.strip()
    return "" if field == "None" else field
