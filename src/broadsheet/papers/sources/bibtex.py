"""BibTeX and BibLaTeX files, read with bibtexparser: a broken entry costs that entry only.

Entries are stored as they stand; `@string` abbreviations that an entry uses stand in its context.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import BinaryIO

from bibtexparser.middlewares.names import (
    parse_single_name_into_parts,
    split_multiple_persons_names,
)
from bibtexparser.model import (
    Block,
    DuplicateBlockKeyBlock,
    DuplicateFieldKeyBlock,
    Entry,
    ParsingFailedBlock,
    String,
)
from bibtexparser.splitter import Splitter

from broadsheet.core.errors import BadInput
from broadsheet.papers.identity import (
    arxiv_id_of_doi,
    normalise_doi,
    normalise_title,
    parse_arxiv_id,
)
from broadsheet.papers.model import Author, Facts, Reject, SourceRecord
from broadsheet.papers.sources import values
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.lines import excerpt, read_document
from broadsheet.papers.tex import to_plain

# The parser logs what it also returns as failed blocks; we report those with their lines.
logging.getLogger("bibtexparser.splitter").setLevel(logging.ERROR)

_LIMIT = 32 << 20
_ENTRY = re.compile(
    rb"^[ \t]*@[ \t]*(?!comment|string|preamble)[a-z]{3,30}\s*[{(]\s*[^\s,{}()@]{1,200}\s*,",
    re.MULTILINE | re.IGNORECASE,
)
_ARXIV = re.compile(r"arxiv(?:\.org/(?:abs|pdf)/|[:\s]+)\s*(?:preprint\s+arxiv:)?(\S{7,30})", re.I)
_ACL = re.compile(r"aclanthology\.org/([\w.-]{5,60}?)(?:\.pdf)?/?$", re.IGNORECASE | re.ASCII)
_COMMAND_BEFORE = re.compile(r"(?:\\(?:[A-Za-z]+\*?|.)\s*|\}\s*|[_^])$")


class BibTex:
    """Source: bibliographies."""

    name = "bibtex"
    description = "BibTeX and BibLaTeX bibliographies"

    def detect(self, head: bytes, name: str) -> float:
        """Look for entries."""
        entries = len(_ENTRY.findall(head))
        if not entries:
            return 0.3 if name.lower().endswith(".bib") and b"@" in head else 0.0
        return 0.95 if name.lower().endswith(".bib") or head.lstrip()[:1] in b"@%" else 0.6

    def split(self, stream: BinaryIO, origin: Origin) -> Iterator[SourceRecord | Reject]:
        """Yield one record an entry; the offset is the line it begins on."""
        document = read_document(stream, origin, limit=_LIMIT)
        if isinstance(document, Reject):
            yield document
            return
        text = document.decode("utf-8-sig", "surrogateescape")
        del document
        strings: dict[str, str] = {}
        found = False
        for met in Splitter(text).split().blocks:
            if isinstance(met, String):
                strings[met.key.lower()] = _resolve(str(met.value), strings)[:2_000]
                continue
            block: Block | None = met
            if isinstance(met, DuplicateBlockKeyBlock | DuplicateFieldKeyBlock):
                block = met.ignore_error_block
            line = (met.start_line or 0) + 1
            raw = (met.raw or "").encode("utf-8", "surrogateescape")
            if isinstance(block, ParsingFailedBlock):
                found = True
                yield Reject(
                    origin=origin.name,
                    offset=line,
                    unit="line",
                    reason=f"broken entry ({_why(block)})",
                    excerpt=excerpt(raw),
                )
            elif isinstance(block, Entry):
                found = True
                used = _used(block, strings)
                yield SourceRecord(
                    source=self.name,
                    key=values.clean(block.key)[:200] or f"line{line}",
                    raw=raw,
                    context={"strings": json.dumps(used, sort_keys=True)} if used else {},
                    origin=origin.name,
                    offset=line,
                )
        if not found:
            yield Reject(origin=origin.name, offset=1, unit="line", reason="no entry found")

    def parse(self, record: SourceRecord) -> Facts:
        """Read one entry.

        Raises:
            BadInput: The entry is broken, or has no title.
        """
        data = _fields(record)
        title = _unprotect(data.get("title", ""))
        if not normalise_title(title):
            raise BadInput("no title in this entry", received=record.key)
        date = values.date_of(data.get("date", "").split("/")[0])
        year = values.year_of(data.get("year", "")) or values.year_of(date[:4])
        doi = normalise_doi(data.get("doi", "") or data.get("url", ""))
        journal = _plain(data, "journal") or _plain(data, "journaltitle")
        venue = _plain(data, "booktitle") or journal
        ids = _ids(data, doi) | {"bibkey": record.key}
        links = values.arxiv_links(ids["arxiv"]) if "arxiv" in ids else {}
        address = values.link_of(data.get("url", "").replace("\\", ""))
        if address:
            links.setdefault("pdf" if address.lower().endswith(".pdf") else "abs", address)
        category = values.text_of(data.get("primaryclass", ""))
        return Facts(
            ids=values.filled(ids),
            title=title,
            abstract=_unprotect(data.get("abstract", "")),
            authors=_authors(data.get("author", "")),
            categories=(category,) if category else (),
            primary_category=category,
            dates=values.filled(
                {"published": date or values.month_date(year, data.get("month", ""))}
            ),
            year=year,
            venue="" if venue.lower().startswith(("arxiv", "corr")) else venue,
            comments=_plain(data, "note"),
            journal_ref=_reference(data, venue),
            keywords=values.texts_of(re.split(r"[,;]", _plain(data, "keywords"))),
            links=links,
        )


def _why(block: ParsingFailedBlock) -> str:
    reason = getattr(block.error, "abort_reason", "it does not end")
    return " ".join(str(reason).split())[:150]


def _used(entry: Entry, strings: Mapping[str, str]) -> dict[str, str]:
    """Return the abbreviations that an entry's fields name."""
    if not strings:
        return {}
    used: dict[str, str] = {}
    for field in entry.fields:
        for piece in _pieces(str(field.value)):
            if piece.lower() in strings:
                used[piece.lower()] = strings[piece.lower()]
    return used


