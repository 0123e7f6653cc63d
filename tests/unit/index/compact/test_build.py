"""The build hook: a library where there is a compiler, an install all the same where not."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(hook: ModuleType, tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / hook.FOLDER, tmp_path / hook.FOLDER, ignore=shutil.ignore_patterns("*.so*")
    )
    return tmp_path


def test_without_a_compiler_nothing_is_built(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tree))
    monkeypatch.setenv("CC", "no-such-compiler")
    assert hook.compiler() is None
    assert hook.compile_library(tree) is None
    assert not list(tree.rglob("*.so"))


def test_a_compiler_that_fails_builds_nothing(
    hook: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / hook.FOLDER / "isa_plain.c").write_text("this is no C")
    assert hook.compile_library(tree) is None
    assert not list(tree.rglob("*.so*"))


def test_the_library_has_a_search_for_every_processor(hook: ModuleType, tree: Path) -> None:
    built = hook.compile_library(tree)
    assert (built is not None) == (hook.compiler() is not None)
    if built is not None:
        library = ctypes.CDLL(str(built))
        library.compact_choose.restype = ctypes.c_void_p
        assert library.compact_choose(b"plain")
        assert not library.compact_choose(b"mmx")
