"""Manual pages of Linux as documents with sections, from Debian's packages or an unpacked folder.

Sections with usual headings get a class; what is no running text (synopsis, library, attributes,
references) is left out. docs/guide/data.md says how the packages come to a machine.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from broadsheet.core.errors import BadInput
from broadsheet.data.catalogue import DataFile, DataSet
from broadsheet.data.files import DAMAGE, open_bytes
from broadsheet.data.roff import read_roff
from broadsheet.data.segmentation import SegmentedDocument
from broadsheet.data.sentences import split_sentences

#: Classes of sections; "other" is every heading that is rare.
PAGE_SECTIONS = (
    "name", "description", "options", "return value", "errors", "environment", "files", "versions",
    "standards", "notes", "bugs", "examples", "other",
)  # fmt: skip
_LEFT_OUT = frozenset(
    ("synopsis", "library", "attributes", "see also", "colophon", "author", "authors", "copyright")
)
_SAME = {
    "conforming to": "standards",
    "caveats": "bugs",
    "warnings": "bugs",
    "limitations": "bugs",
    "note": "notes",
    "example": "examples",
    "version": "versions",
    "history": "versions",
    "exit status": "return value",
}
_PAGE = re.compile(r"(?:.*/)?man\d[a-z]*/(?P<name>[^/]+\.\d[a-z]*)(?:\.gz)?")
_POOL = "http://deb.debian.org/debian/pool/main/m/manpages"
#: The packages of Debian 12 with the manual of the kernel and the C library.
MANUAL_PAGES = DataSet(
    slug="manual-pages",
    title="The Linux man-pages project 6.03, as Debian 12 packs it",
    folder="manual-pages",
    use="try",
    licence="free licences, page by page",
    base=_POOL,
    note="the hashes are those of Debian's index of packages",
    files=(
        DataFile(
            name="manpages_6.03-2_all.deb",
            sha256="efa1ba4cd19ad7baeae959c9209a7eb74be2ebb858bcabb412597bfc9f588c91",
            bytes=1331652,
        ),
        DataFile(
            name="manpages-dev_6.03-2_all.deb",
            sha256="96f55cb5e26231d5567c89b692bced63825a14a2d5bd18fdf16ea2ed44eb9838",
            bytes=2030264,
        ),
    ),
)


def read_manual_pages(folder: Path) -> tuple[SegmentedDocument, ...]:
    """Read all pages that have two sections of text or more, sorted by name.

    Args:
        folder: Holds the packages `manpages*.deb`, or the folders `man1` to `man8` with pages in
            roff, packed with gzip or not; or is one that holds it as `manual-pages`.

    Raises:
        BadInput: There are no pages, or a package is damaged.
    """
    place = folder / MANUAL_PAGES.folder
    place = place if place.is_dir() else folder
    packages = sorted(place.glob("manpages*.deb"))
    sources = dict(page for package in packages for page in _packed_pages(package)) or dict(
        _plain_pages(place)
    )
    pages = [page_of(name, text) for name, text in sorted(sources.items())]
    documents = tuple(page for page in pages if page is not None and len(page.masses) > 1)
    if not documents:
        raise BadInput(
            "no manual pages here",
            received=folder,
            hint="docs/guide/data.md says what to put there",
        )
    return documents


def page_of(name: str, source: str) -> SegmentedDocument | None:
    """Return a page as sentences with their sections, None when it has no text.

    Sentences end where paragraphs end; neighbouring sections of one class are one segment.

    Example:
        >>> roff = ".SH NAME" + chr(10) + "ls" + chr(10) + ".SH BUGS" + chr(10) + "None. Yet."
        >>> page_of("ls.1", roff).unit_labels()
        ('name', 'bugs', 'bugs')
    """
    units: list[str] = []
    segments: list[tuple[str, int]] = []
    for section in read_roff(source):
        heading = section.heading.lower()
        if heading in _LEFT_OUT:
            continue
        label = _SAME.get(heading, heading if heading in PAGE_SECTIONS else "other")
        found = [
            sentence.text
            for paragraph in section.paragraphs
            for sentence in split_sentences(paragraph)
            if any(sign.isalpha() for sign in sentence.text)
        ]
        units += found
        if segments and segments[-1][0] == label:
            segments[-1] = (label, segments[-1][1] + len(found))
        elif found:
            segments.append((label, len(found)))
    if not units:
        return None
    return SegmentedDocument(
        id=name,
        units=tuple(units),
        masses=tuple(count for _, count in segments),
        labels=tuple(label for label, _ in segments),
    )


def _plain_pages(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("man*/*")):
        found = _PAGE.fullmatch(f"{path.parent.name}/{path.name}")
        if found and path.is_file() and not path.is_symlink():
            try:
                with open_bytes(path) as stream:
                    yield found["name"], _decoded(stream.read())
            except DAMAGE as error:
                raise BadInput(f"a page is damaged ({error})", received=path) from None


def _packed_pages(package: Path) -> Iterator[tuple[str, str]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(_content(package))) as archive:
            for member in archive:
                found = _PAGE.fullmatch(member.name)
                handle = archive.extractfile(member) if found and member.isfile() else None
                if found and handle:
                    raw = handle.read()
                    packed = member.name.endswith(".gz")
                    yield found["name"], _decoded(gzip.decompress(raw) if packed else raw)
    except (tarfile.TarError, ValueError, *DAMAGE) as error:
        raise BadInput(
            f"the package is damaged ({type(error).__name__}: {error})",
            received=package,
            hint="fetch it again",
        ) from None


def _content(package: Path) -> bytes:
    """Return the tar archive of a Debian package's files, still packed if tarfile unpacks it.

    **Source**: deb(5), ar(5).
    """
    raw = package.read_bytes()
    if not raw.startswith(b"!<arch>\n"):
        raise ValueError("not a Debian package")
    at = 8
    while at + 60 <= len(raw):
        name = raw[at : at + 16].decode("ascii").strip().rstrip("/")
        size = int(raw[at + 48 : at + 58])
        at += 60
        if name.startswith("data.tar"):
            body = raw[at : at + size]
            if len(body) < size:
                raise EOFError("the package ends too early")
            packed = name.endswith(".zst")
            return zstandard.ZstdDecompressor().decompressobj().decompress(body) if packed else body
        at += size + size % 2
    raise ValueError("a package without data.tar")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
