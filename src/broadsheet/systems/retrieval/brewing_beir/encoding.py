"""Texts through a retriever, in batches of like length: vectors, token vectors or term weights.

Legend: N texts, D width, P width of a token's vector, B rows, L tokens, U words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from broadsheet.core.paths import write_atomically
from broadsheet.index.lexical.impacts import SparseRows
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.brewing_beir.model import Batch, Retriever
from broadsheet.systems.retrieval.brewing_beir.recipe import Recipe
from broadsheet.systems.retrieval.brewing_beir.states import token_rows, with_states

Floats = NDArray[np.float32]


class Encoder:
    """A retriever that reads texts.

    Args:
        model: Its weights.
        tokenizer: Its tokenizer.
        recipe: Lengths and precision.
        workspace: Where the states of frozen layers are kept.
    """

    def __init__(
        self, model: Retriever, tokenizer: Tokenizer, recipe: Recipe, workspace: Workspace
    ) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._recipe = recipe
        self._workspace = workspace

    def _batches(self, texts: Sequence[str], most: int) -> Iterator[tuple[list[int], Batch]]:
        rows = token_rows(self._tokenizer, texts, most)
        if self._recipe.trained or self._recipe.kind == "late":
            rows = with_states(rows, self._model, self._recipe, self._workspace)
        for places in rows.batches():
            yield places, rows.batch(places)

    @torch.no_grad()
    def vectors(self, texts: Sequence[str], most: int) -> Floats:
        """Return one unit vector per text.

        Shape:
            [N, D].
        """
        found: list[Floats | None] = [None] * len(texts)
        for places, batch in self._batches(texts, most):
            with self._precision():
                x_BD = self._model.vectors(batch)
            for place, row in zip(places, x_BD.float().numpy(), strict=True):
                found[place] = row
        return np.stack([row for row in found if row is not None])

    @torch.no_grad()
    def tokens(self, texts: Sequence[str], most: int) -> list[NDArray[np.float16]]:
        """Return the vectors of the words of each text, [words, P]; one row of 0 for no word."""
        found: list[NDArray[np.float16]] = [np.zeros((0, 0), np.float16)] * len(texts)
        for places, batch in self._batches(texts, most):
            with self._precision():
                x_BLP = self._model.tokens(batch).float().numpy()
            sizes = batch.mask_BL.sum(dim=1).tolist()
            for place, row_LP, size in zip(places, x_BLP, sizes, strict=True):
                kept = row_LP[1 : size - 1] if size > 2 else row_LP[:1]
                found[place] = kept.astype(np.float16)
        return found

    @torch.no_grad()
    def words(
        self, texts: Sequence[str], most: int, among: Sequence[int] | None = None
    ) -> SparseRows:
        """Return the term weights of texts, at most `recipe.most_terms` each.

        Args:
            texts: What to weigh.
            most: Where they are cut.
            among: Words that are computed; all by default.
        """
        rows, terms, weights = [], [], []
        every_V = torch.arange(self._model.vocabulary)
        wanted_U = every_V if among is None else torch.tensor(sorted(among))
        for places, batch in self._batches(texts, most):
            words_U = torch.unique(batch.ids_BL) if self._model.kind == "unicoil" else wanted_U
            with self._precision():
                w_BU = self._model.words(batch, words_U).float()
            if w_BU.shape[1] > self._recipe.most_terms:
                w_BK, place_BK = w_BU.topk(self._recipe.most_terms, dim=1)
            else:
                w_BK, place_BK = w_BU, torch.arange(w_BU.shape[1]).expand_as(w_BU)
            row_P, column_P = torch.nonzero(w_BK > 0, as_tuple=True)
            rows.append(np.array(places, np.int64)[row_P.numpy()])
            terms.append(words_U[place_BK[row_P, column_P]].numpy())
            weights.append(w_BK[row_P, column_P].numpy())
        return SparseRows(
            np.concatenate(rows),
            np.concatenate(terms),
            np.concatenate(weights),
            len(texts),
            self._model.vocabulary,
        )

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._recipe.fast_matmul)


def kept_vectors(
    encoder: Encoder, texts: Sequence[str], most: int, recipe: Recipe, workspace: Workspace
) -> Floats:
    """Return `encoder.vectors`, from a file where pretrained weights made them before."""
    if recipe.trained or not recipe.encoder.start:
        return encoder.vectors(texts, most)
    words = f"{recipe.encoder.start}|{most}|{recipe.fast_matmul}|" + "\n".join(texts)
    path = workspace.shared / f"vectors-{hashlib.sha256(words.encode()).hexdigest()[:12]}.npy"
    if not path.is_file():
        rows = encoder.vectors(texts, most)
        write_atomically(path, rows.astype("<f4").tobytes())
    flat = np.frombuffer(path.read_bytes(), "<f4")
    found: Floats = flat.reshape(len(texts), -1)
    return found
