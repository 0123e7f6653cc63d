"""Runs handed in: refused with reasons, scored as judged, kept, ranked beside reference rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.data.beir import write_beir
from broadsheet.data.records import RetrievalSet
from broadsheet.metrics.trec_runs import read_run, write_run
from broadsheet.papers.leaderboard import standings
from broadsheet.papers.leaderboard.references import ReferenceRow, References, read_references
from broadsheet.papers.leaderboard.submissions import find_submission, submissions, submit
from broadsheet.papers.leaderboard.tasks import RunTask, load_task, task_names

QUERIES = [f"q{n:02}" for n in range(24)]
TASK = RunTask(
    name="tiny",
    documents=frozenset({"good", "poor", "other"}),
    queries=frozenset({*QUERIES, "unjudged"}),
    qrels={query: {"good": 1} for query in QUERIES},
)


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results, so that only our own rows are there."""
    monkeypatch.setattr("broadsheet.core.report.results_folder", lambda: tmp_path / "results")
    return tmp_path / "results"


def run_file(folder: Path, best: str, queries: list[str] | None = None) -> Path:
    second = "poor" if best == "good" else "good"
    path = folder / f"{best}.run"
    asked = QUERIES if queries is None else queries
    write_run({query: {best: 2.0, second: 1.0} for query in asked}, path, name=best)
    return path


def test_a_run_is_scored_and_kept(tmp_path: Path, reports: Path) -> None:
    scored = submit(run_file(tmp_path, "poor"), TASK, "My run 1.0", tmp_path / "home")
    assert scored.scores["ndcg@10"] == pytest.approx(1 / np.log2(3))
    assert scored.scores["recall@100"] == 1.0
    assert scored.scores["mrr@10"] == scored.scores["map@100"] == 0.5
    assert submissions(tmp_path / "home") == (scored,)
    assert find_submission(tmp_path / "home", "tiny", "my RUN 1.0") == scored
    kept = read_run(tmp_path / "home/leaderboard/tiny/my-run-1.0.run.gz")
    assert kept.run == read_run(run_file(tmp_path, "poor")).run
    with pytest.raises(NotFound):
        find_submission(tmp_path / "home", "tiny", "another")


def test_missing_queries_count_nought_and_unjudged_ones_nothing(
    tmp_path: Path, reports: Path
) -> None:
    path = run_file(tmp_path, "good", [*QUERIES[:6], "unjudged"])
    scored = submit(path, TASK, "part", tmp_path / "home")
    assert scored.scores["ndcg@10"] == 0.25
    assert scored.unanswered == 18
    with pytest.raises(BadInput, match="none of the queries that count"):
        submit(run_file(tmp_path, "good", ["unjudged"]), TASK, "none", tmp_path / "home")


def test_what_is_wrong_is_refused_and_nothing_kept(tmp_path: Path, reports: Path) -> None:
    home = tmp_path / "home"
    write_run({"q00": {"good": 1.0}, "q99": {"good": 1.0}}, tmp_path / "x.run", name="x")
    with pytest.raises(BadInput, match="line 2: an unknown query"):
        submit(tmp_path / "x.run", TASK, "x", home)
    for name in ("", " x", "x/y", "..", "ä", "x" * 61):
        with pytest.raises(UsageError, match="run's name"):
            submit(run_file(tmp_path, "good"), TASK, name, home)
    assert submissions(home) == ()


