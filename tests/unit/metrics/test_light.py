"""The metrics need numpy and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import broadsheet.metrics

HEAVY = ("scipy", "sklearn", "torch", "pandas", "matplotlib")


def test_all_of_metrics_imports_without_heavy_libraries() -> None:
    folder = Path(broadsheet.metrics.__file__).parent
    names = [f"broadsheet.metrics.{path.stem}" for path in sorted(folder.glob("[a-z]*.py"))]
    program = (
        f"import sys, importlib; [importlib.import_module(name) for name in {names}];"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert len(names) >= 9
    assert done.stdout.strip() == "[]"
