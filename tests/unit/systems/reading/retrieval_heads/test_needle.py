"""Prompts: the needle's tokens are exactly where the task says, for tokenizers of all kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.retrieval_heads.invented import make_haystack, make_needles
from broadsheet.systems.reading.retrieval_heads.lm import PromptTokenizer
from broadsheet.systems.reading.retrieval_heads.needle import (
    Needle,
    NeedleTask,
    read_needles,
    recall,
    tokens_of,
)
from broadsheet.systems.reading.retrieval_heads.toy import byte_tokenizer

HAYSTACK = make_haystack(SeedTree(1), 80)
NEEDLES = make_needles(SeedTree(2), 12)
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def learnt_tokenizer(template: str = "") -> PromptTokenizer:
    """Byte pairs learnt from the haystack, so that tokens are pieces of words."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(HAYSTACK, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=inner)
    if template:
        fast.chat_template = template
    return PromptTokenizer(fast)


TOKENIZERS = {
    "bytes": byte_tokenizer(),
    "pieces": learnt_tokenizer(),
    "chat": learnt_tokenizer(TEMPLATE),
}


@pytest.mark.parametrize("kind", sorted(TOKENIZERS))
@settings(max_examples=25)
@given(
    number=st.integers(0, len(NEEDLES) - 1),
    length=st.integers(200, 900),
    depth=st.floats(0.0, 1.0),
    begin=st.integers(0, 200),
)
def test_the_span_is_the_answer_and_nothing_else(
    kind: str, number: int, length: int, depth: float, begin: int
) -> None:
    tokenizer, needle = TOKENIZERS[kind], NEEDLES[number]
    trial = NeedleTask(tokenizer, HAYSTACK).trial(needle, length=length, depth=depth, begin=begin)
    ids = trial.prompt[trial.span.start : trial.span.stop]
    assert tokenizer.inner.decode(ids).strip() == needle.answer
    text = tokenizer.inner.decode(trial.prompt)
    assert text.count(needle.answer) == 1, "the answer stands in the text once"
    assert text.endswith(needle.opening), "the answer's beginning is given"
    assert needle.question in text


@pytest.mark.parametrize("length", [250, 500, 800])
def test_a_context_has_about_the_wanted_tokens_and_never_more(length: int) -> None:
    tokenizer = TOKENIZERS["pieces"]
    task = NeedleTask(tokenizer, HAYSTACK)
    for begin in range(0, 60, 7):
        trial = task.trial(NEEDLES[0], length=length, depth=0.5, begin=begin)
        rest = tokenizer.count(tokenizer.wrap("", NEEDLES[0].question) + NEEDLES[0].opening)
        context = len(trial.prompt) - rest
        assert length - 60 <= context <= length + 2


def test_the_needle_lies_at_its_depth() -> None:
    task = NeedleTask(TOKENIZERS["bytes"], HAYSTACK)
    depths = [n / 10 for n in range(11)]
    places = [task.trial(NEEDLES[0], length=1500, depth=d).span.start / 1500 for d in depths]
    assert places == sorted(places)
    for depth, place in zip(depths, places, strict=True):
        assert abs(place - depth) < 0.12
    first = task.trial(NEEDLES[0], length=1500, depth=0.0)
    assert TOKENIZERS["bytes"].inner.decode(first.prompt).startswith(NEEDLES[0].opening)


def test_the_grid_takes_every_cell_once() -> None:
    task = NeedleTask(TOKENIZERS["pieces"], HAYSTACK)
    trials = task.grid(NEEDLES, lengths=(200, 300), depths=(0.0, 0.5, 1.0))
    cells = [(trial.length, trial.depth) for trial in trials]
    assert cells == [(n, d) for n in (200, 300) for d in (0.0, 0.5, 1.0)]
    assert len({trial.answer for trial in trials}) == 6
    again = task.grid(NEEDLES, lengths=(200, 300), depths=(0.0, 0.5, 1.0))
    assert [one.prompt for one in again] == [one.prompt for one in trials]


def test_what_can_not_be_exact_is_refused() -> None:
    with pytest.raises(BadInput, match="glues the needle"):
        tokens_of("the millstone", [(0, 3), (3, 13)], 4, 8)
    with pytest.raises(BadInput, match="no token covers"):
        tokens_of("abc", [(0, 1)], 2, 3)
    task = NeedleTask(TOKENIZERS["bytes"], HAYSTACK)
    with pytest.raises(BadInput, match="longer than the context"):
        task.trial(NEEDLES[0], length=20, depth=0.5)
    with pytest.raises(BadInput, match="a depth is a share"):
        task.trial(NEEDLES[0], length=500, depth=1.5)
    with pytest.raises(BadInput, match="a haystack has sentences"):
        NeedleTask(TOKENIZERS["bytes"], [])
    upper = learnt_tokenizer("{{ messages[0]['content'] | upper }}")
    with pytest.raises(BadInput, match="template changes the text"):
        NeedleTask(upper, HAYSTACK).trial(NEEDLES[0], length=300, depth=0.5)


def test_recall_counts_words_of_the_answer_once_each() -> None:
    assert recall("Feed the swallows.", "feed the swallows") == 1.0
    assert recall("feed feed feed", "feed the swallows") == pytest.approx(1 / 3)
    assert recall("", "feed") == 0.0
    assert recall("the cat and the dog", "the dog and the cat") == 1.0


def test_needles_are_about_different_places_and_hold_their_parts() -> None:
    needles = make_needles(SeedTree(5), 60)
    assert len({needle.opening for needle in needles}) == 60
    for needle in needles:
        assert "{" not in needle.sentence + needle.question
        place = [word for word in needle.opening.split() if word[0].isupper()][-1]
        assert place in needle.question
        assert needle.answer not in needle.question
    assert make_needles(SeedTree(5), 60) == needles
    assert make_needles(SeedTree(6), 60) != needles
    assert not any("{" in sentence for sentence in make_haystack(SeedTree(1), 200))


def test_needles_are_read_from_lines(tmp_path: Path) -> None:
    path = tmp_path / "needles.jsonl"
    path.write_text(
        '{"opening": "The key is", "answer": "under the mat.", "question": "Where?"}\n\n'
    )
    assert read_needles(path) == (
        Needle(opening="The key is", answer="under the mat", question="Where?"),
    )
    for text in ("", '{"opening": "The key is"}\n', "[1]\n", "{\n", '{"answer": 3}\n'):
        path.write_text(text)
        with pytest.raises(BadInput, match="needle"):
            read_needles(path)
    with pytest.raises(BadInput, match="can't be read"):
        read_needles(tmp_path / "absent")
