"""The program in the guide runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "scale.md"


def test_the_guide_s_program_runs(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program] = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(program, str(GUIDE), "exec"), names)
    assert len(names["answer"]) == 10
    assert (tmp_path / "index" / "index.json").is_file()


def test_the_guide_s_numbers_are_those_of_the_reports() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import scale_page; print(scale_page.section(), end='')"],
        cwd=GUIDE.parents[2] / "benchmarks",
        capture_output=True,
        check=True,
        text=True,
    )
    assert f"begin -->\n{done.stdout}<!--" in GUIDE.read_text(), "run benchmarks/scale_page.py"
