"""The one way a benchmark writes its numbers: results/bench/<name>.json."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("BROADSHEET_DATA", ROOT.parent / "shared" / "data"))
_PACKAGES = ("numpy", "onnxruntime", "openvino", "tantivy", "torch", "sentence-transformers")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")


def machine() -> dict[str, Any]:
    """Describe where the numbers were taken."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "versions": versions,
    }


def write_report(name: str, results: Mapping[str, Any], *, spread: str) -> Path:
    """Write a benchmark's results and print where they went.

    Args:
        name: File name without suffix.
        results: The numbers, units in the keys.
        spread: One sentence: how often each was repeated and what the spread given is.
    """
    program = f"benchmarks/{Path(sys.argv[0]).name}"
    command = " ".join(["python", program, *map(_public, sys.argv[1:])])
    report = {
        "name": name,
        "command": command,
        "machine": machine(),
        "spread": spread,
        "results": results,
    }
    target = ROOT / "results" / "bench" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {target.relative_to(ROOT)}")
    return target


def _public(argument: str) -> str:
    """Shorten a path on this machine to its last part: reports travel, folders don't."""
    return shlex.quote(Path(argument).name if os.sep in argument else argument)
