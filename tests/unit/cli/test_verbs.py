"""The table of verbs, lazy loading, help with examples, completion, and what help imports."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest

from broadsheet.cli import main
from broadsheet.cli.verbs import PROGRAM, VERBS, root_command

HEAVY = (
    "fastapi",
    "httpx",
    "lxml",
    "numpy",
    "onnxruntime",
    "pydantic_settings",
    "rich",
    "sqlite3",
    "tantivy",
    "tokenizers",
    "uvicorn",
)
NAMES = [verb for verbs in VERBS.values() for verb in verbs]


def _leaves() -> list[tuple[str, Any]]:
    root = root_command()
    context = root.make_context(PROGRAM, [], resilient_parsing=True)
    found = []
    for name in NAMES:
        command = root.get_command(context, name)
        assert command is not None, name
        inner = getattr(command, "commands", None)
        if inner:
            found += [(f"{name} {child}", inner[child]) for child in inner]
        else:
            found.append((name, command))
    return found


LEAVES = _leaves()


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--help"], {*HEAVY, "pydantic"}),
        (["--version"], {*HEAVY, "pydantic"}),
        (["search", "--help"], set(HEAVY)),  # typer reads a verb's options with pydantic
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_help_imports_nothing_heavy(arguments: list[str], forbidden: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "broadsheet", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {
        line.rsplit("|", 1)[1].strip().split(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "typer" in loaded
    assert not loaded & forbidden


@pytest.mark.parametrize("name", NAMES)
def test_the_short_help_in_the_table_is_the_command_s_own(name: str) -> None:
    root = root_command()
    command = root.get_command(root.make_context(PROGRAM, [], resilient_parsing=True), name)
    short = next(verbs[name][1] for verbs in VERBS.values() if name in verbs)
    assert command.help.splitlines()[0].startswith(short.rstrip("."))


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_help_has_examples_that_parse(
    name: str, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    lines = re.findall(rf"^ +(broadsheet {name}\b.*)$", text, re.MULTILINE)
    assert lines, "no example"
    for line in lines:
        words = shlex.split(line.split(" | ")[0].split(" > ")[0].split(" < ")[0])
        command.make_context(name, words[1 + len(name.split()) :], resilient_parsing=False)


def test_root_without_a_verb_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in NAMES)


def test_a_mistyped_verb_is_answered_with_the_likely_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serach", "x"]) == 2
    assert capsys.readouterr().err == (
        "broadsheet: there is no such verb. Received: serach. Try: broadsheet search\n"
    )


@pytest.mark.parametrize(
    "arguments", [["search"], ["search", "x", "--limit", "0"], ["model"], ["--nonsense"]]
)
def test_usage_errors_are_one_line_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("broadsheet: ")
    assert error.count("\n") == 1
    assert "--help" in error


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_verbs(shell: str) -> None:
    words = {"COMP_WORDS": "broadsheet sea", "COMP_CWORD": "1"}
    words |= {"_TYPER_COMPLETE_ARGS": "broadsheet sea", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [sys.executable, "-m", "broadsheet"],
        env={**os.environ, **words, "_BROADSHEET_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "search" in done.stdout, done.stderr
