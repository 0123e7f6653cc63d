"""The original files of Cranfield: marked sections (.I .T .A .B .W) and three-column judgements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from broadsheet.data.files import broken, lines_of


def marked_texts(path: Path) -> dict[str, str]:
    """Return the section .W of each item, by its number after .I, in the order of the file.

    A document's text begins with its title. It ends where the next item begins: three documents
    hold a stray mark in their text.

    Raises:
        BadInput: The file is damaged, or a line stands before the first item.
    """
    texts: dict[str, list[str]] = {}
    current: list[str] | None = None
    section = ""
    for number, line in lines_of(path):
        if line.startswith(".I "):
            current = texts.setdefault(line[3:].strip(), [])
            section = ""
        elif section != ".W" and line.strip() in (".T", ".A", ".B", ".W"):
            section = line.strip()
        elif current is None:
            raise broken(path, number, line, "text before the first item")
        elif section == ".W":
            current.append(line)
    return {key: " ".join(" ".join(lines).split()) for key, lines in texts.items()}


def judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """Yield line, query, document and code; queries count from 1 in the order of their file.

    Raises:
        BadInput: A line has another shape.
    """
    for number, line in lines_of(path):
        fields = line.split()
        if len(fields) != 3 or not all(item.lstrip("-").isdecimal() for item in fields):
            raise broken(path, number, line, "not query, document and code")
        yield number, fields[0], fields[1], int(fields[2])
