"""The reader of manual pages: our own pages first, then Debian's where they are."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.data.manual_pages import MANUAL_PAGES, PAGE_SECTIONS, page_of, read_manual_pages
from broadsheet.data.roff import plain_text, read_roff


def package_of(folder: Path, *, packing: str = "xz", damage: int = 0) -> bytes:
    """Return a Debian package with the pages of a folder, made as deb(5) says."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz" if packing == "xz" else "w") as archive:
        for path in sorted(folder.glob("man*/*")):
            raw = gzip.compress(path.read_bytes(), mtime=0)
            place = f"./usr/share/man/{path.parent.name}/{path.name}.gz"
            member = tarfile.TarInfo(place)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
        link = tarfile.TarInfo("./usr/share/man/man2/link.2.gz")
        link.type, link.linkname = tarfile.SYMTYPE, "pourtea.2.gz"
        archive.addfile(link)
    body = packed.getvalue()
    if packing == "zst":
        import zstandard

        body = zstandard.compress(body)
    parts = [("debian-binary", b"2.0\n"), (f"data.tar.{packing}", body[: len(body) - damage])]
    raw = b"!<arch>\n"
    for name, content in parts:
        size = len(content) + (damage if name.startswith("data") else 0)
        raw += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{size:<10}`\n".encode()
        raw += content + b"\n" * (len(content) % 2)
    return raw


def test_a_page_becomes_sentences_with_sections(golden: Path) -> None:
    kettle, tea = read_manual_pages(golden)
    assert (kettle.id, tea.id) == ("kettle.7", "pourtea.2")
    assert list(zip(tea.labels, tea.masses, strict=True)) == [
        ("name", 1),
        ("description", 7),
        ("return value", 2),
        ("errors", 2),
        ("standards", 1),
        ("notes", 1),
        ("bugs", 2),
    ]
    assert tea.units[:8] == (
        "pourtea, pourtea_at - pour tea from a kettle",
        "pourtea() fills up to cups cups from the kettle kettle.",
        "The tea stays warm; see kettle(7).",
        "It doesn't wait for water to boil (not even with TEA_HURRY).",
        "Green tea is poured at 80 degrees.",
        "Black tea at 95 degrees.",
        "A loop looks like this:",
        "Two processes may hold one kettle.",
    )
    assert tea.units[10:12] == (
        "EBADF kettle is not an open kettle.",
        "EAGAIN or EWOULDBLOCK The water is cold.",
    )
    assert kettle.labels == ("name", "description", "other", "files")
    assert kettle.units == (
        "kettle - overview of kettles",
        "A kettle boils water.",
        "It is described on a page of the tea project.",
        'Some kettles whistle at "boiling" point - others don\'t.',
        "/dev/kettle The first kettle.",
    )


@pytest.mark.parametrize("packing", ["xz", "zst"])
def test_packages_and_folders_read_the_same(golden: Path, tmp_path: Path, packing: str) -> None:
    place = tmp_path / "manual-pages"
    place.mkdir()
    raw = package_of(golden / "manual-pages", packing=packing)
    (place / "manpages-dev_1_all.deb").write_bytes(raw)
    assert read_manual_pages(tmp_path) == read_manual_pages(golden)


def test_damaged_packages_are_refused(golden: Path, tmp_path: Path) -> None:
    package = tmp_path / "manpages_1_all.deb"
    whole = package_of(golden / "manual-pages")
    broken = [b"", b"no package", whole[:8], package_of(golden / "manual-pages", damage=40)]
    broken.append(whole[:130] + b"\0" * 40 + whole[170:])
    for raw in broken:
        package.write_bytes(raw)
        with pytest.raises(BadInput, match="damaged"):
            read_manual_pages(tmp_path)


def test_a_folder_without_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no manual pages"):
        read_manual_pages(tmp_path)
    (tmp_path / "man2").mkdir()
    (tmp_path / "man2" / "x.2.gz").write_bytes(b"\x1f\x8b no gzip")
    with pytest.raises(BadInput, match="damaged"):
        read_manual_pages(tmp_path)


def test_only_running_text_counts() -> None:
    assert page_of("x.2", ".so man2/y.2\n") is None
    assert page_of("x.2", ".SH SYNOPSIS\nls\n.SH SEE ALSO\ncp(1)\n") is None
    page = page_of("x.2", ".SH NAME\nls\n.SH ENVIRONMENT\n***\n.SH FILES\nNone.\n")
    assert page is not None
    assert page.labels == ("name", "files")
    assert {*page.labels} <= {*PAGE_SECTIONS}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (r"\fBa\fP\f(CWb\f[R]c", "abc"),
        (r"1\-2 \(em\[bu] x", "1-2  -  x"),
        (r"\s-1SMALL\s0 \s+2big", "SMALL big"),
        (r"\*(lqhi\*(rq \*R \*[Tm]", '"hi" (R) (TM)'),
        (r"a\&b\|c\^d\~e\ f\0g", "abcd e f g"),
        (r"\eN \\ \(aq \`x\'", "\\N \\ ' `x'"),
        (r"\h'4n'x\v'1'\w'abc'", "x"),
        (r"end \" a comment \fB", "end "),
        ("plain", "plain"),
    ],
)
def test_escapes(line: str, text: str) -> None:
    assert plain_text(line) == text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (".B bold words", "bold words"),
        ('.BR "two words" ","', "two words,"),
        ('.RI ( name ", " other )', "(name, other)"),
        ('.B say "a ""b"""', 'say a "b"'),
        ('.BR x (2), \\" a comment', "x(2),"),
        ('.IP tag" 4', 'tag"'),
        (".IP 1. 3", ""),
        (".xx unknown", ""),
        ("' .not a macro", "' .not a macro"),
        ('.\\" comment', ""),
        ("split\\\nline", "splitline"),
        ("one\\c\ntwo", "onetwo"),
    ],
)
def test_macros(line: str, text: str) -> None:
    (section,) = read_roff(f".SH NAME\n{line}\n")
    assert " ".join(section.paragraphs) == text


def test_hashes_of_the_packages_are_hashes() -> None:
    for file in MANUAL_PAGES.files:
        assert len(bytes.fromhex(file.sha256)) == hashlib.sha256().digest_size
        assert MANUAL_PAGES.url(file).startswith("http://deb.debian.org/")


@pytest.mark.data
def test_debian_s_pages(data_folder: Path) -> None:
    if not (data_folder / MANUAL_PAGES.folder).is_dir():
        pytest.skip("no real data here (manual-pages)")
    pages = read_manual_pages(data_folder)
    assert (len(pages), sum(len(page.units) for page in pages)) == (1099, 46_199)
    assert {label for page in pages for label in page.labels} == {*PAGE_SECTIONS}
    assert not any("\\f" in unit or "\\(" in unit for page in pages for unit in page.units)
