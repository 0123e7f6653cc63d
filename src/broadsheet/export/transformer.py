"""A trained BERT-shaped encoder as an artefact of the application, one graph for each exit.

The graphs of all exits share one file of weights, so an early exit costs a few kilobytes, and each
holds only the layers that it runs. (One graph with an output for each exit would be smaller still,
but onnxruntime then computes all layers whatever output is asked for: measured,
docs/decisions/export.md.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.data.records import RetrievalSet
from broadsheet.evals.score import Encode
from broadsheet.export.parity import Gates, check_float32, check_int8, check_retrieval
from broadsheet.export.sample import passage_search
from broadsheet.export.staging import staged
from broadsheet.nn.bert_names import bert_weights
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.nn.transformer import Transformer
from broadsheet.runtime.artefact import (
    Artefact,
    Variant,
    describe_files,
    fingerprint,
    write_artefact,
)
from broadsheet.runtime.bert_graph import BertShape, Readout, Weights, build_bert
from broadsheet.runtime.encoder import load_encoder
from broadsheet.runtime.onnx_format import WeightFile
from broadsheet.runtime.sample import sample_texts

WEIGHTS = "int8.weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an artefact says of itself.

    Args:
        id: Its name.
        licence: Of the weights.
        base_model: What training started from.
        provenance: Where it comes from: system, arm, seed, commit.
        notes: What to know.
    """

    id: str
    licence: str
    base_model: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One exit of a trained encoder.

    Args:
        layers: After how many layers it stops.
        encode: The trained module's own vectors there: what the gates compare with.
        readout: Its maps, or None for a plain mean.
    """

    layers: int
    encode: Encode
    readout: Readout | None = None


def export_encoder(
    sentence: SentenceEncoder,
    folder: Path,
    facts: Facts,
    *,
    exits: Sequence[int] = (),
    sample: RetrievalSet | None = None,
) -> Artefact:
    """Write a sentence encoder with mean or CLS pooling as an int8 artefact.

    Args:
        sentence: The trained encoder.
        folder: Where to; must be empty or missing.
        facts: What the artefact says of itself.
        exits: Layers to stop after, the preferred first; by default all layers only.
        sample: What the loss of nDCG is measured on; by default `export.sample`.

    Raises:
        BadInput: The encoder is no BERT, its pooling is another, or a gate does not let it through.
    """
    chosen = [
        Exit(layers=n, encode=partial(sentence.encode, layers=n))
        for n in exits or (sentence.depth,)
    ]
    return export_exits(
        bert_weights(_bert(sentence.encoder)),
        BertShape(heads=heads_of(sentence.encoder), pooling=_pooling(sentence)),
        sentence.tokenizer,
        folder,
        facts,
        exits=chosen,
        max_tokens=sentence.max_tokens,
        sample=sample,
    )


def export_exits(
    weights: Weights,
    shape: BertShape,
    tokenizer: Tokenizer,
    folder: Path,
    facts: Facts,
    *,
    exits: Sequence[Exit],
    max_tokens: int,
    sample: RetrievalSet | None = None,
    precise: Collection[str] = (),
) -> Artefact:
    """Write graphs, weights, tokenizer and artefact.json, after every gate let them through.

    Args:
        weights: Of all layers, under BERT's names.
        shape: Heads and pooling.
        tokenizer: Makes the ids.
        folder: Where to; must be empty or missing.
        facts: What the artefact says of itself.
        exits: Exits, the preferred first.
        max_tokens: Where texts are cut.
        sample: What the loss of nDCG is measured on; by default `export.sample`.
        precise: Linear layers that stay float32 (see `build_bert`).

    Raises:
        BadInput: The folder holds something, or a gate does not let the export through.
    """
    with staged(folder) as place:
        tokenizer.save(str(place / "tokenizer.json"))
        variants = _write_graphs(place, weights, shape, exits, precise)
        plain = Artefact(
            id=facts.id,
            kind="onnx",
            dim=len(weights["embeddings.LayerNorm.weight"]),
            pooling=shape.pooling,
            max_tokens=max_tokens,
            licence=facts.licence,
            base_model=facts.base_model,
            provenance=facts.provenance,
            notes=facts.notes,
            files=describe_files(place),
        )
        return _gated(plain, variants, place, weights, shape, exits, sample or passage_search())


def _write_graphs(
    place: Path,
    weights: Weights,
    shape: BertShape,
    exits: Sequence[Exit],
    precise: Collection[str],
) -> list[Variant]:
    """Write an int8 graph for each exit, and the weights that they share."""
    shared = WeightFile(WEIGHTS)
    variants = []
    for item in exits:
        name = f"int8-{item.layers}.onnx"
        graph = build_bert(
            weights,
            shape,
            style="int8",
            layers=item.layers,
            readout=item.readout,
            shared=shared,
            precise=precise,
        )
        (place / name).write_bytes(graph)
        variants.append(
            Variant(
                name=f"int8, {item.layers} layers",
                runtime="onnxruntime",
                file=name,
                equal_lengths=True,
                layers=item.layers,
            )
        )
    (place / WEIGHTS).write_bytes(shared.to_bytes())
    return variants


def _gated(
    plain: Artefact,
    variants: Sequence[Variant],
    folder: Path,
    weights: Weights,
    shape: BertShape,
    exits: Sequence[Exit],
    sample: RetrievalSet,
) -> Artefact:
    hashes = {name: facts.sha256 for name, facts in plain.files.items()}
    settings = {"dim": plain.dim, "pooling": plain.pooling, "max_tokens": plain.max_tokens}
    draft = replace(plain, variants=tuple(variants), fingerprint=fingerprint(settings, hashes))
    write_artefact(folder, draft)
    passed = []
    for item, variant in zip(exits, variants, strict=True):
        texts = sample_texts()
        module = item.encode(texts)
        int8 = load_encoder(folder, threads=1, layers=item.layers)
        gates = Gates(
            max_error=check_float32(module, _float32(draft, folder, weights, shape, item, texts)),
            mean_cosine=check_int8(module, int8.encode(texts)),
            ndcg_loss=check_retrieval(item.encode, int8.encode, sample),
        )
        passed.append(replace(variant, gate=gates.as_gate()))
    artefact = replace(draft, variants=tuple(passed))
    write_artefact(folder, artefact)
    return artefact


def _float32(
    draft: Artefact,
    folder: Path,
    weights: Weights,
    shape: BertShape,
    item: Exit,
    texts: Sequence[str],
) -> np.ndarray:
    """Return the vectors of the same exit as a float32 graph, which is not kept."""
    with tempfile.TemporaryDirectory() as name:
        aside = Path(name)
        graph = build_bert(weights, shape, style="plain", layers=item.layers, readout=item.readout)
        (aside / "plain.onnx").write_bytes(graph)
        (aside / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        variant = Variant(
            name="float32", runtime="onnxruntime", file="plain.onnx", equal_lengths=True
        )
        files = describe_files(aside)
        write_artefact(aside, replace(draft, variants=(variant,), files=files))
        return load_encoder(aside, threads=1).encode(texts)


def heads_of(encoder: object) -> int:
    """Return the attention heads of an encoder.

    Raises:
        BadInput: It is neither ours nor one of the transformers library.
    """
    if isinstance(encoder, Transformer):
        return encoder.shape.heads
    if isinstance(encoder, PretrainedEncoder):
        config: Any = encoder.model.config
        return int(config.num_attention_heads)
    raise BadInput("this encoder can't be exported", received=type(encoder).__name__)


def _bert(encoder: object) -> Transformer | PretrainedEncoder:
    if isinstance(encoder, Transformer | PretrainedEncoder):
        return encoder
    raise BadInput("this encoder can't be exported", received=type(encoder).__name__)


def _pooling(sentence: SentenceEncoder) -> str:
    for kind, name in ((MeanPooling, "mean"), (ClsPooling, "cls")):
        if isinstance(sentence.pooling, kind):
            return name
    raise BadInput(
        "only mean and CLS pooling can be exported",
        received=type(sentence.pooling).__name__,
    )
