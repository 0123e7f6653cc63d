"""Weights of encoders under the names of Hugging Face's `BertModel`, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from broadsheet.core.errors import BadInput
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.transformer import Transformer

Floats = npt.NDArray[np.float32]

_WORDS = "embeddings.word_embeddings.weight"
_SEGMENTS = "embeddings.token_type_embeddings.weight"

#: Names of a layer's parts: ours to BERT's.
BLOCK_NAMES: Mapping[str, str] = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward.up": "intermediate.dense",
    "feed_forward.down": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}


def bert_weights(encoder: Transformer | PretrainedEncoder) -> dict[str, Floats]:
    """Return copies of an encoder's weights under BERT's names, as `read_bert` gives them.

    Our transformer has no segments: it gets two rows of 0.

    Raises:
        BadInput: BERT does not compute what it computes: another family, a causal mask, or expert
            layers.

    Example:
        >>> import torch
        >>> from broadsheet.nn.transformer import TransformerShape
        >>> shape = TransformerShape(vocab=9, width=4, depth=1, heads=2, hidden=8, max_tokens=6)
        >>> weights = bert_weights(Transformer(shape, torch.Generator().manual_seed(1)))
        >>> weights["encoder.layer.0.intermediate.dense.weight"].shape
        (8, 4)
    """
    own = {
        name: tensor.detach().float().cpu().numpy().copy()
        for name, tensor in encoder.state_dict().items()
        if tensor.is_floating_point()
    }
    if isinstance(encoder, PretrainedEncoder):
        named = {
            name.removeprefix("model."): array
            for name, array in own.items()
            if not name.startswith("model.pooler.")
        }
        family, strange = str(encoder.config.model_type), [n for n in own if ".experts." in n]
        activation = getattr(encoder.config, "hidden_act", "gelu")
        if activation != "gelu":
            strange.append(str(activation))
    else:
        names = _names(encoder.depth)
        strange = sorted(own.keys() - names.keys())
        named = {names[name]: array for name, array in own.items() if name in names}
        named[_SEGMENTS] = np.zeros((2, encoder.width), dtype=np.float32)
        family = "causal" if encoder.shape.causal else "bert"
    if family != "bert" or strange:
        raise BadInput(
            "BERT does not compute what this encoder computes", received=strange or family
        )
    return named


def take_bert(encoder: Transformer, weights: Mapping[str, Floats]) -> None:
    """Copy the weights of a BERT into an encoder of the same sizes (it may be shallower).

    The row of the first segment is added to all words: our texts have one segment.

    Raises:
        BadInput: A tensor is missing or has another size; then nothing was copied.

    Example:
        >>> import torch
        >>> from broadsheet.nn.transformer import TransformerShape
        >>> shape = TransformerShape(vocab=9, width=4, depth=1, heads=2, hidden=8, max_tokens=6)
        >>> one, other = (Transformer(shape, torch.Generator().manual_seed(k)) for k in (1, 2))
        >>> take_bert(other, bert_weights(one))
        >>> all(torch.equal(x, y) for x, y in zip(one.parameters(), other.parameters()))
        True
    """
    own, names = encoder.state_dict(), _names(encoder.depth)
    for name, theirs in names.items():
        shape = None if theirs not in weights else tuple(weights[theirs].shape)
        if shape != tuple(own[name].shape):
            raise BadInput(
                "these weights don't fit the encoder",
                received=f"{theirs}: {shape}",
                hint=f"{tuple(own[name].shape)}",
            )
    for name, theirs in names.items():
        array = weights[theirs]
        if theirs == _WORDS and _SEGMENTS in weights:
            array = array + weights[_SEGMENTS][0]
        own[name].copy_(torch.tensor(array))


def _names(depth: int) -> dict[str, str]:
    """Return all names of an encoder's weights: ours to BERT's."""
    names = {
        "embeddings.words.weight": _WORDS,
        "embeddings.positions.weight": "embeddings.position_embeddings.weight",
        "norm.weight": "embeddings.LayerNorm.weight",
        "norm.bias": "embeddings.LayerNorm.bias",
    }
    for layer in range(depth):
        for ours, theirs in BLOCK_NAMES.items():
            for kind in ("weight", "bias"):
                names[f"layers.{layer}.{ours}.{kind}"] = f"encoder.layer.{layer}.{theirs}.{kind}"
    return names
