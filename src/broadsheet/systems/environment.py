"""What a run ran on and with: versions, machine, threads, the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from importlib.resources import files
from pathlib import Path

#: Packages whose version can change a number.
PACKAGES = (
    "accelerate",
    "broadsheet",
    "datasets",
    "numpy",
    "onnxruntime",
    "ray",
    "scikit-learn",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)


def describe_environment() -> dict[str, str]:
    """Return names and values; only what is installed."""
    return {
        "code": code_version(),
        "python": platform.python_version(),
        **{f"version {name}": version for name, version in versions().items()},
        "machine": machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "1"),
        **_launch(),
    }


def versions() -> dict[str, str]:
    """Return the versions of those packages that are installed and matter."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Return processor, number of cores and system in one line."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def code_version() -> str:
    """Return the commit of the code with "+changes" where files differ, "" without a repository."""
    root = source_tree()
    if root is None:
        return ""
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return ""
    return commit + ("+changes" if _git(root, "status", "--porcelain", "--", "src") else "")


def source_tree() -> Path | None:
    """Return the root of the source tree, None when the package is installed without one.

    The tree is the folder whose src/ holds the package, beside a pyproject.toml.
    """
    package = Path(str(files("broadsheet")))
    root = package.parents[1]
    inside = package.parent.name == "src" and (root / "pyproject.toml").is_file()
    return root if inside else None


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *words],  # noqa: S607 - git where the user has it
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


def _launch() -> dict[str, str]:
    size = os.environ.get("WORLD_SIZE", "1")
    return {} if size == "1" else {"processes": size}
