"""Run files: there and back, every mistake with its line, and trec_eval's opinion of ties."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.metrics import ranking
from broadsheet.metrics.trec_runs import RunRules, read_run, without_ties, write_run

RULES = RunRules(queries={"q1", "q2"}, documents={"a", "b", "c"}, most=2)


def write(folder: Path, text: str) -> Path:
    path = folder / "some.run"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("q1 Q0 b 2 0.5", "line 2: 5 columns"),
        ("q9 Q0 b 2 0.5 me", "line 2: an unknown query"),
        ("q1 Q0 z 2 0.5 me", "line 2: an unknown document"),
        ("q1 Q0 a 2 0.5 me", "line 2: this document came before"),
        ("q1 Q0 b two 0.5 me", "line 2: the rank is not a whole number"),
        ("q1 Q0 b 2 half me", "line 2: the score is not a number"),
        ("q1 Q0 b 2 nan me", "line 2: the score is not a finite number"),
        ("q1 Q0 b 2 -inf me", "line 2: the score is not a finite number"),
        ("q1 Q0 b 2 1e39 me", "line 2: the score is not a finite number"),
        ("q1 Q0 b 2 0.95 me", "line 2: rank 2 has a higher score than rank 1"),
        ("q1 Q0 b 1 0.5 me", "line 2: rank 1 comes twice"),
        ("q1 Q0 b 2 0.5 me\nq1 Q0 c 3 0.4 me", "line 3: more than 2 documents"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path, f"q1 Q0 a 1 0.9 me\n{line}\n")
    with pytest.raises(BadInput, match=said):
        read_run(path, RULES)


def test_what_is_allowed_is_read(tmp_path: Path) -> None:
    text = "q1\tQ0\ta\t0\t3\tme\n\nq1 Q0 b 1 3 me\r\nq2 Q0 c 7 -1e-3 you\n"
    found = read_run(write(tmp_path, text), RULES)
    assert found.run == {"q1": {"a": 3.0, "b": 3.0}, "q2": {"c": -0.001}}
    assert (found.name, found.lines, found.tied) == ("", 3, 2)
    packed = tmp_path / "some.run.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert read_run(packed, RULES) == found
    with pytest.raises(BadInput, match="empty"):
        read_run(write(tmp_path, "\n"))


@given(
    st.dictionaries(
        st.sampled_from(["q1", "q2"]),
        st.dictionaries(st.sampled_from("abcdef"), st.floats(-9, 9, width=32), min_size=1),
        min_size=1,
    )
)
def test_there_and_back(tmp_path_factory: pytest.TempPathFactory, run: dict) -> None:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("runs") / "x.run"
    write_run(run, path, name="x")
    found = read_run(path).run
    assert found == run
    assert [list(scores) for scores in found.values()] == [
        ranking.ranked(scores) for scores in run.values()
    ]


def test_names_with_blanks_are_not_written(tmp_path: Path) -> None:
    for run, name in (({"q": {"a b": 1.0}}, "x"), ({"q": {"a": 1.0}}, "my run")):
        with pytest.raises(BadInput, match="blanks"):
            write_run(run, tmp_path / "x", name=name)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_broken_ties_keep_the_order_of_the_run(values: list[int]) -> None:
    scores = {f"d{place:02}": value / 3 for place, value in enumerate(sorted(values, reverse=True))}
    found = without_ties({"q": scores})["q"]
    assert ranking.ranked(found) == list(scores)
    assert found == pytest.approx(scores, abs=1e-4)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40, unique_by=id
    ),
    st.integers(0, 2**31),
)
def test_metrics_agree_with_trec_eval_under_ties(rows: list[tuple[int, int]], seed: int) -> None:
    """Few different scores, so that most documents tie; all metrics within 1e-9."""
    evaluator = pytest.importorskip("pytrec_eval")
    names = np.random.default_rng(seed).permutation(len(rows)).astype(str)
    run = {"q": {f"d{n}": float(np.float32(s / 3)) for n, (s, _) in zip(names, rows, strict=True)}}
    qrels = {"q": {f"d{n}": g for n, (_, g) in zip(names, rows, strict=True)}}
    theirs = evaluator.RelevanceEvaluator(
        qrels, {"ndcg_cut.10", "recall.5", "recip_rank", "map_cut.10", "P.5"}
    ).evaluate(run)["q"]
    ours = {
        "ndcg_cut_10": ranking.ndcg(run, qrels, 10),
        "recall_5": ranking.recall(run, qrels, 5),
        "recip_rank": ranking.mrr(run, qrels),
        "map_cut_10": ranking.average_precision(run, qrels, 10),
        "P_5": ranking.precision(run, qrels, 5),
    }
    assert {name: values["q"] for name, values in ours.items()} == pytest.approx(theirs, abs=1e-9)
