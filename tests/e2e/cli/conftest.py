"""The program as a user runs it: a new process, its own home, what it printed and how it ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from broadsheet.papers.sample import sample_path

SOURCE = Path(__file__).resolve().parents[3] / "src"
Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Return the environment of a run: our sources, this home, a frozen clock."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    return {
        **kept,
        "PYTHONPATH": str(SOURCE),
        "BROADSHEET_HOME": str(home),
        "BROADSHEET_NOW": "2025-09-03T08:00:00+00:00",
        **extra,
    }


@pytest.fixture(name="environment")
def make_environment() -> Callable[..., dict[str, str]]:
    """How to make the environment of a process."""
    return environment


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def broadsheet(home: Path) -> Run:
    """Run the program in `home`: broadsheet("search", "maps", stdin=...)."""

    def run(*arguments: object, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "broadsheet", *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env=environment(home),
            capture_output=True,
            timeout=120,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the bundled sample, loaded once; don't write to it."""
    folder = tmp_path_factory.mktemp("sample") / "home"
    subprocess.run(
        [sys.executable, "-m", "broadsheet", "ingest", str(sample_path())],
        env=environment(folder),
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


@pytest.fixture
def loaded(sample_home: Path, home: Path, broadsheet: Run) -> Run:
    """Run the program in a home of one's own that holds the sample."""
    shutil.copytree(sample_home, home)
    return broadsheet
