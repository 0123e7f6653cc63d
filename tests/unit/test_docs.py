"""The documentation is true: the reference is the program's own help, every example runs.

A ```console block holds commands after "$ " and what they print; "..." stands for anything.
Each guide runs in a folder and home of its own; all but start.md and ingest.md begin with the
bundled sample. Blocks of other kinds (```sh) need a network or stay, and are not run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from broadsheet.cli.reference import reference
from broadsheet.cli.verbs import VERBS
from broadsheet.papers.fields import FIELDS
from broadsheet.papers.sample import sample_path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "guide").glob("*.md"))
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_the_reference_of_the_command_line_is_the_program_s_own_help() -> None:
    written = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    assert written == reference(), "python -m broadsheet.cli.reference > docs/reference/cli.md"


def test_every_verb_has_a_section_and_every_field_is_explained() -> None:
    written = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    for verbs in VERBS.values():
        for verb in verbs:
            assert f"### `broadsheet {verb}`" in written
    search = (DOCS / "guide" / "search.md").read_text(encoding="utf-8")
    for field in (*FIELDS, "sim"):
        assert f"`{field}:" in search, field


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.relative_to(DOCS)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def examples(page: Path) -> list[tuple[str, str]]:
    """Return the commands of a page with what they are said to print."""
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            found.append((command, expected))
    return found


def prepare(folder: Path, page: Path) -> dict[str, str]:
    """Put the files that guides speak of into a folder; return the environment to run in."""
    golden = ROOT / "tests" / "golden"
    shutil.copy(golden / "page" / "page.txt", folder / "page.txt")
    shutil.copy(golden / "jsonl-hf" / "broken.jsonl", folder / "broken.jsonl")
    shutil.copy(golden / "jsonl-acl" / "papers.jsonl", folder / "anthology.jsonl")
    program = folder / "bin" / "broadsheet"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m broadsheet "$@"\n')
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    environment = {
        **kept,
        "PATH": f"{program.parent}:{kept.get('PATH', '')}",
        "PYTHONPATH": str(ROOT / "src"),
        "BROADSHEET_HOME": str(folder / "home"),
        "BROADSHEET_NOW": "2025-09-03T08:00:00+00:00",
        "COLUMNS": "88",
        "NO_COLOR": "1",
    }
    if page.stem not in ("start", "ingest"):
        run(f"broadsheet ingest {sample_path()}", folder, environment)
    return environment


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command with its standard output on a terminal; return what it printed, notes last."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    printed = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        printed += block
    os.close(ours)
    _, notes = process.communicate(timeout=120)
    return printed.decode().replace("\r\n", "\n") + notes.decode()


def fits(expected: str, printed: str) -> bool:
    """Tell whether `printed` is what was expected, where "..." stands for anything."""
    pieces = [re.escape(piece) for piece in expected.strip().split("...")]
    return re.fullmatch(".*".join(pieces), printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_examples_print_what_the_guide_says(page: Path, tmp_path: Path) -> None:
    environment = prepare(tmp_path, page)
    commands = examples(page)
    assert commands or "```console" not in page.read_text(encoding="utf-8")
    for command, expected in commands:
        printed = run(command, tmp_path, environment)
        assert fits(expected, printed), f"$ {command}\n{printed}"


def test_what_is_not_said_does_not_fit() -> None:
    assert fits("a ... d\n", "a b c d\n")
    assert not fits("a ... d\n", "a b c\n")
    assert not fits("a", "a b")
