"""A tiny tokenizer and encoders around it."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from broadsheet.nn.transformer import Transformer, TransformerShape

TEXT = "a paper about tiny encoders that stop early and are cut short , or not at all"


@pytest.fixture
def tokenizer() -> Tokenizer:
    """A WordPiece of a few words, with BERT's special tokens."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {word: number for number, word in enumerate(special + TEXT.split() + letters)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return made


@pytest.fixture
def encoder() -> Transformer:
    """Three layers with weights large enough for rounding to show."""
    shape = TransformerShape(vocab=60, width=16, depth=3, heads=2, hidden=32, max_tokens=24)
    made = Transformer(shape, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return made
