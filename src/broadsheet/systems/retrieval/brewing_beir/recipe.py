"""Presets: the rows of the leaderboard, one recipe each, and the sizes they are run at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from broadsheet.systems.contract import Preset

Kind = Literal[
    "bm25", "bm25_fields", "bm25_sentences", "dense", "late", "splade", "unicoil", "rrf", "minmax"
]
#: Kinds that need no encoder.
LEXICAL = ("bm25", "bm25_fields", "bm25_sentences")
#: Kinds that join the runs of BM25 and of a dense encoder.
FUSED = ("rrf", "minmax")

PUBLIC = ("nfcorpus", "scifact")
OURS = ("cranfield", "acl")
#: What trained rows are measured on.
TRAINED_SETS = OURS


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """The sizes of an encoder and where it starts.

    Args:
        start: A pretrained backbone of `nn.backbones`, or "" for fresh weights.
        family: "bert", the library's `BertModel`, or "ours" (`nn.transformer`).
        vocab: Rows of the word table.
        width: Length of a state.
        depth: Layers.
        heads: Attention heads.
        hidden: Width inside the feed-forward part.
        max_positions: Positions.
        frozen: Lower layers that keep their weights; the word table always does.
    """

    start: str = "all-minilm-l6-v2"
    family: Literal["bert", "ours"] = "bert"
    vocab: int = 30_522
    width: int = 384
    depth: int = 6
    heads: int = 12
    hidden: int = 1536
    max_positions: int = 512
    frozen: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one row.

    Args:
        arm: Name in the report.
        kind: How documents are scored.
        sets: What is searched.
        lengths: Of BM25: exact, or Lucene's one byte.
        ties: Order of equal scores of BM25: by falling id (trec_eval) or by rising id (Anserini).
        weight: Share of the dense run in a min-max fusion.
        encoder: Of the rows that have one.
        projection: Length of a token's vector of late interaction; 0 keeps the states as they are.
        query_tokens: Where queries are cut.
        document_tokens: Where documents are cut.
        train_tokens: Where documents are cut in training.
        batch: Pairs per step.
        steps: Optimiser steps; 0 uses the pretrained weights as they are.
        pairs: Training pairs, the same for all seeds; a seed draws their order.
        learning_rate: The highest.
        temperature: Divides scores in the loss.
        sampled: Words besides those of the batch that a SPLADE step computes; 0 for all.
        flops: Weight of SPLADE's FLOPS regularisation, for queries and for documents.
        most_terms: Terms of a document that the impact index keeps.
        depth: Documents of a run per query.
        dev: Measure on the development queries, as is done to choose settings.
        fast_matmul: The encoder's matrix products in bfloat16; scores stay in float32.
        made: Papers of the made world.
    """

    arm: str
    kind: Kind
    sets: tuple[str, ...] = (*PUBLIC, *OURS)
    lengths: Literal["exact", "lucene"] = "lucene"
    ties: Literal["falling ids", "rising ids"] = "rising ids"
    weight: float = 0.5
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    projection: int = 0
    query_tokens: int = 64
    document_tokens: int = 128
    train_tokens: int = 64
    batch: int = 32
    steps: int = 0
    pairs: int = 2000
    learning_rate: float = 3e-4
    temperature: float = 0.05
    sampled: int = 4000
    flops: tuple[float, float] = (3e-3, 1e-2)
    most_terms: int = 256
    depth: int = 1000
    dev: bool = False
    fast_matmul: bool = True
    made: int = 60

    @property
    def trained(self) -> bool:
        """Tell whether this row draws anything at random."""
        return self.steps > 0


def presets() -> dict[str, Preset]:
    """Return smoke, laptop and paper."""
    return {"smoke": _smoke(), "laptop": _laptop(), "paper": _paper()}


def _laptop() -> Preset:
    flat = Recipe(arm="bm25_flat", kind="bm25")
    dense = Recipe(arm="minilm", kind="dense")
    tuned = replace(
        dense,
        arm="dense",
        sets=TRAINED_SETS,
        query_tokens=48,
        train_tokens=48,
        batch=24,
        steps=40,
        pairs=960,
        learning_rate=2e-4,
    )
    late = replace(tuned, arm="late", kind="late", projection=64)
    sparse = replace(tuned, arm="splade", kind="splade", temperature=1.0)
    return Preset(
        arms=(
            flat,
            replace(flat, arm="bm25_exact", lengths="exact"),
            replace(flat, arm="bm25_multifield", kind="bm25_fields"),
            replace(flat, arm="bm25_sentences", kind="bm25_sentences"),
            dense,
            replace(dense, arm="rrf", kind="rrf"),
            replace(dense, arm="minmax", kind="minmax"),
            replace(late, arm="late_untrained", projection=0, steps=0),
            tuned,
            late,
            sparse,
            replace(sparse, arm="unicoil", kind="unicoil"),
        ),
        seeds=(1, 2, 3, 4, 5),
        pilot_seed=0,
    )


def _smoke() -> Preset:
    tiny = EncoderSettings(
        start="",
        family="ours",
        vocab=96,
        width=16,
        depth=2,
        heads=2,
        hidden=32,
        max_positions=40,
        frozen=0,
    )
    flat = Recipe(arm="bm25_flat", kind="bm25", sets=("made",), encoder=tiny, fast_matmul=False)
    dense = replace(
        flat,
        arm="minilm",
        kind="dense",
        document_tokens=24,
        query_tokens=12,
        train_tokens=24,
        batch=8,
        sampled=16,
        learning_rate=1e-3,
    )
    sparse = replace(dense, arm="splade", kind="splade", temperature=1.0, steps=4)
    return Preset(
        arms=(
            flat,
            replace(flat, arm="bm25_exact", lengths="exact"),
            replace(flat, arm="bm25_multifield", kind="bm25_fields"),
            replace(flat, arm="bm25_sentences", kind="bm25_sentences"),
            dense,
            replace(dense, arm="rrf", kind="rrf"),
            replace(dense, arm="minmax", kind="minmax"),
            replace(dense, arm="late_untrained", kind="late"),
            replace(dense, arm="dense", steps=4),
            replace(dense, arm="late", kind="late", projection=8, steps=4),
            sparse,
            replace(sparse, arm="unicoil", kind="unicoil"),
        ),
        seeds=(1, 2),
    )


def _paper() -> Preset:
    base = EncoderSettings(
        start="naver/splade-cocondenser-ensembledistil", width=768, depth=12, hidden=3072, frozen=0
    )
    every = ("trec-covid", "nfcorpus", "fiqa", "arguana", "scidocs", "scifact", "quora")
    flat = Recipe(arm="bm25_flat", kind="bm25", sets=every, encoder=base, document_tokens=512)
    dense = replace(
        flat,
        arm="dense",
        kind="dense",
        encoder=replace(base, start="facebook/contriever"),
        batch=1024,
        steps=20_000,
        learning_rate=1e-5,
        train_tokens=256,
    )
    return Preset(
        arms=(
            flat,
            replace(flat, arm="bm25_multifield", kind="bm25_fields"),
            dense,
            replace(
                dense,
                arm="splade",
                kind="splade",
                encoder=base,
                temperature=1.0,
                sampled=0,
                batch=128,
                steps=150_000,
                learning_rate=2e-5,
            ),
        ),
        seeds=(42,),
        needs="one GPU of 24 GB; MS MARCO passages to train on; the BEIR sets as folders",
    )
