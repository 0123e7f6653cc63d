"""A system made by `systems new` in a copy of the tree: contract, runs, interruption, report."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[3]
SLUG = "throwaway"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree without its systems, and one new system in it."""
    root = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "src" / "broadsheet", root / "src" / "broadsheet", ignore=ignored)
    for card in (root / "src" / "broadsheet" / "systems").glob("*/*/card.toml"):
        shutil.rmtree(card.parent)
    shutil.copytree(ROOT / "tests" / "contract", root / "tests" / "contract", ignore=ignored)
    shutil.copy(ROOT / "tests" / "conftest.py", root / "tests" / "conftest.py")
    shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")
    done = subprocess.run(
        command("new", "text", SLUG, 'A "Throw-away" System'),
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return root


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "broadsheet", "systems", *words]


def environment(tree: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    return {**kept, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def systems(tree: Path) -> Run:
    """Run `broadsheet systems` in the copy."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            cwd=tree,
            env=environment(tree),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def test_a_new_system_passes_the_contract_as_it_is(tree: Path) -> None:
    tests = ["tests/contract", f"src/broadsheet/systems/text/{SLUG}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("words", [("check",), ("format", "--check")], ids=" ".join)
def test_a_new_system_is_in_the_house_format(tree: Path, words: tuple[str, ...]) -> None:
    ruff = Path(sys.executable).parent / "ruff"
    done = subprocess.run(
        [str(ruff), *words, "--no-cache", f"src/broadsheet/systems/text/{SLUG}"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_matrix_runs_once_and_becomes_a_report(tree: Path, systems: Run, tmp_path: Path) -> None:
    words = (SLUG, "--preset", "smoke", "--runs", str(tmp_path / "runs"))
    first = systems("run", *words, "--json")
    assert first.returncode == 0, first.stderr
    lines = json.loads(first.stdout)["data"]
    assert [(line["arm"], line["seed"]) for line in lines] == [
        ("random", 1),
        ("pairs", 1),
        ("random", 2),
        ("pairs", 2),
    ]
    assert {line["state"] for line in lines} == {"finished"}
    assert "throwaway smoke, 4 runs: 42 of 42 steps" in first.stderr
    again = systems("run", *words, "--json")
    assert {line["state"] for line in json.loads(again.stdout)["data"]} == {"known"}
    made = systems("report", *words, "--results", str(tree / "results"))
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("claim\texpected\t")
    report = json.loads((tree / "results" / SLUG / "smoke.json").read_text())
    assert report["cost"]["wall_s"] == pytest.approx(sum(x["wall_s"] for x in lines), abs=0.3)
    shown = systems("show", SLUG, "--preset", "smoke", "--json")
    assert list(json.loads(shown.stdout)["data"]["reports"]) == ["smoke"]
    assert systems("show", SLUG, "--preset", "paper").returncode == 1


def test_one_failed_run_leaves_the_others(systems: Run, tmp_path: Path) -> None:
    done = systems(
        *("run", SLUG, "--preset", "smoke", "--seeds", "1", "--runs", str(tmp_path)),
        *("--set", "train.learning_rate=1e30", "--jobs", "2"),
    )
    assert done.returncode == 5, done.stderr
    assert "1 of 2 runs failed; the others are finished and kept" in done.stderr
    assert "Received: pairs, seed 1" in done.stderr
    assert "Traceback" not in done.stderr
    [failure] = tmp_path.glob("*/*/1/failure.txt")
    assert "not finite" in failure.read_text()


def test_an_interrupted_run_goes_on_to_the_same_bits(
    tree: Path, systems: Run, tmp_path: Path
) -> None:
    words = ("run", SLUG, "--preset", "smoke", "--arms", "pairs", "--seeds", "1")
    words += ("--set", "train.steps=600", "--set", "train.log_every=1", "--runs")
    runs, straight = tmp_path / "runs", tmp_path / "straight"
    process = subprocess.Popen(
        command(*words, str(runs)), cwd=tree, env=environment(tree), stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 500 for path in runs.rglob("metrics.jsonl")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"0 of 1 runs are finished; the others go on from where they were" in said
    assert b"run the same command again" in said
    assert systems(*words, str(runs)).returncode == 0
    assert systems(*words, str(straight)).returncode == 0
    [one], [other] = (list(folder.rglob("checkpoint.safetensors")) for folder in (runs, straight))
    resumed, whole = load_file(one), load_file(other)
    assert list(resumed) == list(whole)
    assert all(np.array_equal(resumed[name], whole[name]) for name in whole)
    pieces = sorted(one.parent.glob("pieces/*.json"))
    assert [json.loads(p.read_text())["ended"] for p in pieces] == ["interrupted", "finished"]


def test_torchrun_trains_in_two_processes(systems: Run, tmp_path: Path) -> None:
    done = systems(
        *("run", SLUG, "--preset", "smoke", "--arms", "pairs", "--seeds", "1"),
        *("--launch", "torchrun:2", "--runs", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    pieces = sorted(tmp_path.rglob("pieces/*.json"))
    assert [path.name for path in pieces] == ["0000-0.json", "0000-1.json"]
    assert all(json.loads(p.read_text())["environment"]["processes"] == "2" for p in pieces)


def test_mistakes_are_one_line(systems: Run, tmp_path: Path) -> None:
    wrong = systems("run", SLUG, "--preset", "smoke", "--arms", "other", "--runs", str(tmp_path))
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "broadsheet: no such arm. Received: other. Try: one of random, pairs\n",
    )
    taken = systems("new", "text", SLUG, "Again")
    assert taken.returncode == 4
    assert systems("new", "kitchen", "x", "X").returncode == 2
    assert systems("new", "text", "Not-A-Slug", "X").returncode == 2
    missing = systems("report", SLUG, "--preset", "laptop", "--runs", str(tmp_path))
    assert missing.returncode == 1
    assert "10 of 10 runs are missing" in missing.stderr
