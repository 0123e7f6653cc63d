"""`broadsheet leaderboard` from a run file to the table, with exit codes a script can use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broadsheet.cli import main
from broadsheet.data.beir import write_beir
from broadsheet.data.records import RetrievalSet
from broadsheet.metrics.trec_runs import write_run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = RetrievalSet(
        {"d": "a wing", "e": "heat"}, {"q": "wings", "r": "heat"}, {"q": {"d": 1}, "r": {"e": 1}}
    )
    write_beir(made, tmp_path / "data/beir/tiny")
    monkeypatch.setattr("broadsheet.core.report.results_folder", lambda: tmp_path / "results")
    monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BROADSHEET_DATA", raising=False)
    write_run({"q": {"d": 1.0, "e": 1.0}}, tmp_path / "my.run", name="x")
    return tmp_path


def test_from_a_run_file_to_the_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submit = ["leaderboard", "submit", str(place / "my.run"), "--task", "tiny", "--name", "My run"]
    assert main([*submit, "--data", str(place / "data"), "--json"]) == 0
    printed = capsys.readouterr()
    data = json.loads(printed.out)["data"]
    assert (data["recall@100"], data["unanswered"], data["tied"]) == (50.0, 1, 2)
    assert "falling document id" in printed.err
    assert main([*submit, "--data", str(place / "data")]) == 2
    assert "--replace" in capsys.readouterr().err
    assert main(["leaderboard", "list", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["data"]
    assert (row["name"], row["task"], row["letters"]) == ("My run", "tiny", "a")
    assert main(["leaderboard", "show", "my run", "--task", "tiny"]) == 0
    assert "sha256" in capsys.readouterr().out


def test_exit_codes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, data = str(place / "my.run"), ["--data", str(place / "data")]
    assert main(["leaderboard", "list"]) == 1
    assert main(["leaderboard", "submit", run, "--task", "tiny", "--name", "x"]) == 2  # no data
    assert main(["leaderboard", "submit", run, "--task", "none", "--name", "x", *data]) == 1
    (place / "my.run").write_text("q Q0 d 1 nan x\n")
    assert main(["leaderboard", "submit", run, "--task", "tiny", "--name", "x", *data]) == 4
    assert "line 1" in capsys.readouterr().err
