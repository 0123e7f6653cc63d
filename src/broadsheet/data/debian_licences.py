"""Under which licence Debian's descriptions stand: what copyright files say of `debian/control`.

Source: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import BadInput

_FORMAT = re.compile(r"^Format(?:-Specification)?:\s*\S+", re.MULTILINE)
_FIELD = re.compile(r"^(Files|License):[ \t]*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
#: The file that holds the descriptions.
CONTROL = "debian/control"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceCount:
    """What the copyright files of some packages say.

    Args:
        files: Different copyright files that were read.
        readable: Those in the form that a machine can read.
        licences: How many of these name which licence for `debian/control`.

    Example:
        >>> LicenceCount(files=2, readable=1, licences={"Expat": 1}).licences["Expat"]
        1
    """

    files: int
    readable: int
    licences: dict[str, int]


def control_licence(text: str) -> str | None:
    """Return the short name of the licence of `debian/control`, None when the text names none.

    The last paragraph whose patterns fit counts, as the format says.

    Example:
        >>> control_licence("Format: x" + chr(10) * 2 + "Files: *" + chr(10) + "License: Expat")
        'Expat'
    """
    if not _FORMAT.search(text):
        return None
    found = None
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = dict(_FIELD.findall(paragraph))
        patterns = [item.strip(",").removeprefix("./") for item in fields.get("Files", "").split()]
        if any(_fits(pattern) for pattern in patterns) and fields.get("License"):
            found = fields["License"].splitlines()[0].strip() or found
    return found


def count_licences(folder: Path) -> LicenceCount:
    """Count the licences of `debian/control` over installed packages.

    Args:
        folder: Holds `<package>/copyright`, as /usr/share/doc does.

    Raises:
        BadInput: There is no such file.
    """
    texts = {
        path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*/copyright")
    }
    if not texts:
        raise BadInput("no files */copyright", received=folder, hint="/usr/share/doc on Debian")
    readable = [text for text in texts if _FORMAT.search(text)]
    named = Counter(licence for text in readable if (licence := control_licence(text)))
    ordered = dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))
    return LicenceCount(files=len(texts), readable=len(readable), licences=ordered)


def _fits(pattern: str) -> bool:
    return fnmatch.fnmatchcase(CONTROL, pattern) or pattern == "debian/"
