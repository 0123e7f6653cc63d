"""A small decoder with rotary positions, made from nothing, and the same one for longer texts.

The classes are Llama's from the transformers library, so that one scorer and one way of switching
heads off serve our models and everybody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from broadsheet.core.errors import BadInput
from broadsheet.nn.blocks import initialise

#: Spread of the first weights: narrow models learn to copy sooner with more than GPT-2's 0.02.
_SPREAD = 0.04
#: How a model is prepared for longer texts: positions squeezed together, or slower rotations.
Extension = Literal["interpolation", "larger_base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderShape:
    """Sizes of a decoder.

    Args:
        vocab: Rows of the word table.
        width: Length of a state.
        hidden: Width inside the feed-forward part.
        layers: Layers.
        heads: Query heads of a layer.
        key_heads: Key and value heads; divides `heads`.
        head_size: Numbers of a head.
        positions: Longest text.
        rope_base: Base of the rotary positions.
        tied: Whether the word table is the output table too.
    """

    vocab: int
    width: int
    hidden: int
    layers: int
    heads: int
    key_heads: int
    head_size: int
    positions: int
    rope_base: float = 10_000.0
    tied: bool = True


def build_decoder(shape: DecoderShape, generator: torch.Generator | None) -> Any:
    """Return a decoder with weights drawn from the generator; on the meta device without.

    Raises:
        BadInput: The heads can't share the key heads.

    Example:
        >>> shape = DecoderShape(vocab=9, width=8, hidden=8, layers=1, heads=2, key_heads=1,
        ...                      head_size=4, positions=16)
        >>> model = build_decoder(shape, torch.Generator().manual_seed(1))
        >>> model(torch.tensor([[1, 2, 3]])).logits.shape
        torch.Size([1, 3, 9])
    """
    if shape.key_heads < 1 or shape.heads % shape.key_heads:
        raise BadInput(
            "key heads must divide the heads", received=f"{shape.heads} and {shape.key_heads}"
        )
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(_config(shape, {"rope_type": "default"}))
    if generator is not None:
        initialise(model, generator, _SPREAD)
    return model


def extended(model: Any, shape: DecoderShape, factor: int, way: Extension) -> Any:
    """Return a copy of a decoder that reads texts `factor` times as long; its weights are copied.

    Args:
        model: From `build_decoder` with the same shape.
        shape: Its sizes.
        factor: How many times longer.
        way: "interpolation" divides every position by the factor; "larger_base" multiplies the
            rotary base so that the slowest rotation takes `factor` times as long.

    Source:
        Position interpolation: arXiv 2306.15595. Larger base: the NTK-aware rule
        base * factor ** (K / (K - 2)), K the head size.
    """
    size = shape.head_size
    if way == "interpolation":
        rope = {"rope_type": "linear", "factor": float(factor), "rope_theta": shape.rope_base}
    else:
        base = shape.rope_base * factor ** (size / (size - 2))
        rope = {"rope_type": "default", "rope_theta": base}
    config = _config(shape, rope)
    config.max_position_embeddings = shape.positions * factor
    with torch.random.fork_rng(devices=[]):
        longer = LlamaForCausalLM(config)
    longer.load_state_dict(model.state_dict())
    return longer


def _config(shape: DecoderShape, rope: dict[str, Any]) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        head_dim=shape.head_size,
        max_position_embeddings=shape.positions,
        tie_word_embeddings=shape.tied,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        rope_parameters={"rope_theta": shape.rope_base, **rope},
    )