def test_a_name_is_taken_once(tmp_path: Path, reports: Path) -> None:
    home, path = tmp_path / "home", run_file(tmp_path, "good")
    submit(path, TASK, "one", home)
    with pytest.raises(UsageError, match="handed in"):
        submit(path, TASK, "ONE", home)
    again = submit(run_file(tmp_path, "poor"), TASK, "one", home, replace=True)
    assert submissions(home) == (again,)
    (reports / "bench").mkdir(parents=True)
    rows = [{"name": "bm25", "seeds": 1, "ndcg": {"tiny": [0.5] * 24}}]
    document = {"queries": {"tiny": QUERIES}, "rows": rows}
    (reports / "bench/search_rows.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="reference row"):
        submit(path, TASK, "BM25", home)


def test_damaged_files_are_named(tmp_path: Path, reports: Path) -> None:
    home = tmp_path / "home"
    submit(run_file(tmp_path, "good"), TASK, "one", home)
    place = home / "leaderboard/tiny/one.json"
    place.write_text(place.read_text().replace('"ndcg": [1.0', '"ndcg": ["x"'))
    with pytest.raises(BadInput, match="can't be read"):
        submissions(home)
    (reports / "bench").mkdir(parents=True)
    (reports / "bench/search_rows.json").write_text('{"queries": {}, "rows": [{"name": "x"}]}')
    with pytest.raises(BadInput, match="can't be read"):
        read_references()


def test_rows_are_ranked_with_letters_and_a_mean_over_all_tasks(
    tmp_path: Path, reports: Path
) -> None:
    home = tmp_path / "home"
    submit(run_file(tmp_path, "good"), TASK, "ours", home)
    noise = np.linspace(0.3, 0.7, 24)
    references = References(
        queries={"tiny": tuple(QUERIES), "more": ("a", "b")},
        rows=(
            ReferenceRow(name="bm25", seeds=1, ndcg={"tiny": tuple(noise), "more": (0.2, 0.4)}),
            ReferenceRow(name="other", seeds=5, ndcg={"tiny": tuple(noise[::-1])}),
        ),
    )
    board = standings.make_board(submissions(home), references)
    assert [task.name for task in board.tasks] == ["more", "tiny"]
    assert [row.name for row in board.rows] == ["bm25", "other", "ours"]
    by_name = {row.name: row for row in board.rows}
    assert by_name["bm25"].mean == pytest.approx((30 + 50) / 2)
    assert by_name["ours"].mean is None
    assert by_name["ours"].scores["tiny"].letters == "a"
    assert by_name["bm25"].scores["tiny"].letters == by_name["other"].scores["tiny"].letters == "b"
    low, high = by_name["bm25"].scores["tiny"].interval
    assert low < 50 < high
    assert (by_name["other"].seeds, by_name["other"].reference) == (5, True)
    assert not by_name["ours"].reference
    assert next(row.name for row in standings.ordered(board, "tiny")) == "ours"
    assert [row.name for row in standings.ordered(board, "name")] == ["bm25", "other", "ours"]
    with pytest.raises(UsageError):
        standings.ordered(board, "beauty")


def test_a_board_is_read_again_when_a_run_comes(tmp_path: Path, reports: Path) -> None:
    home = tmp_path / "home"
    assert standings.read_board(home).rows == ()
    submit(run_file(tmp_path, "good"), TASK, "one", home)
    assert [row.name for row in standings.read_board(home).rows] == ["one"]
    assert standings.read_board(home) is standings.read_board(home)


def test_runs_of_other_judgements_are_kept_apart(tmp_path: Path, reports: Path) -> None:
    home = tmp_path / "home"
    submit(run_file(tmp_path, "good"), TASK, "one", home)
    row = ReferenceRow(name="bm25", seeds=1, ndcg={"tiny": (0.1, 0.2)})
    references = References(queries={"tiny": ("a", "b")}, rows=(row,))
    board = standings.make_board(submissions(home), references)
    assert [row.name for row in board.rows] == ["one"]


def test_tasks_are_folders_of_data_sets(tmp_path: Path) -> None:
    made = RetrievalSet({"d": "a wing"}, {"q": "wings"}, {"q": {"d": 1}})
    write_beir(made, tmp_path / "beir/tiny")
    write_beir(made, tmp_path / "beir/Not a name")
    assert task_names(tmp_path) == ("tiny",)
    task = load_task("tiny", tmp_path)
    assert (task.documents, task.judged) == (frozenset({"d"}), ("q",))
    for name in ("cranfield", "../tiny"):
        with pytest.raises(NotFound):
            load_task(name, tmp_path)


@pytest.mark.data
def test_cranfield_takes_all_questions_and_judges_the_even_ones(data_folder: Path) -> None:
    task = load_task("cranfield", data_folder)
    assert (len(task.documents), len(task.queries), len(task.judged)) == (1400, 225, 112)


def test_the_system_writes_where_the_leaderboard_reads() -> None:
    from broadsheet.papers.leaderboard import references
    from broadsheet.systems.retrieval.brewing_beir import rows

    assert f"bench/{references.FILE}" == rows.FILE
