"""Transformer encoders and the cross-encoder: tokenise once, batch by length, run, pool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Advance
from broadsheet.runtime.artefact import Artefact, read_artefact
from broadsheet.runtime.batching import plan_batches
from broadsheet.runtime.encoder import Role, Vectors, choose_variant, load_tokenizer, unit_rows
from broadsheet.runtime.engines import States, Tokens, open_engine


class TransformerEncoder:
    """A BERT-like encoder behind `Encoder`.

    Args:
        folder: An artefact folder of kind "onnx".
        artefact: What its `artefact.json` says.
        threads: Threads of the engine; 0 leaves the choice to it.
        token_budget: Tokens in a batch; 0 takes what suits the variant.

    Raises:
        BadInput: A file can't be loaded, or gives vectors of another size.
    """

    quick = False

    def __init__(
        self, folder: Path, artefact: Artefact, *, threads: int = 0, token_budget: int = 0
    ) -> None:
        self.id = artefact.id
        self.version = artefact.version
        self.dim = artefact.dim
        self.variant = choose_variant(artefact)
        self._artefact = artefact
        self._budget = token_budget or self.variant.token_budget
        self._tokenizer = load_tokenizer(folder)
        if artefact.max_tokens:
            self._tokenizer.enable_truncation(artefact.max_tokens)
        self._engine = open_engine(folder, self.variant, threads=threads)

    def encode(
        self, texts: Sequence[str], *, role: Role = "document", advance: Advance | None = None
    ) -> Vectors:
        """Encode texts; see `Encoder.encode`."""
        prompt = self._artefact.prompts.get(role, "")
        encodings = self._tokenizer.encode_batch_fast([prompt + text for text in texts])
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for batch in plan_batches([len(item.ids) for item in encodings], self._budget):
            ids, mask, types = pad([encodings[position] for position in batch])
            states = self._engine.run(ids, mask, types)
            vectors[batch] = self._pool(states, mask)
            if advance:
                advance(len(batch))
        blank = [position for position, text in enumerate(texts) if not text.strip()]
        vectors[blank] = 0.0
        return unit_rows(vectors) if self._artefact.normalise else vectors

    def _pool(self, states: States, mask: Tokens) -> Vectors:
        if states.shape[-1] != self.dim:
            raise BadInput(
                f"the model {self.id} gives vectors of another size", received=states.shape
            )
        if states.ndim == 2:
            return states
        if self._artefact.pooling == "cls":
            return states[:, 0]
        weights = mask.astype(np.float32)
        weights /= weights.sum(axis=1, keepdims=True)
        pooled: Vectors = np.matmul(weights[:, None, :], states)[:, 0]
        return pooled


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
        variant = choose_variant(artefact)
        self.id = artefact.id
        self.version = artefact.version
        self._budget = variant.token_budget
        self._tokenizer = load_tokenizer(folder)
        # The longer of the two is cut first: in practice the text, not the query.
        self._tokenizer.enable_truncation(max_tokens or artefact.max_tokens)
        self._engine = open_engine(folder, variant, threads=threads)

    def score(self, query: str, texts: Sequence[str], advance: Advance | None = None) -> Vectors:
        """Return one score for each text; higher is better, the scale is the model's own (logits).

        Shape:
            [len(texts)], float32.
        """
        encodings = self._tokenizer.encode_batch_fast([(query, text) for text in texts])
        scores = np.zeros(len(texts), dtype=np.float32)
        for batch in plan_batches([len(item.ids) for item in encodings], self._budget):
            states = self._engine.run(*pad([encodings[position] for position in batch]))
            scores[batch] = states.reshape(len(batch), -1)[:, -1]
            if advance:
                advance(len(batch))
        return scores


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
