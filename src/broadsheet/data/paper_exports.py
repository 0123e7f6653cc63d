"""Reads the papers out of an export of the application (`broadsheet export papers.jsonl.zst`).

An export holds verbatim what each source said. The licence follows from the source: arXiv's
metadata is CC0; the Anthology's is CC BY 4.0 where the Association published it in 2016 or later;
a saved page or a bibliography says nothing of licences, so its texts stay "unknown".
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from broadsheet.core.errors import BadInput
from broadsheet.data.files import broken, raw_lines_of
from broadsheet.data.papers import ACL_PUBLISHER, Paper, acl_paper, daily_paper

FORMAT = 1
#: Conferences that the Association alone publishes; a line that names no publisher and one of
#: these is taken as the Association's.
ACL_VENUES = frozenset({"acl", "emnlp", "naacl", "eacl", "aacl", "findings", "conll", "wmt"})
#: Conferences of others, some held together with the Association's.
FOREIGN_VENUES = frozenset({"coling", "lrec", "ranlp", "jeptalnrecital"})
_ATOM = "{http://www.w3.org/2005/Atom}"
_ROOT = b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">'


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedPapers:
    """What an export held.

    Args:
        papers: One per paper id, in order of first arrival; the last record of a paper counts.
        records: Records read.
        passed_over: Records by source whose texts have no known licence, and are not read.

    Example:
        >>> ExportedPapers(papers=(), records=2, passed_over={"bibtex": 2}).passed_over
        {'bibtex': 2}
    """

    papers: tuple[Paper, ...]
    records: int
    passed_over: Mapping[str, int]


def read_export(path: Path, lines_publisher: str = "") -> ExportedPapers:
    """Read an export, plain or packed.

    Args:
        path: What `broadsheet export` wrote.
        lines_publisher: Who published the papers of the Anthology's JSON lines that name nobody,
            where you know it; otherwise only those of conferences that the Association alone
            publishes are taken as its own.

    Raises:
        BadInput: It is no export, one of a newer version, cut short, or a record is broken.
    """
    papers: dict[str, Paper] = {}
    passed_over: Counter[str] = Counter()
    records = 0
    for number, record in _records(path):
        records += 1
        source = str(record["source"])
        if source not in _READERS:
            passed_over[source] += 1
            continue
        paper = _READERS[source](path, number, {"publisher": lines_publisher, **record})
        known = papers.get(paper.id)
        # A later record may lack the abstract that an earlier one had.
        if known is None or paper.abstract or not known.abstract:
            papers[paper.id] = paper
    return ExportedPapers(
        papers=tuple(papers.values()), records=records, passed_over=dict(passed_over)
    )


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line and the data of each record; check the first line and the last."""
    digest = hashlib.sha256()
    end = None
    for number, raw in raw_lines_of(path):
        data = _object(path, number, raw.decode("utf-8", "replace"))
        if number == 1 and (data.get("broadsheet") != "export" or data.get("format") != FORMAT):
            raise BadInput(
                "not an export of Broadsheet, or not of this version",
                received=path,
                hint="broadsheet export papers.jsonl.zst",
            )
        if data.get("end"):
            end = data.get("sha256") == digest.hexdigest()
        elif {"source", "key"} <= data.keys() and ("raw" in data or "raw_base64" in data):
            if "raw" not in data:
                data["raw"] = b64decode(str(data["raw_base64"])).decode("utf-8", "replace")
            yield number, data
        digest.update(raw + b"\n")
    if not end:
        raise BadInput(
            "the export ends early, or was changed", received=path, hint="export the library again"
        )


def _daily_line(path: Path, number: int, record: Mapping[str, Any]) -> Paper:
    return daily_paper(path, number, _object(path, number, record["raw"]))


def _acl_line(path: Path, number: int, record: Mapping[str, Any]) -> Paper:
    data = _object(path, number, record["raw"])
    publisher = str(data.get("publisher") or record["publisher"])
    venues = {str(item) for item in data.get("venue") or ()}
    if not publisher and venues & ACL_VENUES and not venues & FOREIGN_VENUES:
        publisher = ACL_PUBLISHER
    return acl_paper(path, number, data, publisher=publisher)


def _daily_answer(path: Path, number: int, record: Mapping[str, Any]) -> Paper:
    outer = _object(path, number, record["raw"])
    paper = outer.get("paper")
    inner: Mapping[str, Any] = paper if isinstance(paper, dict) else outer
    data = {
        "id": inner.get("id"),
        "title": inner.get("title") or outer.get("title"),
        "abstract": inner.get("summary") or outer.get("summary"),
        "published": inner.get("publishedAt"),
        "keywords": inner.get("ai_keywords"),
    }
    return daily_paper(path, number, data)


def _arxiv_entry(path: Path, number: int, record: Mapping[str, Any]) -> Paper:
    root = dict(record.get("context") or {}).get("root", _ROOT.decode())
    entry = _element(path, number, f"{root}{record['raw']}</feed>")[0]
    data = {
        "id": str(record["key"]),
        "title": _flat(entry.find(f"{_ATOM}title")),
        "abstract": _flat(entry.find(f"{_ATOM}summary")),
        "published": _flat(entry.find(f"{_ATOM}published")),
    }
    return daily_paper(path, number, data)


def _acl_element(path: Path, number: int, record: Mapping[str, Any]) -> Paper:
    paper = _element(path, number, str(record["raw"]))
    volume = dict(record.get("context") or {})
    data = {
        "id": str(record["key"]),
        "title": _flat(paper.find("title")),
        "abstract": _flat(paper.find("abstract")),
        "year": volume.get("year", ""),
        "venue": str(volume.get("venue", "")).split(", "),
    }
    return acl_paper(path, number, data, publisher=str(volume.get("publisher", "")))


_READERS: Mapping[str, Callable[[Path, int, Mapping[str, Any]], Paper]] = {
    "acl": _acl_element,
    "arxiv": _arxiv_entry,
    "hf": _daily_answer,
    "jsonl-acl": _acl_line,
    "jsonl-hf": _daily_line,
}


def _object(path: Path, number: int, raw: object) -> dict[str, Any]:
    try:
        value = json.loads(str(raw))
    except (ValueError, RecursionError) as error:
        raise broken(path, number, raw, f"broken JSON in a record ({error})") from None
    if not isinstance(value, dict):
        raise broken(path, number, raw, "a record that is not an object")
    return value


def _element(path: Path, number: int, text: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise broken(path, number, text, f"broken XML in a record ({error})") from None


def _flat(element: Any) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""
