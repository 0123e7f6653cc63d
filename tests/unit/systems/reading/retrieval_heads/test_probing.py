"""The probe end to end, with a model that copies by construction of its answers' tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.retrieval_heads import measuring, symbols
from broadsheet.systems.reading.retrieval_heads.decoder import DecoderShape, build_decoder
from broadsheet.systems.reading.retrieval_heads.invented import make_haystack, make_needles
from broadsheet.systems.reading.retrieval_heads.lm import LanguageModel
from broadsheet.systems.reading.retrieval_heads.measuring import (
    answers_without,
    detect,
    recalls_without,
)
from broadsheet.systems.reading.retrieval_heads.needle import NeedleTask
from broadsheet.systems.reading.retrieval_heads.probing import ProbeOrder, probe_loaded
from broadsheet.systems.reading.retrieval_heads.store import read_scores
from broadsheet.systems.reading.retrieval_heads.toy import byte_tokenizer
from broadsheet.systems.reading.retrieval_heads.world import Alphabet, World

SHAPE = DecoderShape(
    vocab=257, width=16, hidden=16, layers=2, heads=4, key_heads=2, head_size=4, positions=900
)
ORDER = ProbeOrder(
    model="toy",
    context_min=200,
    context_max=300,
    lengths=2,
    depths=2,
    documents=3,
    mask_top=2,
    draws=2,
)


@pytest.fixture
def toy() -> LanguageModel:
    model = build_decoder(SHAPE, torch.Generator().manual_seed(0)).eval()
    return LanguageModel("toy", model, byte_tokenizer())


def test_a_probe_of_a_model_that_finds_nothing_says_so(toy: LanguageModel, tmp_path: Path) -> None:
    found = probe_loaded(toy, ORDER, SeedTree(1), scores=tmp_path / "scores.json")
    assert (found.layers, found.heads, found.trials, found.counted) == (2, 4, 4, 0)
    assert found.share == 0.0
    assert found.share_interval is None
    assert found.strongest == ()
    assert [(n, d) for n, d, _ in found.recall] == [(n, d) for n in (200, 300) for d in (0.0, 1.0)]
    assert probe_loaded(toy, ORDER, SeedTree(1)) == found, "the same seed gives the same numbers"
    assert read_scores(tmp_path / "scores.json").counted == 0


def test_what_was_given_is_used(toy: LanguageModel, tmp_path: Path) -> None:
    needles, text = tmp_path / "needles.jsonl", tmp_path / "text.txt"
    needles.write_text('{"opening": "The key is", "answer": "under it", "question": "Where?"}\n')
    text.write_text("It rains. It snows. " * 40)
    order = replace(ORDER, needles=needles, haystack=text)
    assert probe_loaded(toy, order, SeedTree(1)).trials == 4
    with pytest.raises(BadInput, match="haystack can't be read"):
        probe_loaded(toy, replace(order, haystack=tmp_path / "absent"), SeedTree(1))
    with pytest.raises(UsageError, match="at least one of everything"):
        replace(ORDER, context_min=400)


def test_answers_with_masks_do_not_depend_on_how_rows_are_batched(
    toy: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = NeedleTask(toy.tokenizer, make_haystack(SeedTree(1), 40))
    trial = task.trial(make_needles(SeedTree(2), 1)[0], length=200, depth=0.5)
    sets = [(), ((0, 0),), ((1, 3), (0, 2)), ((1, 1),), ()]
    together = answers_without(toy, trial, sets)
    monkeypatch.setattr(measuring, "_AT_ONCE", 1)
    assert answers_without(toy, trial, sets) == together
    assert together[0] == together[4]
    recalls = recalls_without(toy, trial, sets)
    assert len(recalls) == 5
    assert all(0.0 <= value <= 1.0 for value in recalls)


def test_only_trials_that_found_the_needle_count(
    toy: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = NeedleTask(toy.tokenizer, make_haystack(SeedTree(1), 40))
    needles = make_needles(SeedTree(2), 3)
    trials = [task.trial(one, length=200, depth=0.5) for one in needles]
    said = {trials[0].prompt: needles[0].answer, trials[1].prompt: "nothing of the kind"}

    def write(model: Any, prompts_BL: Any, *, on_step: Any, **rest: Any) -> list[list[int]]:
        """Say what was ordered; the first head of the first layer copies it."""
        prompt = tuple(prompts_BL[0].tolist())
        ids = toy.tokenizer.encode(said.get(prompt, needles[2].answer))[0]
        trial = next(one for one in trials if one.prompt == prompt)
        for offset, token in enumerate(ids):
            places = torch.zeros(1, 2, 4, dtype=torch.long)
            places[0, 0, 0] = min(trial.span.start + offset, trial.span.stop - 1)
            on_step([token], places)
        return [ids]

    monkeypatch.setattr(measuring, "write", write)
    found = detect(toy, trials)
    assert found.counts_T.tolist() == [True, False, True]
    assert found.recalls_T[[0, 2]].tolist() == [1.0, 1.0]
    assert found.by_tokens.counted == 2
    assert found.by_tokens.trials == 3
    # The answer is without the space before it, so its first token is one further on.
    assert found.by_tokens.mean[0, 0] > 0.0
    assert found.by_tokens.mean.ravel()[1:].sum() == 0.0


def test_symbols_are_scored_where_the_fact_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Alphabet(filler=8, open_keys=4, closed_keys=2, values=12, answer=3), SeedTree(1))
    questions = world.questions(SeedTree(2), count=5, length=40, facts=2)

    def write(model: Any, prompts_BL: Any, *, limit: int, on_step: Any = None) -> list[list[int]]:
        """Right in all documents but the last; the second head looks at what is written."""
        answers = questions.answers_BV.copy()
        answers[-1] = 0
        for step in range(limit):
            places = torch.zeros(5, 1, 2, dtype=torch.long)
            places[:, 0, 1] = torch.from_numpy(questions.starts_B + step)
            on_step(answers[:, step].tolist(), places)
        return [row.tolist() for row in answers]

    monkeypatch.setattr(symbols, "write", write)
    table, right = symbols.score_heads(None, questions)
    assert right.tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert (table.counted, table.trials) == (4, 5)
    np.testing.assert_array_equal(table.mean, [[0.0, 1.0]])
