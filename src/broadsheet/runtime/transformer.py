"""Transformer encoders and the cross-encoder: tokenise once, batch by length, run, pool."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Advance
from broadsheet.runtime.artefact import Artefact, Variant, read_artefact
from broadsheet.runtime.batching import plan_batches
from broadsheet.runtime.encoder import Role, Vectors, choose_variant, load_tokenizer, unit_rows
from broadsheet.runtime.engines import Engine, States, Tokens, open_engine

#: From this many texts on, the engine that takes longer to start pays.
BULK = 16


class TransformerEncoder:
    """A BERT-like encoder behind `Encoder`.

    A few texts (a query) go to the variant that starts quickest, many to the preferred one, which
    is opened when first needed. Both passed the gate, so their vectors may be mixed.

    Args:
        folder: An artefact folder of kind "onnx".
        artefact: What its `artefact.json` says.
        threads: Threads of the engine; 0 leaves the choice to it.

    Raises:
        BadInput: A file can't be loaded, or gives vectors of another size.
    """

    quick = False

    def __init__(self, folder: Path, artefact: Artefact, *, threads: int = 0) -> None:
        self.id = artefact.id
        self.version = artefact.version
        self.dim = artefact.dim
        self.variant = choose_variant(artefact)
        self._artefact = artefact
        self._folder = folder
        self._threads = threads
        self._engines: dict[str, Engine] = {}
        self._opening = threading.Lock()
        self._tokenizer = load_tokenizer(folder)
        if artefact.max_tokens:
            self._tokenizer.enable_truncation(artefact.max_tokens)
        self._quick_variant = next(
            (
                item
                for item in artefact.variants
                if item.runtime == "onnxruntime" and item.layers == self.variant.layers
            ),
            self.variant,
        )
        self._engine(self._quick_variant)

    def encode(
        self, texts: Sequence[str], *, role: Role = "document", advance: Advance | None = None
    ) -> Vectors:
        """Encode texts; see `Encoder.encode`."""
        prompt = self._artefact.prompts.get(role, "")
        encodings = self._tokenizer.encode_batch_fast([prompt + text for text in texts])
        variant = self.variant if len(texts) >= BULK else self._quick_variant
        vectors = encode_all(
            self._engine(variant),
            variant,
            encodings,
            pooling=self._artefact.pooling,
            dim=self.dim,
            advance=advance,
        )
        vectors[[row for row, text in enumerate(texts) if not text.strip()]] = 0.0
        return unit_rows(vectors) if self._artefact.normalise else vectors

    def _engine(self, variant: Variant) -> Engine:
        with self._opening:
            if variant.file not in self._engines:
                engine = open_engine(self._folder, variant, threads=self._threads)
                self._engines[variant.file] = engine
            return self._engines[variant.file]


class CrossEncoder:
    """Scores how well each text answers a query, reading both together. Slow: for short lists.

    Args:
        folder: An artefact folder of kind "cross-encoder".
        threads: Threads of the engine; 0 leaves the choice to it.
        max_tokens: Cut of query and text together; 0 takes the artefact's.

    Raises:
        BadInput: The folder is damaged or holds something else.
    """

    def __init__(self, folder: Path, *, threads: int = 0, max_tokens: int = 0) -> None:
        artefact = read_artefact(folder)
        if artefact.kind != "cross-encoder":
            raise BadInput("this model is not a reranker", received=artefact.id)
        self._variant = choose_variant(artefact)
        self.id = artefact.id
        self.version = artefact.version
        self._tokenizer = load_tokenizer(folder)
        # The longer of the two is cut first: in practice the text, not the query.
        self._tokenizer.enable_truncation(max_tokens or artefact.max_tokens)
        self._engine = open_engine(folder, self._variant, threads=threads)

    def score(self, query: str, texts: Sequence[str], advance: Advance | None = None) -> Vectors:
        """Return one score for each text; higher is better, the scale is the model's own (logits).

        Shape:
            [len(texts)], float32.
        """
        encodings = self._tokenizer.encode_batch_fast([(query, text) for text in texts])
        scores = encode_all(
            self._engine, self._variant, encodings, pooling="none", dim=1, advance=advance
        )
        return scores[:, 0]


def encode_all(
    engine: Engine,
    variant: Variant,
    encodings: Sequence[Encoding],
    *,
    pooling: str,
    dim: int = 0,
    advance: Advance | None = None,
) -> Vectors:
    """Run every encoding through an engine in good batches; rows come in the order given.

    Raises:
        BadInput: The graph gives vectors of another length than `dim` (0: any).

    Shape:
        [len(encodings), dim], float32, not scaled.
    """
    vectors = np.zeros((len(encodings), dim), dtype=np.float32)
    lengths = [len(item.ids) for item in encodings]
    for batch in plan_batches(lengths, variant.token_budget, equal=variant.equal_lengths):
        ids, mask, types = pad([encodings[position] for position in batch])
        pooled = pool(engine.run(ids, mask, types), mask, pooling)
        if not dim and not vectors.size:
            vectors = np.zeros((len(encodings), pooled.shape[1]), dtype=np.float32)
        if pooled.shape[1] != vectors.shape[1]:
            raise BadInput("the model gives vectors of another size", received=pooled.shape)
        vectors[batch] = pooled
        if advance:
            advance(len(batch))
    return vectors


def pad(encodings: Sequence[Encoding]) -> tuple[Tokens, Tokens, Tokens]:
    """Return ids, mask and token types of a batch, padded with zeros to its longest row.

    Shape:
        three of [rows, longest], int64.
    """
    longest = max(len(item.ids) for item in encodings)
    ids = np.zeros((len(encodings), max(longest, 1)), dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, item in enumerate(encodings):
        count = len(item.ids)
        ids[row, :count] = item.ids
        mask[row, :count] = 1
        types[row, :count] = item.type_ids
    return ids, mask, types


def pool(states: States, mask: Tokens, pooling: str) -> Vectors:
    """Make one vector of a row's token states; graphs that pool themselves are left as they are.

    Shape:
        [rows, tokens, dim] or [rows, dim] -> [rows, dim].
    """
    if states.ndim == 2:  # pooled inside the graph
        return states
    if pooling == "cls":
        return states[:, 0]
    weights = mask.astype(np.float32)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    pooled: Vectors = np.matmul(weights[:, None, :], states)[:, 0]
    return pooled
