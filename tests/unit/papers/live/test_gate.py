"""The gate: pace and closing times that survive restarts and hold between processes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from broadsheet.papers.live.gate import LONGEST_BACKOFF_S, Gate, GateState, host_of
from broadsheet.papers.live.trouble import Kind, Trouble


def gate(folder: Path, clock: Any, jitter: float = 1.0) -> Gate:
    return Gate(folder, "a.org", every_s=3, clock=clock, sleep=clock.sleep, jitter=lambda: jitter)


def test_requests_are_three_seconds_apart_also_after_a_restart(tmp_path: Path, clock: Any) -> None:
    first = gate(tmp_path, clock)
    first.pass_through(math.inf)
    first.pass_through(math.inf)
    clock.now += 1
    gate(tmp_path, clock).pass_through(math.inf)
    assert clock.slept == [3, 2]


def test_a_turn_that_comes_too_late_is_not_taken(tmp_path: Path, clock: Any) -> None:
    gate(tmp_path, clock).pass_through(math.inf)
    with pytest.raises(Trouble) as caught:
        gate(tmp_path, clock).pass_through(clock.now + 2)
    assert caught.value.kind is Kind.OURS
    assert clock.slept == []
    gate(tmp_path, clock).pass_through(clock.now + 3)
    assert clock.slept == [3]


def test_failures_close_it_for_longer_and_longer_up_to_six_hours(
    tmp_path: Path, clock: Any
) -> None:
    delays = [gate(tmp_path, clock).close("down", after_s=0) for _ in range(9)]
    assert delays[:6] == [5, 20, 80, 320, 1280, 5120]
    assert delays[6:] == [20480, LONGEST_BACKOFF_S, LONGEST_BACKOFF_S]
    state = gate(tmp_path, clock).state()
    assert (state.strikes, state.why) == (9, "down")
    assert gate(tmp_path, clock).closed_until() == clock.now + LONGEST_BACKOFF_S


def test_jitter_spreads_by_half_and_never_below_retry_after(tmp_path: Path, clock: Any) -> None:
    assert gate(tmp_path / "a", clock, jitter=0.0).close("x", after_s=0) == 2.5
    assert gate(tmp_path / "b", clock, jitter=0.5).close("x", after_s=0) == 3.75
    assert gate(tmp_path / "c", clock, jitter=0.0).close("x", after_s=120) == 120


def test_a_closed_gate_lets_nobody_through_until_it_opens(tmp_path: Path, clock: Any) -> None:
    delay = gate(tmp_path, clock).close("asks us to slow down (429)", after_s=60)
    with pytest.raises(Trouble, match="slow down") as caught:
        gate(tmp_path, clock).pass_through(math.inf)
    assert caught.value.kind is Kind.THROTTLED
    clock.now += delay
    gate(tmp_path, clock).pass_through(math.inf)
    assert gate(tmp_path, clock).state().strikes == 1
    gate(tmp_path, clock).open()
    assert gate(tmp_path, clock).state() == GateState(next_turn=clock.now + 3)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"next_turn": "x"}', b"\xff\xfe", b'{"next_turn": null}']
)
def test_a_damaged_file_is_a_host_never_met(tmp_path: Path, clock: Any, content: bytes) -> None:
    (tmp_path / "a.org.json").write_bytes(content)
    gate(tmp_path, clock).pass_through(clock.now)
    assert gate(tmp_path, clock).state().next_turn == clock.now + 3


def test_a_clock_that_was_wrong_does_not_close_it_for_ever(tmp_path: Path, clock: Any) -> None:
    far = {"next_turn": 9e12, "not_before": 0, "strikes": 0, "why": ""}
    (tmp_path / "a.org.json").write_text(json.dumps(far))
    gate(tmp_path, clock).pass_through(math.inf)
    assert clock.slept == [180]
    (tmp_path / "a.org.json").write_text(json.dumps(far | {"not_before": 9e12}))
    assert gate(tmp_path, clock).closed_until() == clock.now + 86400


def test_hosts_have_their_own_files_whatever_they_are_called(tmp_path: Path) -> None:
    assert host_of("http://User:pw@A.org:80/x?y=@z") == "a.org:80"
    for host in ("a.org", "a.org:80", "../../etc/passwd", "é" * 300):
        assert Gate(tmp_path, host, every_s=1).path.parent == tmp_path
    assert Gate(tmp_path, "a:1", every_s=1).path != Gate(tmp_path, "a", every_s=1).path


PROCESS = """
import math, sys
from pathlib import Path
from broadsheet.papers.live.gate import Gate
turns = []
gate = Gate(Path(sys.argv[1]), "a.org", every_s=3, clock=lambda: 1000.0, sleep=turns.append)
for _ in range(6):
    before = len(turns)
    gate.pass_through(math.inf)
    if len(turns) == before:
        turns.append(0.0)
print(*turns)
"""


def test_processes_share_one_pace(tmp_path: Path) -> None:
    source = Path(__file__).parents[4] / "src"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path)],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(source)},
            text=True,
        )
        for _ in range(3)
    ]
    turns = sorted(float(word) for p in running for word in p.communicate()[0].split())
    assert turns == [3.0 * number for number in range(18)]
