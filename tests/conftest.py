"""Fixtures for every test: no network but loopback, no ambient settings, real data when present."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).resolve().parent / "golden"


# A busy machine is no failure: nothing here is timed.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# A shell that starts us in the background makes us, and all we start, deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: The only reasons for which a test may be skipped; any other skip is a failure.
EXPECTED_SKIPS = ("no Chromium here", "no real data here", "no Ray here")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Turn a skip that nobody expected into a failure."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and not any(reason in str(report.longrepr) for reason in EXPECTED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"unexpected skip of {item.nodeid}: {report.longrepr}"


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of our own small files in the real shapes."""
    return GOLDEN


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets: `BROADSHEET_DATA`, else `shared/data` beside the repository."""
    configured = os.environ.get("BROADSHEET_DATA")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if configured:
            pytest.fail(f"BROADSHEET_DATA names no folder: {configured}")
        pytest.skip("no real data here (set BROADSHEET_DATA)")
    return folder


@pytest.fixture(autouse=True)
def no_ambient_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep tests off the user's own library and clock."""
    for name in [name for name in os.environ if name.startswith("BROADSHEET_")]:
        if name != "BROADSHEET_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / "ambient-home"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any attempt to reach a host that is not this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
