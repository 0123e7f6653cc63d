"""Presets: what is compared (arms), how large, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

World = Literal["csabstruct", "manual", "wiki", "choi", "wikisection", "made"]
#: joint: pairs of sentences, three heads; tagger: reads whole documents; rivals: nothing learned.
Role = Literal["joint", "tagger", "rivals"]
#: stored: vectors made once; tuned: upper layers are trained; cross: reads both sentences at once;
#: gru, cnn: our own small encoders over words, trained from nothing.
EncoderKind = Literal["stored", "tuned", "cross", "gru", "cnn"]
Feature = Literal["both", "difference", "product"]
TASKS = ("stp", "tc", "nsp")
#: All combinations of the three tasks.
COMBINATIONS = ("stp", "tc", "nsp", "stp+tc", "stp+nsp", "tc+nsp", "stp+tc+nsp")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What turns a sentence into a vector.

    Args:
        kind: See `EncoderKind`.
        start: A pretrained backbone of `nn.backbones`, a model of transformers for the paper's
            size, or "" for made vectors (stored) and fresh weights (others).
        width: Length of a vector.
        depth: Layers of a transformer.
        heads: Its attention heads.
        hidden: Width inside its feed-forward part.
        vocab: Rows of the word table.
        max_tokens: Where a sentence is cut.
        frozen: Lower layers that keep their weights (tuned, cross).
        fast_matmul: Matrix products of a transformer in bfloat16 on a CPU.
    """

    kind: EncoderKind = "stored"
    start: str = ""
    width: int = 384
    depth: int = 6
    heads: int = 12
    hidden: int = 1536
    vocab: int = 30_522
    max_tokens: int = 128
    frozen: int = 4
    fast_matmul: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One arm.

    Args:
        arm: Its name.
        world: Where documents come from.
        role: What is done.
        tasks: Heads that are trained: stp, tc, nsp joined by "+".
        weights: Of the three losses, in that order.
        encoder: What makes vectors.
        context: Sentences on each side whose mean vectors are added: c of the paper's question.
        feature: What a pair's head sees of u and v: [u;v], with |u-v|, with u*v as well.
        shared: Width of the layer that all heads share; 0 has none.
        head: Width of the hidden layer of each head.
        dropout: In training, on the shared layer and the heads' hidden layers.
        batch: Neighbouring pairs per step (documents per step for a tagger).
        steps: Optimiser steps.
        learning_rate: The highest.
        balanced: Weigh boundary pairs up until both kinds count alike in the STP loss.
        other_share: Share of NSP's negatives whose second sentence is of another document.
        shortest: Fewest sentences in a segment.
        window: Of Pk and WindowDiff; 0 takes half the mean true mass of each document, at least 2.
            Segments of CSAbstruct have 1.8 sentences, so half of that is 1: both metrics are then
            the share of gaps that are wrong.
        documents: Training documents; 0 takes all.
        dev_documents: Development documents; 0 takes all.
        pages: Manual pages in all; 0 takes all.
        language_topic: Part of WikiSection.
        dev: Measure on the development documents, as is done to choose settings.
    """

    arm: str
    world: World = "csabstruct"
    role: Role = "joint"
    tasks: str = "stp+tc+nsp"
    weights: tuple[float, ...] = field(default=(1.0, 1.0, 1.0))
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    context: int = 0
    feature: Feature = "difference"
    shared: int = 128
    head: int = 256
    dropout: float = 0.2
    batch: int = 128
    steps: int = 200
    learning_rate: float = 3e-3
    balanced: bool = True
    other_share: float = 0.5
    shortest: int = 1
    window: int = 0
    documents: int = 0
    dev_documents: int = 0
    pages: int = 480
    language_topic: str = "en_city"
    dev: bool = False
