"""Encode a training batch in groups of like length: the same vectors, with less padding.

A batch padded to its longest text spends a tenth to a half of its time on padding. The loss needs
all vectors at once, the encoder does not: texts are sorted by length, encoded in groups, and the
vectors put back in order. Gradients are those of the whole batch, up to rounding.

Legend: B texts, P width of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from broadsheet.nn.sentence import SentenceEncoder, TokenBatch
from broadsheet.runtime.batching import plan_batches

#: Tokens in a group: on one core smaller groups lose in the matrix products what padding costs.
GROUP_TOKENS = 512


def encode_by_length(
    sentence: SentenceEncoder,
    texts: Sequence[str],
    *,
    layers: int | None = None,
    group_tokens: int = GROUP_TOKENS,
) -> Tensor:
    """Return the vectors of some texts, with gradients, in the order given.

    Pass the texts of all columns of a batch at once (titles and abstracts, say) and split the
    result: short ones then meet short ones.

    Args:
        sentence: Padding must not change its vectors (it does not, by the contract of poolings).
        texts: One or more.
        layers: Stop after this layer.
        group_tokens: Most tokens in a group, padding included.

    Shape:
        -> x_BP, not scaled.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from broadsheet.nn.poolings.mean import MeanPooling
        >>> from broadsheet.nn.transformer import Transformer, TransformerShape
        >>> words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2}, "[UNK]"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> shape = TransformerShape(vocab=3, width=8, depth=1, heads=2, hidden=16, max_tokens=9)
        >>> encoder = Transformer(shape, torch.Generator().manual_seed(1))
        >>> sentence = SentenceEncoder(encoder, MeanPooling(), words, max_tokens=9)
        >>> texts = ["a", "a b b a", "b a"]
        >>> grouped = encode_by_length(sentence, texts, group_tokens=4)
        >>> torch.allclose(grouped, sentence(sentence.tokenise(texts)), atol=1e-6)
        True
    """
    whole = sentence.tokenise(texts)
    lengths = [int(length) for length in whole.mask_BL.sum(dim=1).tolist()]
    groups = plan_batches(lengths, group_tokens)
    swapped, whole = _compact(sentence, whole)
    parts = [
        functional_call(sentence, swapped, (_take(whole, group, lengths), layers))
        for group in groups
    ]
    order = torch.tensor([row for group in groups for row in group], device=parts[0].device)
    return torch.cat(parts)[order.argsort()]


def _compact(sentence: SentenceEncoder, whole: TokenBatch) -> tuple[dict[str, Tensor], TokenBatch]:
    """Look the batch's words up once: return the small table to use, and ids that point into it.

    The gradient of a lookup is as large as the whole word table, so one for each group would cost
    more than the padding saved.
    """
    tables = {
        name: part
        for name, part in sentence.named_modules()
        if isinstance(part, nn.Embedding)
        and part.num_embeddings >= sentence.tokenizer.get_vocab_size()
    }
    if len(tables) != 1:
        return {}, whole
    ((name, table),) = tables.items()
    used, places_BL = torch.unique(whole.ids_BL, return_inverse=True)
    if table.padding_idx is not None:  # its row number in the small table must stay the same
        first = torch.full((table.padding_idx + 1,), table.padding_idx, device=used.device)
        used, places_BL = torch.cat([first, used]), places_BL + len(first)
    rows_UD = nn.functional.embedding(used, table.weight, table.padding_idx)
    return {f"{name}.weight": rows_UD}, TokenBatch(places_BL, whole.mask_BL)


def _take(whole: TokenBatch, rows: Sequence[int], lengths: Sequence[int]) -> TokenBatch:
    longest = max(1, *(lengths[row] for row in rows))
    chosen = torch.tensor(rows, device=whole.ids_BL.device)
    return TokenBatch(whole.ids_BL[chosen, :longest], whole.mask_BL[chosen, :longest])
