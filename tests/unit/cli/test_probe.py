"""`probe-heads` hands over what was asked and prints what came back."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from broadsheet.cli import main, probe
from broadsheet.systems.reading.retrieval_heads.probing import ProbeOrder, ProbeResult

RESULT = ProbeResult(
    model="toy",
    layers=2,
    heads=4,
    trials=6,
    counted=5,
    share=0.25,
    share_interval=(0.125, 0.375),
    always=1,
    strongest=(("1-2", 0.9), ("0-1", 0.4)),
    recall=((250, 0.0, 1.0), (250, 1.0, 0.5)),
    whole=0.9,
    without_top=0.3,
    without_random=0.85,
    difference_interval=(0.4, 0.7),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for the probe; notes what it was asked."""
    calls: list[Any] = []

    def run(order: ProbeOrder, **rest: Any) -> ProbeResult:
        calls.append((order, rest["scores"]))
        return RESULT

    parts = {"order": ProbeOrder, "run": run}
    monkeypatch.setattr(probe, "ENGINE", SimpleNamespace(load=parts.__getitem__))
    return calls


def test_the_answer_is_fields_and_a_grid(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe-heads", "toy", "--mask-top", "7", "--dtype", "bfloat16"]) == 0
    printed = capsys.readouterr()
    assert "copying heads\t25.0 % score 0.1 or more (12.5 to 37.5)" in printed.out
    assert "strongest\t1-2 (0.9); 0-1 (0.4)" in printed.out
    assert "recall, 7 strongest off\t0.3" in printed.out
    assert "250\t1.0\t0.5" in printed.out
    assert "55 points (40 to 70)" in printed.err
    [(order, scores)] = asked
    assert (order.model, order.mask_top, order.dtype, scores) == ("toy", 7, "bfloat16", None)


def test_json_holds_every_number(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe-heads", "toy", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["difference_interval"] == [0.4, 0.7]
    assert data["strongest"][0] == ["1-2", 0.9]


def test_bad_orders_end_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe-heads", "no-such-model"]) == 1
    assert "no such model" in capsys.readouterr().err
    assert main(["probe-heads", "x", "--context-min", "500", "--context-max", "100"]) == 2
    assert "at least one of everything" in capsys.readouterr().err
