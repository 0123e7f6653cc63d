"""The licence of a package's description, read out of its copyright file."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.data.debian_licences import LicenceCount, control_licence, count_licences

HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
WHOLE = "Files: *\nCopyright: 2020 A. Cook\nLicense: Expat\n Do what you like.\n"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (HEAD + WHOLE, "Expat"),
        (HEAD + WHOLE + "\nFiles: debian/*\nLicense: GPL-2+\n Share alike.\n", "GPL-2+"),
        (HEAD + WHOLE + "\nFiles: src/*\n debian/control\nLicense: ISC\n", "ISC"),
        (HEAD + WHOLE + "\nFiles: docs/*\nLicense: GFDL-1.3\n", "Expat"),
        (HEAD + "Files: src/*\nLicense: Expat\n", None),
        (HEAD + WHOLE + "\nLicense: GPL-2+\n A paragraph of its own, for no files.\n", "Expat"),
        ("This package is free software.\nLicense: GPL\n", None),
    ],
)
def test_the_last_pattern_that_fits_counts(text: str, licence: str | None) -> None:
    assert control_licence(text) == licence


def test_equal_files_count_once(tmp_path: Path) -> None:
    texts = {"a": HEAD + WHOLE, "a-doc": HEAD + WHOLE, "b": "Free.\n", "c": HEAD + WHOLE + "\n#"}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "copyright").write_text(text)
    assert count_licences(tmp_path) == LicenceCount(files=3, readable=2, licences={"Expat": 2})
    with pytest.raises(BadInput, match="no files"):
        count_licences(tmp_path / "nowhere")
