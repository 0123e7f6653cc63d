"""The published format comes back as it went out, and the published means give the known table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.systems.reading.retrieval_heads.heads import ScoreTable
from broadsheet.systems.reading.retrieval_heads.published import observe_published
from broadsheet.systems.reading.retrieval_heads.store import (
    read_published,
    read_scores,
    write_scores,
)

#: heads, mean >= 0.1, share in percent, mean >= 0.5, share of 0 in percent, always active, trials.
TABLE = {
    "llama-2-7b-80k": (1024, 33, 3.2, 6, 70, 12, 586),
    "llama-2-13b-64k": (1600, 33, 2.1, 6, 73, None, 367),
    "Mistral-7B-v0.2-hf": (1024, 43, 4.2, 5, 65, 31, 362),
    "Mixtral-8x7B-v0.1": (1024, 63, 6.2, 7, 58, 40, 390),
    "Yi-6B-200K": (1024, 53, 5.2, 7, 49, None, 567),
    "Qwen1.5-14B": (1600, 61, 3.8, 10, 53, 0, 390),
    "Qwen1.5-14B-Chat": (1600, 68, 4.3, 1, 71, 0, 221),
}
HEADER = "model,layer,head,mean_score,frac_trials_active,trials\n"


def test_scores_come_back_as_they_were(tmp_path: Path) -> None:
    scores = np.round(np.random.default_rng(0).random((7, 3, 2)), 6)
    write_scores(tmp_path / "scores.json", ScoreTable(scores, 9))
    data = json.loads((tmp_path / "scores.json").read_text())
    assert list(data) == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]
    assert data["2-1"] == scores[:, 2, 1].tolist()
    back = read_scores(tmp_path / "scores.json")
    np.testing.assert_array_equal(back.scores_TNH, scores)
    assert back.trials == 7


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"0": [1]}',
        '{"0-0": 1}',
        '{"0-0": ["x"]}',
        '{"0-0": [-1]}',
        '{"0-0": [1], "0-1": [1, 2]}',
        '{"0-0": [1], "1-1": [1]}',
        '{"0-0": [NaN]}',
    ],
)
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(BadInput):
        read_scores(path)


def test_means_are_read_by_model(tmp_path: Path) -> None:
    path = tmp_path / "means.csv"
    path.write_text(HEADER + "a,0,0,0.5,1.0,9\na,0,1,0.0,0.0,9\nb,0,0,1.003,1,4\n")
    found = read_published(path)
    assert found["a"].mean_NH.tolist() == [[0.5, 0.0]]
    assert found["a"].summary() == {
        "heads": 2.0,
        "heads >= 0.1": 1.0,
        "share >= 0.1": 0.5,
        "heads >= 0.5": 1.0,
        "share of 0": 0.5,
        "always active": 1.0,
        "trials": 9.0,
    }
    observed = {(o.dataset, o.metric): o.value for o in observe_published(found)}
    assert observed["a", "share >= 0.1"] == 50.0
    for text in ("x\n", HEADER + "a,0,0,x,1,9\n", HEADER + "a,0,1,0,1,9\n"):
        path.write_text(text)
        with pytest.raises(BadInput):
            read_published(path)


@pytest.mark.data
def test_the_published_scores_give_the_known_table(data_folder: Path) -> None:
    found = read_published(data_folder / "retrieval_heads" / "head_score_means.csv")
    assert set(found) == set(TABLE)
    for model, (heads, strong, share, very, zero, always, trials) in TABLE.items():
        numbers = found[model].summary()
        assert numbers["heads"] == heads
        assert numbers["heads >= 0.1"] == strong, model
        assert 100 * numbers["share >= 0.1"] == pytest.approx(share, abs=0.051), model
        assert numbers["heads >= 0.5"] == very, model
        assert round(100 * numbers["share of 0"]) == zero, model
        assert numbers["trials"] == trials
        if always is not None:
            assert numbers["always active"] == always, model
    observed = {(o.dataset, o.metric): o.value for o in observe_published(found)}
    assert observed["Mistral-7B-v0.2-hf", "pearson with Mixtral-8x7B-v0.1"] == pytest.approx(
        0.964, abs=5e-4
    )
    assert observed["Qwen1.5-14B", "pearson with Qwen1.5-14B-Chat"] == pytest.approx(
        0.893, abs=5e-4
    )
    assert observed["llama-2-7b-80k", "pearson with Mistral-7B-v0.2-hf"] == pytest.approx(
        -0.009, abs=5e-4
    )
    assert found["Qwen1.5-14B"].mean_NH[12, 2] == pytest.approx(1.003, abs=5e-4)
