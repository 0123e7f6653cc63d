"""The Debian corpus: control files, pairs, classes."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.debian import (
    DebianPackage,
    read_debian,
    read_packages,
    read_translations,
    stanzas,
)
from broadsheet.data.debian_pairs import (
    co_dependency_pairs,
    dependency_pairs,
    description_pairs,
    section_texts,
    tag_texts,
    telling,
)


@pytest.fixture
def packages(golden: Path) -> tuple[DebianPackage, ...]:
    return read_debian(golden / "data")


def test_a_package_with_all_it_has(packages: tuple[DebianPackage, ...]) -> None:
    by_name = {package.name: package for package in packages}
    assert list(by_name) == sorted(by_name)
    assert "undescribed" not in by_name
    tea = by_name["teahouse"]
    assert tea.source == "tea"
    assert tea.tags == ("interface::graphical", "role::program", "use::organizing")
    assert tea.depends == ("dpkg", "kettle", "libsteam1", "libcup2", "libc6")
    assert tea.recommends == ("kettle-data",)
    assert by_name["kettle"].section == "utils"
    assert by_name["kettle"].source == "kettle"


def test_paragraphs_are_lines_and_lists_stay(packages: tuple[DebianPackage, ...]) -> None:
    kettle = next(package for package in packages if package.name == "kettle")
    assert kettle.description == (
        "Kettle is a small program that boils water whenever it is asked to, "
        "and tells how warm the water is by now.\n\nIts features:\n* quiet mode\n* tea mode"
    )


def test_the_first_of_several_descriptions_counts(golden: Path) -> None:
    texts = read_translations(golden / "data" / "debian" / "Translation-en")
    assert texts["libsteam1"][0] == "shared library of steam"


def test_an_index_that_holds_its_descriptions(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / "status"
    path.write_text("Package: a\nSection: x\nDescription: short\n long one\n .\n and on\n")
    assert read_packages(path)[0] == DebianPackage("a", "short", "long one\n\nand on", "x", "a")


def test_lists_as_apt_keeps_them(golden: Path, tmp_path: Path) -> None:
    own = golden / "data" / "debian"
    prefix = "mirror.example_debian_dists_bookworm"
    for inside, name in (("binary-amd64", "Packages"), ("i18n", "Translation-en")):
        data = (own / name).read_bytes()
        (tmp_path / f"{prefix}_main_{inside}_{name}.xz").write_bytes(lzma.compress(data))
        small = lzma.compress(data.partition(b"\n\n")[0])
        (tmp_path / f"{prefix}-updates_main_{inside}_{name}.xz").write_bytes(small)
    assert read_debian(tmp_path) == read_debian(own)
    with pytest.raises(BadInput, match="no Packages and Translation-en"):
        read_debian(tmp_path / "nothing")


@pytest.mark.parametrize("text", [" a line that continues nothing\n", "no colon here\n"])
def test_other_files_are_no_control_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(BadInput, match="line 1"):
        list(stanzas(tmp_path / "x"))
    (tmp_path / "x").write_text("Name: value\n")
    with pytest.raises(BadInput, match="no packages"):
        read_packages(tmp_path / "x")
    with pytest.raises(BadInput, match="no package descriptions"):
        read_translations(tmp_path / "x")


def test_empty_packages_tell_nothing(packages: tuple[DebianPackage, ...]) -> None:
    assert "old-kettle" not in {package.name for package in telling(packages)}


def test_descriptions_are_paired_once(packages: tuple[DebianPackage, ...]) -> None:
    pairs = description_pairs(packages)
    assert [pair.id for pair in pairs] == [
        "kettle",
        "kettle-data",
        "libcup2",
        "libsteam1",
        "teahouse",
    ]
    same = [*packages, DebianPackage("copy", pairs[0].a.upper(), "another text " * 9)]
    assert len(description_pairs(same)) == len(pairs)
    assert len(description_pairs(packages, least_words=23)) < len(pairs)


def test_co_dependency(packages: tuple[DebianPackage, ...]) -> None:
    # teahouse asks for kettle, kettle-data and both libraries; kettle asks for both libraries.
    ids = [pair.id for pair in co_dependency_pairs(packages)]
    assert ids == [
        "kettle|libcup2",
        "kettle|libsteam1",
        "kettle-data|libcup2",
        "kettle-data|libsteam1",
        "libcup2|libsteam1",
    ]  # kettle and kettle-data come of one source
    assert [p.id for p in co_dependency_pairs(packages, least_together=2)] == ["libcup2|libsteam1"]
    assert not co_dependency_pairs(packages, most_dependents=1)
    few = co_dependency_pairs(packages, most_links=2)  # teahouse asks for too many
    assert [pair.id for pair in few] == ["libcup2|libsteam1"]
    with pytest.raises(UsageError, match="start at 1"):
        co_dependency_pairs(packages, most_links=0)


def test_dependency(packages: tuple[DebianPackage, ...]) -> None:
    ids = [pair.id for pair in dependency_pairs(packages)]
    assert ids == [
        "kettle|libcup2",
        "kettle|libsteam1",
        "teahouse|kettle",
        "teahouse|libcup2",
        "teahouse|libsteam1",
    ]


def test_classes(packages: tuple[DebianPackage, ...]) -> None:
    assert {item.label for item in section_texts(packages, least=2)} == {"libs", "utils"}
    uses = tag_texts(packages, "use", least=1)
    assert [(item.id, item.label) for item in uses] == [("teahouse", "use::organizing")]
    with pytest.raises(UsageError, match="no package has a tag"):
        tag_texts(packages, "taste")
