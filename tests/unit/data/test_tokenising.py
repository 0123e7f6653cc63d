"""A vocabulary is the same in every process, and covers its corpus."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from broadsheet.core.errors import UsageError
from broadsheet.data.tokenising import SPECIAL, train_wordpiece

CORPUS = [
    f"A {adjective} {noun} {verb} near the naïve café, {number} times."
    for number, adjective in enumerate(("low", "lower", "lowest", "newer", "newest"))
    for noun in ("kettle", "lantern", "map", "teapot")
    for verb in ("whistles", "whistling", "boiled", "boils")
]
PROGRAM = """
import hashlib, sys
from broadsheet.data.tokenising import train_wordpiece
text = train_wordpiece(sys.stdin.read().splitlines(), 120).to_str()
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_the_same_in_every_process() -> None:
    here = hashlib.sha256(train_wordpiece(CORPUS, 120).to_str().encode()).hexdigest()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input="\n".join(CORPUS),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "TOKENIZERS_PARALLELISM": "false"},
        )
        assert done.stdout.strip() == here


def test_layout_and_words() -> None:
    tokenizer = train_wordpiece(CORPUS, 200)
    vocabulary = tokenizer.get_vocab()
    assert [vocabulary[name] for name in SPECIAL] == [0, 1, 2, 3, 4]
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    encoded = tokenizer.encode("Kettle [MASK] CAFÉ", "map")
    assert encoded.tokens == ["[CLS]", "kettle", "[MASK]", "cafe", "[SEP]", "map", "[SEP]"]
    assert encoded.type_ids == [0, 0, 0, 0, 0, 1, 1]
    for text in CORPUS:
        assert "[UNK]" not in tokenizer.encode(text).tokens
    assert Tokenizer.from_str(tokenizer.to_str()).to_str() == tokenizer.to_str()


@pytest.mark.parametrize("size", [6, 20, 60, 120])
def test_never_more_entries_than_asked(size: int) -> None:
    tokenizer = train_wordpiece(CORPUS, size)
    assert tokenizer.get_vocab_size() <= size
    assert tokenizer.to_str() == train_wordpiece(CORPUS, size).to_str()


def test_rare_characters_are_unknown() -> None:
    tokenizer = train_wordpiece([*CORPUS, "żółw q"], 200)
    assert "q" not in tokenizer.get_vocab()
    assert tokenizer.encode("q").tokens == ["[CLS]", "[UNK]", "[SEP]"]
    assert train_wordpiece([*CORPUS, "żółw q"], 200, least=1).token_to_id("q") is not None


def test_impossible_vocabularies() -> None:
    with pytest.raises(UsageError, match="too small"):
        train_wordpiece(CORPUS, 5)
    with pytest.raises(UsageError, match="no text"):
        train_wordpiece(["", "  "], 100)