def _pieces(value: str) -> list[str]:
    """Split a value at the signs that join it; what is in braces or quotes stays together."""
    value = value.strip()
    if "#" not in value or (value[:1] == "{" and value.find("}") == len(value) - 1):
        return [value]
    pieces, depth, quoted, begin = [], 0, False, 0
    for index, char in enumerate(value):
        if char == '"' and depth == 0:
            quoted = not quoted
        elif char in "{}":
            depth += 1 if char == "{" else -1
        elif char == "#" and depth <= 0 and not quoted:
            pieces.append(value[begin:index].strip())
            begin = index + 1
    return [*pieces, value[begin:].strip()]


def _resolve(value: str, strings: Mapping[str, str]) -> str:
    """Return a field's text: braces or quotes off, abbreviations written out."""
    parts = []
    for piece in _pieces(value):
        if len(piece) >= 2 and piece[0] + piece[-1] in ('""', "{}"):
            parts.append(piece[1:-1])
        else:
            parts.append(strings.get(piece.lower(), piece))
    return "".join(parts)


def _fields(record: SourceRecord) -> dict[str, str]:
    """Return lower-case field names and their texts, the first of each.

    Raises:
        BadInput: The record isn't one entry.
    """
    try:
        text = record.raw.decode("utf-8")
    except UnicodeDecodeError:
        text = record.raw.decode("latin-1")
    block = next(iter(Splitter(text).split().blocks), None)
    if isinstance(block, DuplicateFieldKeyBlock):
        block = block.ignore_error_block
    if not isinstance(block, Entry):
        raise BadInput("broken entry", received=record.key)
    try:
        strings = values.mapping_of(json.loads(record.context.get("strings", "{}")))
    except ValueError:
        strings = {}
    data: dict[str, str] = {}
    for field in block.fields:
        data.setdefault(field.key.lower(), values.clean(_resolve(str(field.value), strings)))
    return data


def _plain(data: Mapping[str, str], name: str) -> str:
    return to_plain(_unprotect(data.get(name, "")))


def _unprotect(text: str) -> str:
    r"""Remove braces that only protect letters from a style; those of commands and formulas stay.

    Example:
        >>> _unprotect(r"{{GPT}-4, a {Multi-word Name}} and {\"u} \emph{x} $x_{i}$")
        'GPT-4, a Multi-word Name and {\\"u} \\emph{x} $x_{i}$'
    """
    if "{" not in text:
        return text
    opened: list[bool] = []
    parts: list[str] = []
    is_math = False
    for index, char in enumerate(text):
        before = text[max(index - 40, 0) : index]
        if char == "$" and not before.endswith("\\"):
            is_math = not is_math
        if char == "{" and not before.endswith("\\"):
            keep = is_math or text[index + 1 : index + 2] == "\\"
            keep = keep or (bool(_COMMAND_BEFORE.search(before)) and parts[-1:] != [""])
            opened.append(keep)
            parts.append(char if keep else "")
        elif char == "}" and not before.endswith("\\") and opened:
            parts.append(char if opened.pop() else "")
        else:
            parts.append(char)
    return values.clean("".join(parts))


def _authors(text: str) -> tuple[Author, ...]:
    found = []
    for printed in islice(split_multiple_persons_names(text), values.MOST_AUTHORS):
        printed = printed.strip()
        if printed.lower() in ("others", ""):
            continue
        if printed[0] == "{" and printed[-1] == "}" and printed.count("{") == 1:
            found.append(Author(full=to_plain(printed[1:-1])))
            continue
        parts = parse_single_name_into_parts(printed, strict=False)
        given = to_plain(_unprotect(" ".join(parts.first)))
        family = to_plain(_unprotect(" ".join([*parts.von, *parts.last])))
        suffix = to_plain(" ".join(parts.jr))
        full = " ".join(filter(None, (given, family, suffix)))
        if full:
            found.append(Author(full=full, given=given, family=family, suffix=suffix))
    return tuple(found)


def _ids(data: Mapping[str, str], doi: str) -> dict[str, str]:
    """Return the identifiers that an entry holds, wherever it holds them."""
    ids: dict[str, str] = {}
    prefix = (data.get("archiveprefix") or data.get("eprinttype") or "arxiv").lower()
    places = [data.get("eprint", "")] if prefix == "arxiv" else []
    places += [
        match[1]
        for name in ("url", "journal", "journaltitle", "note", "volume")
        if (match := _ARXIV.search(data.get(name, "")[:500]))
    ]
    for place in places:
        parsed = parse_arxiv_id(place[:100].rstrip(".,;)"))
        if parsed:
            ids["arxiv"] = parsed[0]
            break
    of_doi = arxiv_id_of_doi(doi)
    if of_doi:
        ids.setdefault("arxiv", of_doi)
    elif doi:
        ids["doi"] = doi
    match = _ACL.search(data.get("url", "")[:500])
    if match:
        ids["acl"] = match[1]
    return ids


def _reference(data: Mapping[str, str], venue: str) -> str:
    volume, number, pages = (_plain(data, name) for name in ("volume", "number", "pages"))
    issue = f"{volume}({number})" if volume and number else volume or number
    where = " ".join(filter(None, (venue, issue)))
    return ", ".join(filter(None, (where, f"pages {pages}" if pages else "")))


BIBTEX = BibTex()
