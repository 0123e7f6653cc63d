"""The server as a process: says where it is, answers, ends on an interrupt without a word."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from broadsheet.papers.ingest import ingest
from broadsheet.papers.library import Library

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(golden: Path, tmp_path: Path) -> Path:
    """A library that was ingested and never indexed."""
    with Library(tmp_path / "home", create=True) as library:
        ingest(library.store, [str(golden / "web")])
    return tmp_path / "home"


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    """Start `broadsheet serve`."""
    return subprocess.Popen(
        [sys.executable, "-m", "broadsheet", "serve", "--home", str(home), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


def address_told(server: subprocess.Popen[str]) -> str:
    """Return the address that a server prints."""
    assert server.stdout is not None
    line = server.stdout.readline()
    return next(word for word in line.split() if word.startswith("http"))


def found_within(client: httpx.Client, patience_s: float) -> int:
    """Search until the indexes are built behind the pages; return how many papers match."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        answer = client.get("/search.json?q=segmentation")
        if answer.status_code == 200:
            return int(answer.json()["data"]["total"])
        time.sleep(0.1)
    return 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serves_indexes_behind_and_ends_cleanly(home: Path, how: signal.Signals) -> None:
    server = start(home, "--port", "0")
    try:
        with httpx.Client(base_url=address_told(server), timeout=30) as client:
            assert client.get("/d/2025-08-27").status_code == 200
            assert found_within(client, 60.0) > 0
    finally:
        server.send_signal(how)
        _, told = server.communicate(timeout=60)
    assert server.returncode in {0, -how}
    assert "Traceback" not in told


def test_a_taken_port_is_one_line(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        server = start(home, "--port", port, "--no-background")
        _, told = server.communicate(timeout=60)
        assert server.returncode == 3
        assert told.count("\n") == 1
        assert f"port {port} is taken" in told
        other = start(home, "--port", port, "--next-free", "--no-background")
        try:
            assert httpx.get(address_told(other) + "healthz", timeout=30).json() == {"ok": True}
        finally:
            other.send_signal(signal.SIGINT)
            other.communicate(timeout=60)
