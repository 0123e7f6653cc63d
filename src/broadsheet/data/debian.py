"""The Debian package corpus: synopses, descriptions, sections, tags and what depends on what.

Reads what `apt update` fetches or a mirror offers: `Translation-en` (descriptions) and `Packages`
(section, tags, dependencies), plain or packed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import BadInput
from broadsheet.data.files import PACKINGS, lines_of

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*", re.ASCII)
_DESCRIPTION = "Description-en"


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """One binary package.

    Args:
        name: Its name.
        synopsis: One line, without a full stop by Debian's rules.
        description: The long text, paragraphs between empty lines; "" where there is none.
        section: Such as "science" or "libs", without the area (main has none).
        source: The source package that it was built from.
        tags: Debtags such as "role::program".
        depends: Names after Pre-Depends and Depends, the first of alternatives, no versions.
        recommends: Names after Recommends, likewise.

    Example:
        >>> DebianPackage("bash", "GNU Bourne Again SHell", "A shell.", "shells").section
        'shells'
    """

    name: str
    synopsis: str
    description: str
    section: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()


def read_debian(folder: Path) -> tuple[DebianPackage, ...]:
    """Read the packages of Debian's main archive from a folder.

    Args:
        folder: Holds `Packages` and `Translation-en`, plain or packed, or is one that holds it as
            `debian`; or the folder of apt's lists, where both have long names.

    Raises:
        BadInput: They are not there, or damaged.
    """
    for place in (folder / "debian", folder):
        packages, translations = (
            _listed(place, inside, name)
            for inside, name in (("binary-*", "Packages"), ("i18n", "Translation-en"))
        )
        if packages and translations:
            return read_packages(packages, translations)
    raise BadInput(
        "no Packages and Translation-en of Debian",
        received=folder,
        hint="docs/guide/data.md says where they come from",
    )


def _listed(folder: Path, inside: str, name: str) -> Path | None:
    """Return the largest file of a name, alone or behind apt's prefix: the whole archive."""
    found = [
        path
        for start in ("", f"*_main_{inside}_")
        for packing in PACKINGS
        for path in folder.glob(f"{start}{name}{packing}")
    ]
    return max(found, key=lambda path: (path.stat().st_size, path.name), default=None)


def read_translations(path: Path) -> dict[str, tuple[str, str]]:
    """Read `Translation-en`: synopsis and description by package name.

    Where a package is described several times (its architectures differ), the first one counts.

    Raises:
        BadInput: The file is damaged or holds no descriptions.
    """
    texts: dict[str, tuple[str, str]] = {}
    for fields in stanzas(path):
        name = fields.get("Package", "")
        if name and name not in texts and _DESCRIPTION in fields:
            texts[name] = _split(fields[_DESCRIPTION])
    if not texts:
        raise BadInput("no package descriptions in this file", received=path)
    return texts


def read_packages(packages: Path, translations: Path | None = None) -> tuple[DebianPackage, ...]:
    """Read `Packages` together with the descriptions in `Translation-en`, sorted by name.

    Args:
        packages: An index of binary packages.
        translations: Where the long descriptions are; None for an index that holds them itself,
            as the index of installed packages does.

    Raises:
        BadInput: A file is damaged or holds no packages.
    """
    texts = read_translations(translations) if translations else {}
    found: dict[str, DebianPackage] = {}
    for fields in stanzas(packages):
        name = fields.get("Package", "")
        if not name or name in found:
            continue
        own = _split(fields.get(_DESCRIPTION) or fields.get("Description", ""))
        synopsis, description = texts.get(name, own)
        if synopsis:
            found[name] = _package(name, synopsis, description, fields)
    if not found:
        raise BadInput("no packages in this file", received=packages)
    return tuple(found[name] for name in sorted(found))


def stanzas(path: Path) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph of a Debian control file.

    A field's continuation lines keep their first blank; lines are joined by line ends.

    Raises:
        BadInput: A line is neither a field nor a continuation.
    """
    fields: dict[str, str] = {}
    name = ""
    for number, line in lines_of(path):
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if not name:
                raise BadInput("a line that continues nothing", received=f"{path}, line {number}")
            fields[name] += f"\n{line}"
        else:
            name, colon, value = line.partition(":")
            if not colon or " " in name:
                raise BadInput("not a Debian control file", received=f"{path}, line {number}")
            fields[name] = value.strip()
    if fields:
        yield fields


def _split(text: str) -> tuple[str, str]:
    """Return synopsis and long description, each paragraph as one line.

    By Debian's rules a line of one dot ends a paragraph, and lines that begin with more than one
    blank stand as they are.
    """
    synopsis, *rest = text.split("\n")
    paragraphs = [""]
    for line in rest:
        if line.strip() == ".":
            paragraphs.append("")
        elif line.startswith("  ") or not paragraphs[-1]:
            paragraphs[-1] = f"{paragraphs[-1]}\n{line.strip()}".strip()
        else:
            paragraphs[-1] += f" {line.strip()}"
    return synopsis.strip(), "\n\n".join(filter(None, paragraphs))


def _package(
    name: str, synopsis: str, description: str, fields: Mapping[str, str]
) -> DebianPackage:
    source = _NAME.match(fields.get("Source", name))
    return DebianPackage(
        name=name,
        synopsis=synopsis,
        description=description,
        section=fields.get("Section", "").rpartition("/")[2],
        source=source[0] if source else name,
        tags=tuple(fields.get("Tag", "").replace(",", " ").split()),
        depends=_names(fields, "Pre-Depends", "Depends"),
        recommends=_names(fields, "Recommends"),
    )


def _names(fields: Mapping[str, str], *relations: str) -> tuple[str, ...]:
    """Return the package names of some relations, first alternatives only, each once."""
    clauses = ",".join(fields.get(name, "") for name in relations).split(",")
    matches = (_NAME.match(clause.strip()) for clause in clauses)
    return tuple(dict.fromkeys(match[0] for match in matches if match))
