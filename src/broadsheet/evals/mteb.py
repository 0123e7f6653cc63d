"""Any of our encoders as a model of MTEB, so that its tasks and its leaderboard's code judge it.

mteb (extra `mteb`) asks a model for `encode`, two similarities and a description. The tasks
download their data on their own; the small benchmark for every day is `evals.sts` and
`evals.retrieval` on local files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import require
from broadsheet.evals.score import Encode, unit_rows


class MtebEncoder:
    """An encode function in the shape of mteb's encoder protocol (mteb 2.x).

    Args:
        encode: The encoder, of documents and of queries unless `encode_queries` is given.
        name: "owner/name", under which mteb files the results.
        revision: What tells two trainings apart, such as the artefact's hash.
        encode_queries: Another encoder for queries (a prompt, another tower).

    Raises:
        BadInput: The name has no owner.
        UsageError: mteb is not installed.

    Example:
        >>> model = MtebEncoder(lambda texts: np.ones((len(texts), 4)), "ours/ones", "1")
        >>> model.mteb_model_meta.name
        'ours/ones'
    """

    def __init__(
        self, encode: Encode, name: str, revision: str, *, encode_queries: Encode | None = None
    ) -> None:
        if name.count("/") != 1:
            raise BadInput("mteb names models owner/name", received=name, hint=f"broadsheet/{name}")
        self._encode = encode
        self._encode_queries = encode_queries or encode
        models = require("mteb.models.model_meta", extra="mteb", why="the mteb adapter")
        self._meta = models.ModelMeta.create_empty(
            {
                "name": name,
                "revision": revision,
                "similarity_fn_name": models.ScoringFunction.COSINE,
                "modalities": ["text"],
                "open_weights": True,
                "framework": [],
            }
        )

    @property
    def mteb_model_meta(self) -> Any:
        """The description that mteb stores with the results."""
        return self._meta

    def encode(
        self,
        inputs: Iterable[Mapping[str, Sequence[str]]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **settings: Any,
    ) -> NDArray[np.float32]:
        """Return one unit row per text; batches are joined, since our encoders make their own.

        `settings` (batch size and the like) are part of mteb's protocol and change nothing.
        """
        texts = [text for batch in inputs for text in batch["text"]]
        is_query = getattr(prompt_type, "value", prompt_type) == "query"
        encode = self._encode_queries if is_query else self._encode
        return unit_rows(encode(texts), len(texts))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosine of each row of the one with each row of the other, as a tensor."""
        torch = require("torch", extra="train", why="mteb's similarities")
        first, second = self._rows(embeddings1), self._rows(embeddings2)
        return torch.from_numpy(first @ second.T)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosine of each row of the one with the same row of the other, as a tensor."""
        torch = require("torch", extra="train", why="mteb's similarities")
        first, second = self._rows(embeddings1), self._rows(embeddings2)
        return torch.from_numpy(np.einsum("nd,nd->n", first, second))

    @staticmethod
    def _rows(embeddings: Any) -> NDArray[np.float32]:
        matrix = np.atleast_2d(np.asarray(embeddings, np.float32))
        return unit_rows(matrix, len(matrix))
