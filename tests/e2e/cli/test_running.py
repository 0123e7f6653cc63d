"""Verbs that stay: serve and demo end on Ctrl-C; interrupts and closed pipes end cleanly."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broadsheet.core.errors import BroadsheetError
from broadsheet.papers.store import Store

Run = Callable[..., subprocess.CompletedProcess[str]]
Environment = Callable[..., dict[str, str]]


@contextmanager
def _started(arguments: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "broadsheet", *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        if found:
            return found[0]
    pytest.fail(f"no address was printed: {process.communicate()[1]}")


def _get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())


def test_serve_prints_its_address_and_ends_on_ctrl_c(
    loaded: Run, home: Path, environment: Environment
) -> None:
    with _started(["serve", "--port", "0"], environment(home)) as process:
        address = _address(process)
        assert "OpenS2V-Nexus" in _get(f"{address}d/2025-09-02")
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert "Traceback" not in error
    assert loaded("doctor").returncode == 0


def test_demo_loads_serves_on_the_next_free_port_and_ends_on_ctrl_c(
    home: Path, environment: Environment, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        arguments = ["demo", "--no-live", "--no-model", "--port", str(port), "--home", str(home)]
        with _started(arguments, environment(tmp_path / "not-mine")) as process:
            address = _address(process)
            assert f":{port}/" not in address
            assert "Broadsheet" in _get(address)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert not (tmp_path / "not-mine").exists()


def test_demo_with_one_s_own_files(broadsheet: Run, home: Path, golden: Path) -> None:
    arguments = ["demo", "--no-live", "--no-model", "--no-serve", "--home", home]
    done = broadsheet(*arguments, "--papers", golden / "jsonl-hf" / "daily.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 papers in ")
    again = broadsheet(*arguments)
    assert again.stdout.startswith("42 papers in ")
    assert json.loads(broadsheet("index", "status", "--json").stdout)["data"]


def test_demo_survives_a_file_that_is_half_good(broadsheet: Run, home: Path, golden: Path) -> None:
    arguments = ["demo", "--no-live", "--no-model", "--no-serve", "--home", home]
    done = broadsheet(*arguments, "--papers", golden / "jsonl-hf" / "broken.jsonl")
    assert done.returncode == 0, done.stderr
    assert "could not be read" in done.stderr


def test_ctrl_c_while_reading_keeps_what_was_stored(
    broadsheet: Run, home: Path, environment: Environment
) -> None:
    lines = [
        json.dumps(
            {
                "day": "2025-11-04",
                "id": f"2511.{number:05d}",
                "title": f"Kettle {number}",
                "abstract": "Kettles whistle. " * 100,
            }
        ).encode()
        + b"\n"
        for number in range(2500)
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "broadsheet", "ingest", "-"],
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.writelines(lines)
        process.stdin.flush()
        _wait_for_works(home, 1000)
        process.send_signal(signal.SIGINT)
        error = process.stderr.read().decode()
    assert process.returncode == 130, error
    assert error.splitlines()[-1].startswith("broadsheet: interrupted; what was done is kept")
    assert "Traceback" not in error
    done = broadsheet("ingest", "-", "--json", stdin=b"".join(lines))
    total = json.loads(done.stdout)["data"]["total"]
    assert total["known"] >= 1000
    assert total["known"] + total["new"] == 2500


def _wait_for_works(home: Path, count: int) -> None:
    for _ in range(600):
        time.sleep(0.1)
        try:
            with Store.open(home) as store:
                if store.counts().works >= count:
                    return
        except BroadsheetError:
            continue
    pytest.fail("nothing was stored")


def test_a_reader_that_leaves_is_no_error(
    loaded: Run, home: Path, environment: Environment
) -> None:
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" -m broadsheet export | head -c 100', sys.executable],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 141)
    assert done.stderr == ""


def test_debug_shows_where_an_error_arose(
    broadsheet: Run, home: Path, environment: Environment
) -> None:
    script = (
        "import sys\n"
        "import broadsheet.papers.library as library\n"
        "library.Library = None\n"
        "from broadsheet.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    for flags, traceback in (([], False), (["--debug"], True)):
        done = subprocess.run(
            [sys.executable, "-c", script, *flags, "search", "x"],
            env=environment(home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 70
        assert ("Traceback" in done.stderr) is traceback
        assert done.stderr.splitlines()[-1].startswith("broadsheet: a fault in Broadsheet")


def test_fetch_without_a_network_is_exit_3_and_says_when_to_try_again(
    loaded: Run, home: Path, environment: Environment
) -> None:
    """A proxy that refuses stands for a network that is not there."""
    proxy = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "broadsheet", "fetch", "--seconds", "5", "--json"],
        env=environment(home, **proxy, no_proxy=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith("broadsheet: ")
    states = {item["state"] for item in json.loads(done.stdout)["data"]["sources"]}
    assert "complete" not in states
    status = json.loads(loaded("sources", "status", "--json").stdout)["data"]
    assert any(item["why"] for item in status)
