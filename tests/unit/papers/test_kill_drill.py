"""A small kill drill; `benchmarks/kill_drill.py` does the one of 200 kills."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_three_kills_leave_no_trace() -> None:
    program = ROOT / "benchmarks" / "kill_drill.py"
    size = ["--kills", "3", "--papers", "120", "--days", "4", "--parallel", "1", "--no-report"]
    done = subprocess.run(
        [sys.executable, str(program), *size], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout)
    assert (results["kills"], results["equal"]) == (3, 3)
    assert results["undisturbed"]["records"] > 120
    assert results["undisturbed"]["merged"] > 0
    assert results["undisturbed"]["editions"] == 4
