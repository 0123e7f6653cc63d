"""A tokenizer of bytes, for the smoke run: it needs no file."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from broadsheet.systems.reading.retrieval_heads.lm import PromptTokenizer

END = "<end>"


def byte_tokenizer() -> PromptTokenizer:
    """Return a tokenizer whose tokens are bytes, and one token that ends a text.

    Example:
        >>> tokenizer = byte_tokenizer()
        >>> ids, offsets = tokenizer.encode("ab a")
        >>> len(ids), offsets[0], tokenizer.decode(ids)
        (4, (0, 1), 'ab a')
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: number for number, letter in enumerate([*letters, END])}
    inner = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    return PromptTokenizer(fast(tokenizer_object=inner, eos_token=END))
