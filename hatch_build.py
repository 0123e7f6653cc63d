"""Build hook: compile the compact index's kernels when there is a C compiler.

Installing never needs one: without a compiler, or when it fails, the package is built without the
library and the index uses numpy. The library lands beside its sources, so that an editable
install finds it, too. Run this file to build it by hand.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without the build backend
    BuildHookInterface = object  # type: ignore[assignment,misc]

FOLDER = Path("src/broadsheet/index/compact/native")
LIBRARY = "libcompact.so"
#: The same sums in every file: products are never fused with additions.
FLAGS = [
    "-O3",
    "-fPIC",
    "-std=gnu11",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fvisibility=hidden",
]
X86 = {
    "avx2": ["-mavx2", "-mpopcnt", "-mbmi", "-mbmi2"],
    "avx512": [
        *("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni"),
        *("-mavx512vpopcntdq", "-mavx2", "-mpopcnt", "-mbmi", "-mbmi2"),
        "-mprefer-vector-width=512",
    ],
}
ARM: dict[str, list[str]] = {"neon": []}


def compiler() -> list[str] | None:
    """Return the command of a C compiler, or None."""
    asked = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    for command in (asked, "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words[:1]
    return None


def families() -> dict[str, list[str]]:
    """Return the instruction sets of this kind of processor, with their flags."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return X86
    return ARM if machine in ("aarch64", "arm64") else {}


def compile_library(root: Path) -> Path | None:
    """Compile the library into the source tree; None when that is not possible here."""
    command = compiler()
    if command is None or os.name != "posix" or sys.byteorder != "little":
        return None
    folder = root / FOLDER
    with tempfile.TemporaryDirectory() as work:
        objects = []
        defines = []
        for name, flags in {"plain": [], **families()}.items():
            target = str(Path(work) / f"{name}.o")
            source = str(folder / f"isa_{name}.c")
            if _runs([*command, *FLAGS, *flags, "-c", source, "-o", target]):
                objects.append(target)
                defines.append(f"-DWITH_{name.upper()}")
            elif name == "plain":
                return None
        built = Path(work) / LIBRARY
        last = [str(folder / "dispatch.c"), *objects, "-shared", "-lm", "-o", str(built)]
        if not _runs([*command, *FLAGS, *defines, *last]):
            return None
        # Replaced, never written into: a running process may have the old one mapped.
        fresh = folder / f".{LIBRARY}.{os.getpid()}"
        shutil.copyfile(built, fresh)
        fresh.replace(folder / LIBRARY)
    return folder / LIBRARY


def _runs(command: list[str]) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        _tell(f"{command[0]} failed: {done.stderr[-400:]}")
    return done.returncode == 0


def _tell(text: str) -> None:
    sys.stderr.write(f"broadsheet: {text}\n")


class CompactKernels(BuildHookInterface):
    """Puts the library into the wheel, when it can be built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are gathered."""
        if self.target_name != "wheel":
            return
        library = compile_library(Path(self.root))
        if library is None:
            _tell("no C compiler here; searches will use numpy")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"
        build_data["artifacts"].append(f"/{FOLDER}/{LIBRARY}")


def _platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


if __name__ == "__main__":
    _tell(str(compile_library(Path(__file__).resolve().parent) or "no C compiler here"))
