"""The wheel: cards and reports are inside, and are read from it outside the source tree."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from broadsheet.core.card import all_cards
from broadsheet.core.report import reports_of

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import json, sys
from importlib.util import find_spec
from broadsheet.cli import main
from broadsheet.core.report import results_folder
code = main(sys.argv[1:])
heavy = sorted({name.split(".")[0] for name in sys.modules} & {"torch", "transformers", "sklearn"})
facts = {"code": code, "heavy": heavy, "origin": find_spec("broadsheet").origin}
print(json.dumps({**facts, "results": str(results_folder())}), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree without network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel is unpacked into when it is installed."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def systems(
    installed: Path, outside: Path, *words: str
) -> tuple[dict[str, object], dict[str, str]]:
    """Run `broadsheet systems` from the unpacked wheel; return its answer and its origin."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, "systems", *words, "--json"],
        cwd=outside,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(installed), "HOME": str(outside)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    facts = json.loads(done.stderr.splitlines()[-1])
    return (json.loads(done.stdout) if done.stdout else {}), facts


def test_the_wheel_holds_what_a_reader_of_results_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for card in all_cards():
        folder = f"broadsheet/systems/{card.wing}/{card.slug}"
        assert {f"{folder}/card.toml", f"{folder}/README.md"} <= names
        for preset in reports_of(card.slug):
            assert f"broadsheet/results/{card.slug}/{preset}.json" in names
    assert any(name.startswith("broadsheet/results/bench/") for name in names)
    assert not [name for name in names if name.endswith("test_system.py")]


def test_list_and_show_read_the_wheel_and_never_torch(installed: Path, tmp_path: Path) -> None:
    answer, facts = systems(installed, tmp_path, "list")
    assert facts["origin"].startswith(str(installed))
    assert facts["results"] == str(installed / "broadsheet" / "results")
    assert facts["heavy"] == []
    cards = all_cards()
    assert [row["slug"] for row in answer.get("data", [])] == [card.slug for card in cards]  # type: ignore[attr-defined]
    for card in cards:
        answer, facts = systems(installed, tmp_path, "show", card.slug)
        shown = answer["data"]
        assert isinstance(shown, dict)
        assert shown["card"]["title"] == card.title
        assert set(shown["reports"]) == set(reports_of(card.slug))
        assert facts["heavy"] == []


def test_new_needs_the_source_tree(installed: Path, tmp_path: Path) -> None:
    _, facts = systems(installed, tmp_path, "new", "text", "another", "Another")
    assert facts["code"] == 2
    assert not list(installed.glob("broadsheet/systems/*/another"))
