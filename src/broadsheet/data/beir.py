"""Retrieval sets in the layout of BEIR, and Cranfield as we keep it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.cranfield import judgements, marked_texts
from broadsheet.data.files import broken, find, json_lines, lines_of
from broadsheet.data.records import RetrievalSet

#: Cranfield's codes run from 1, a complete answer, to 4, of minimum interest, and 5, of none;
#: -1 marks the paper that the question came from.
_GRADES = {-1: 4, 1: 4, 2: 3, 3: 2, 4: 1, 5: 0}


def read_beir(folder: Path, split: str = "test") -> RetrievalSet:
    """Read corpus.jsonl, queries.jsonl and qrels/<split>.tsv (or qrels.jsonl) of a folder.

    Only queries that were judged in this split are kept. A document's text is its title and its
    body, joined by a space.

    Raises:
        BadInput: A file is missing or broken, or a judgement names something unknown.
    """
    documents = dict(_texts(find(folder, "corpus.jsonl"), "_id"))
    queries = dict(_texts(find(folder, "queries.jsonl"), "_id"))
    path = find(folder, f"qrels/{split}.tsv", f"qrels/{split}.jsonl", "qrels.jsonl")
    rows = _json_judgements(path) if ".jsonl" in path.name else _tabbed_judgements(path)
    return _assemble(path, documents, queries, rows)


def write_beir(retrieval: RetrievalSet, folder: Path, split: str = "test") -> None:
    """Write a retrieval set so that `read_beir` and other programs can read it.

    Raises:
        BadInput: An id holds a tab or a line end.
    """
    for key in (*retrieval.documents, *retrieval.queries):
        if not key or key != key.strip() or any(sign in key for sign in "\t\r\n"):
            raise BadInput("an id with a tab, a line end or outer blanks", received=repr(key))
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    _write_lines(
        folder / "corpus.jsonl",
        ({"_id": key, "title": "", "text": text} for key, text in retrieval.documents.items()),
    )
    _write_lines(
        folder / "queries.jsonl",
        ({"_id": key, "text": text} for key, text in retrieval.queries.items()),
    )
    lines = ["query-id\tcorpus-id\tscore\n"]
    for query, gains in retrieval.qrels.items():
        lines += [f"{query}\t{document}\t{gain}\n" for document, gain in gains.items()]
    with (folder / "qrels" / f"{split}.tsv").open("w", encoding="utf-8", newline="") as handle:
        handle.writelines(lines)


def read_cranfield(
    folder: Path,
    queries: Literal["all", "odd", "even"] = "all",
    gains: Literal["binary", "graded"] = "binary",
) -> RetrievalSet:
    """Read Cranfield 1400: abstracts of aerodynamics, 225 questions, 1,837 judgements.

    Args:
        folder: The folder of the original files (cran.all.1400, cran.qry, cranqrel) or of
            corpus.jsonl, queries.jsonl and qrels.tsv, or one that holds it as `cranfield`.
        queries: Everywhere in this project settings are chosen on the odd questions and numbers
            are reported on the even ones.
        gains: binary counts every code as 1; graded gives 4 for a complete answer (and for the
            paper that the question came from) down to 1, and 0 for code 5.

    Raises:
        UsageError: No such half or scale.
        BadInput: A file is missing or broken.
    """
    if queries not in ("all", "odd", "even") or gains not in ("binary", "graded"):
        raise UsageError(
            "Cranfield has no such part",
            received=f"{queries}, {gains}",
            hint="all, odd or even; binary or graded",
        )
    names = ("cran.all.1400", "corpus.jsonl")
    corpus = find(folder, *(f"{inside}/{name}" for name in names for inside in ("cranfield", ".")))
    place = corpus.parent
    if corpus.name.startswith(names[0]):
        documents, path = marked_texts(corpus), find(place, "cranqrel")
        questions = marked_texts(find(place, "cran.qry")).values()
        asked = {str(number): text for number, text in enumerate(questions, 1)}
        judged = judgements(path)
    else:
        documents, path = dict(_texts(corpus, "id", title="")), find(place, "qrels.tsv")
        asked = dict(_texts(find(place, "queries.jsonl"), "id"))
        judged = _tabbed_judgements(path)
    rows: list[tuple[int, str, str, int]] = []
    for number, query, document, code in judged:
        if code not in _GRADES:
            raise broken(path, number, code, "no relevance code of Cranfield")
        rows.append((number, query, document, 1 if gains == "binary" else _GRADES[code]))
    whole = _assemble(path, documents, asked, rows)
    if queries == "all":
        return whole
    remainder = 1 if queries == "odd" else 0
    return whole.only({key for key in whole.queries if int(key) % 2 == remainder})


def _texts(path: Path, key: str, title: str = "title") -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, data in json_lines(path):
        identifier, text = str(data.get(key, "")), data.get("text")
        if not identifier or not isinstance(text, str):
            raise broken(path, number, data, f"no {key} or no text")
        if identifier in seen:
            raise broken(path, number, identifier, f"this {key} was met before")
        seen.add(identifier)
        heading = data.get(title) or "" if title else ""
        yield identifier, f"{heading} {text}".strip()


def _tabbed_judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    for number, line in lines_of(path):
        row = line.split("\t")
        if number == 1 and row[0] == "query-id":
            continue
        if len(row) != 3:
            raise broken(path, number, line, f"{len(row)} fields instead of 3")
        yield number, row[0], row[1], _gain(path, number, row[2])


def _json_judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    for number, data in json_lines(path):
        if not {"query-id", "corpus-id", "score"} <= data.keys():
            raise broken(path, number, data, "no query-id, corpus-id or score")
        gain = _gain(path, number, data["score"])
        yield number, str(data["query-id"]), str(data["corpus-id"]), gain


def _gain(path: Path, number: int, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise broken(path, number, value, "the gain is not a whole number") from None


def _assemble(
    path: Path,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    rows: Iterator[tuple[int, str, str, int]] | list[tuple[int, str, str, int]],
) -> RetrievalSet:
    qrels: dict[str, dict[str, int]] = {}
    for number, query, document, gain in rows:
        if query not in queries or document not in documents:
            raise broken(path, number, f"{query}, {document}", "an unknown query or document")
        qrels.setdefault(query, {})[document] = gain
    judged = {key: text for key, text in queries.items() if key in qrels}
    return RetrievalSet(documents, judged, {key: qrels[key] for key in judged})


def _write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
