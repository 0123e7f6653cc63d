"""What `doctor` looks at: one check, one line."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from broadsheet.core.errors import BroadsheetError

_LOW_SPACE_MB = 500
#: `VACUUM INTO` (backups), upserts and window functions.
_OLDEST_SQLITE = (3, 31, 0)


@dataclass(frozen=True, slots=True)
class Check:
    """One line: `state` is "good", "note" (works, but look) or "bad"."""

    name: str
    state: str
    detail: str
    hint: str = ""


def run_checks(home: Path, *, port: int) -> list[Check]:
    """Look at everything; a check that fails in an unforeseen way is a bad line, not a crash."""
    checks: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("python", _python),
        ("sqlite", _sqlite),
        ("words engine", _words_engine),
        ("kernels", _vector_kernels),
        ("home", lambda: _home(home)),
        ("disk", lambda: _disk(home)),
        ("store", lambda: _store(home)),
        ("indexes", lambda: _indexes(home)),
        ("models", lambda: _models(home)),
        ("port", lambda: _port(port)),
        ("browser", _browser),
    ]
    lines: list[Check] = []
    for name, check in checks:
        try:
            lines += check()
        except BroadsheetError as error:
            lines.append(Check(name, "bad", error.what, error.hint))
        except (OSError, sqlite3.Error, ImportError) as error:
            lines.append(Check(name, "bad", f"{type(error).__name__}: {error}"))
    return lines


def _python() -> Iterator[Check]:
    good = sys.version_info >= (3, 11)
    yield Check(
        "python", "good" if good else "bad", platform.python_version(), "" if good else "3.11"
    )


def _sqlite() -> Iterator[Check]:
    good = sqlite3.sqlite_version_info >= _OLDEST_SQLITE
    oldest = ".".join(map(str, _OLDEST_SQLITE))
    hint = "" if good else f"a Python with SQLite {oldest} or newer"
    yield Check("sqlite", "good" if good else "bad", sqlite3.sqlite_version, hint)


def _vector_kernels() -> Iterator[Check]:
    from broadsheet.index.compact import native

    if native.available():
        yield Check("kernels", "good", f"C, {native.instruction_set()}")
    else:
        yield Check(
            "kernels",
            "note",
            "numpy: meaning searches the same, more slowly",
            "install a C compiler, then install Broadsheet again",
        )


def _words_engine() -> Iterator[Check]:
    importlib.import_module("tantivy")
    yield Check("words engine", "good", f"tantivy {metadata.version('tantivy')}")


def _home(home: Path) -> Iterator[Check]:
    if not home.exists():
        yield Check("home", "note", f"{home} does not exist yet", "broadsheet init")
        return
    with tempfile.TemporaryFile(dir=home) as handle:
        handle.write(b"x" * 4096)
    mode = home.stat().st_mode & 0o077
    if mode & 0o022:
        yield Check("home", "note", f"{home} may be changed by others", f"chmod go-w {home}")
        return
    yield Check("home", "good", f"{home} can be read and written")


def _disk(home: Path) -> Iterator[Check]:
    existing = next(path for path in (home, *home.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e6
    state = "good" if free >= _LOW_SPACE_MB else "note"
    yield Check("disk", state, f"{free:,.0f} MB free", "" if state == "good" else "free some space")


def _store(home: Path) -> Iterator[Check]:
    from broadsheet.papers.store import STORE_FILE, Store

    path = home / STORE_FILE
    if not path.exists():
        yield Check("store", "note", "there is no library yet", "broadsheet ingest FILE")
        return
    with Store.open(home) as store:
        counts = store.counts()
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        yield Check("store", "bad", f"damaged: {verdict}", "broadsheet restore, from a backup")
        return
    size = path.stat().st_size / 1e6
    detail = f"{counts.works:,} papers, {counts.records:,} records, {size:,.1f} MB, no damage"
    yield Check("store", "good", detail)


def _indexes(home: Path) -> Iterator[Check]:
    from broadsheet.cli.indexes import index_states
    from broadsheet.papers.store import STORE_FILE, Store

    if not (home / STORE_FILE).exists():
        return
    with Store.open(home) as store:
        states = index_states(home, store)
    for item in states:
        if item.state == "current":
            yield Check(item.name, "good", f"{item.papers:,} papers")
            continue
        broken = item.state.startswith("broken")
        detail = f"{item.behind:,} changes behind" if item.state == "behind" else item.state
        vectors = item.name.startswith("vectors ")
        verb = f"model embed {item.name.removeprefix('vectors ')}" if vectors else "index build"
        yield Check(item.name, "bad" if broken else "note", detail, f"broadsheet {verb}")


def _models(home: Path) -> Iterator[Check]:
    from broadsheet.runtime import models
    from broadsheet.runtime.artefact import read_artefact

    found = [card for card in models.installed(home) if card.state != "available"]
    for card in found:
        try:
            read_artefact(models.model_folder(home, card.id), verify=True)
        except BroadsheetError as error:
            hint = f"broadsheet model install {card.id}"
            yield Check(f"model {card.id}", "bad", error.what, hint)
            continue
        yield Check(f"model {card.id}", "good", f"{card.state}, every file has its hash")
    if not found:
        hint = "broadsheet model install wordllama-256"
        yield Check("models", "note", "none installed: search compares words only", hint)


def _port(port: int) -> Iterator[Check]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            hint = "broadsheet serve --port with another one"
            yield Check("port", "note", f"127.0.0.1:{port} can't be used: {error}", hint)
            return
    yield Check("port", "good", f"127.0.0.1:{port} is free")


def _browser() -> Iterator[Check]:
    names = ("chromium", "chromium-browser", "google-chrome", "firefox", "safari", "open")
    found = next((name for name in names if shutil.which(name)), "")
    if found or os.environ.get("BROWSER"):
        yield Check("browser", "good", found or os.environ["BROWSER"])
        return
    hint = "open the address that serve prints on another machine's browser (ssh -L)"
    yield Check("browser", "note", "none found", hint)
