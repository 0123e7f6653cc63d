"""The house rules that a machine can check: sizes, names, documentation, import cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BESIDE = sorted((ROOT / "src").rglob("test_system.py"))  # a system's tests lie beside its code
SOURCES = sorted(set((ROOT / "src").rglob("*.py")) - set(BESIDE))
PROGRAMS = SOURCES + sorted((ROOT / "benchmarks").rglob("*.py"))
TESTS = BESIDE + sorted((ROOT / "tests").rglob("*.py"))

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PROGRAMS + TESTS, ids=_name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES, f"{_name(path)} is too long: split it by noun"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and path not in TESTS:
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{_name(path)}:{node.lineno} {node.name}"


def test_no_module_is_named_after_nothing() -> None:
    named = [_name(path) for path in SOURCES if path.stem in FORBIDDEN_NAMES]
    assert not named, "name the noun the module is about"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_public_names_are_documented_and_annotated(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not tree.body:
        return
    missing = [] if ast.get_docstring(tree) else ["the module's docstring"]
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_") or _is_local(tree, node):
            continue
        if not ast.get_docstring(node):
            missing.append(f"docstring of {node.name}, line {node.lineno}")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is None:
            missing.append(f"return annotation of {node.name}, line {node.lineno}")
    assert not missing, f"{_name(path)}: {missing}"


def _is_local(tree: ast.Module, node: ast.AST) -> bool:
    """Tell whether `node` is defined inside a function or a private class: no public name."""
    for outer in ast.walk(tree):
        hides = isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(outer, ast.ClassDef) and outer.name.startswith("_")
        )
        if hides and outer is not node and any(inner is node for inner in ast.walk(outer)):
            return True
    return False


def test_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tests_mirror_the_source_tree() -> None:
    package = ROOT / "src" / "broadsheet"
    units = ROOT / "tests" / "unit"
    strays = [
        _name(folder)
        for folder in units.rglob("*")
        if folder.is_dir()
        and folder.name != "__pycache__"
        and not (package / folder.relative_to(units)).is_dir()
    ]
    assert not strays, "each folder of unit tests belongs to a package of the same name"
