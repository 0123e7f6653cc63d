"""Trains a WordPiece vocabulary in BERT's layout; the same texts give the same vocabulary.

The trainer of the tokenizers library numbers single characters in the order of a hash table that
differs from process to process, and breaks ties between merges by these numbers. So the characters
are handed to it in an order of ours, as if they were special entries, and its vocabulary is put
into a tokenizer without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from broadsheet.core.errors import UsageError

#: In this order, so that padding is 0.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PREFIX = "##"


def train_wordpiece(texts: Iterable[str], vocabulary: int, least: int = 2) -> Tokenizer:
    """Train an uncased WordPiece tokenizer that puts [CLS] and [SEP] around each text.

    Args:
        texts: The corpus, read once.
        vocabulary: Most entries, special ones included.
        least: How often a character or a piece must occur to be taken in.

    Raises:
        UsageError: The vocabulary can't even hold the special entries, or there was no text.

    Example:
        >>> tokenizer = train_wordpiece(["low lower lowest"] * 3, 40)
        >>> tokenizer.encode("low").tokens
        ['[CLS]', 'low', '[SEP]']
    """
    if vocabulary <= len(SPECIAL):
        raise UsageError(
            "the vocabulary is too small", received=vocabulary, hint=f"above {len(SPECIAL)}"
        )
    learner = _tokenizer({})
    corpus = list(texts)
    counts = _characters(learner, corpus)
    if not counts:
        raise UsageError("no text to train a vocabulary on")
    alphabet = sorted(counts, key=lambda piece: (-counts[piece], piece))
    # The trainer passes over a character that it does not know at the beginning of a word.
    idle = sorted({piece[-1] for piece in alphabet} - set(alphabet))
    dropped = {*idle, *(piece for piece in alphabet if counts[piece] < least)}
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary + len(dropped),
        min_frequency=least,
        special_tokens=[*SPECIAL, *alphabet, *idle],
        continuing_subword_prefix=PREFIX,
        show_progress=False,
        limit_alphabet=0,
    )
    learner.train_from_iterator(iter(corpus), trainer)
    learnt = learner.get_vocab()
    pieces = sorted(learnt.keys() - dropped, key=lambda piece: learnt[piece])[:vocabulary]
    tokenizer = _tokenizer({piece: number for number, piece in enumerate(pieces)})
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=PREFIX)
    return tokenizer


def _characters(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """Count the characters that begin words, and with a prefix those that go on."""
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        pieces[word[0]] += count
        for char in word[1:]:
            pieces[PREFIX + char] += count
    return pieces
