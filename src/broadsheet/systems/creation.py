"""`systems new`: the folder of a system, small but complete, written from the template."""

from __future__ import annotations

import json
import re
import string
from importlib.resources import files
from pathlib import Path
from typing import get_args

from broadsheet.core.card import Wing, systems_folder
from broadsheet.core.clock import today
from broadsheet.core.errors import BadInput, UsageError
from broadsheet.systems.environment import source_tree

_SLUG = re.compile(r"[a-z][a-z0-9_]*")


def create_system(wing: str, slug: str, title: str) -> list[Path]:
    """Write a new system into the source tree and return its files.

    Args:
        wing: One of the eight wings.
        slug: Its name: folder, result file and address.
        title: Title of the paper.

    Raises:
        UsageError: No such wing, not a slug, or the package was installed without its sources.
        BadInput: A system of that name exists.
    """
    wings = get_args(Wing)
    if wing not in wings:
        raise UsageError("no such wing", received=wing, hint="one of " + ", ".join(wings))
    if not _SLUG.fullmatch(slug) or not title.strip():
        raise UsageError(
            "a slug has lower case letters, digits and underscores, and the title isn't empty",
            received=f"{slug} {title!r}",
        )
    if source_tree() is None:
        raise UsageError("a new system goes into the source tree", hint="git clone, then make test")
    taken = list(systems_folder().glob(f"*/{slug}"))
    if taken:
        raise BadInput("there is a system of that name", received=taken[0], hint="another slug")
    folder = systems_folder() / wing / slug
    folder.mkdir(parents=True)
    package = folder.parent / "__init__.py"
    if not package.exists():
        package.write_text(f'"""Systems of the wing {wing}."""\n', encoding="utf-8")
    return _fill(folder, wing, slug, title.strip())


def _fill(folder: Path, wing: str, slug: str, title: str) -> list[Path]:
    quoted = json.dumps(title, ensure_ascii=False)[1:-1]
    written = []
    template = Path(str(files("broadsheet"))) / "systems" / "template"
    for source in sorted(template.glob("*.txt")):
        name = source.name.removesuffix(".txt")
        words = {"wing": wing, "slug": slug, "year": str(today().year)}
        words["title"] = quoted if name.endswith(".toml") else title
        text = string.Template(source.read_text(encoding="utf-8")).substitute(words)
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
