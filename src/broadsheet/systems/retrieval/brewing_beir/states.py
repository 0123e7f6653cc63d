"""Token rows of texts, and what the frozen lower layers say of them: computed once, kept on disk.

With the lower layers frozen their output is the same for all arms, seeds and steps.

Legend: T tokens of all texts, B rows, L tokens, D width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import write_atomically
from broadsheet.runtime.batching import plan_batches
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.brewing_beir.model import Batch, Retriever
from broadsheet.systems.retrieval.brewing_beir.recipe import Recipe

_BUDGET = 6144


@dataclass(frozen=True, slots=True, eq=False)
class TextRows:
    """Texts as token ids, with the states of the frozen layers where they are kept.

    Args:
        ids: Token ids of each text.
        states_TD: States of all tokens, one text after the other; None to compute all layers.
    """

    ids: tuple[tuple[int, ...], ...]
    states_TD: NDArray[np.float16] | None = None

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each text begins, and the end."""
        return np.concatenate([[0], np.cumsum([len(row) for row in self.ids])]).astype(np.int64)

    def batch(self, places: Sequence[int]) -> Batch:
        """Return some texts, padded on the right with 0."""
        rows = [self.ids[place] for place in places]
        longest = max(map(len, rows))
        ids_BL = torch.zeros(len(rows), longest, dtype=torch.long)
        mask_BL = torch.zeros(len(rows), longest, dtype=torch.long)
        for row, ids in enumerate(rows):
            ids_BL[row, : len(ids)] = torch.tensor(ids)
            mask_BL[row, : len(ids)] = 1
        return Batch(ids_BL, mask_BL, self._below(places, longest))

    def batches(self) -> list[list[int]]:
        """Return places of texts of like length."""
        return plan_batches([len(row) for row in self.ids], _BUDGET)

    def _below(self, places: Sequence[int], longest: int) -> Tensor | None:
        if self.states_TD is None:
            return None
        starts = self.starts
        x_BLD = torch.zeros(len(places), longest, self.states_TD.shape[1])
        for row, place in enumerate(places):
            part = self.states_TD[starts[place] : starts[place + 1]]
            x_BLD[row, : len(part)] = torch.from_numpy(part.astype(np.float32))
        return x_BLD


def token_rows(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> TextRows:
    """Return the ids of texts, cut to `most` tokens with the closing token kept."""
    tokenizer.no_truncation()
    found = [item.ids for item in tokenizer.encode_batch_fast(list(texts))]
    return TextRows(
        tuple(tuple(row if len(row) <= most else [*row[: most - 1], row[-1]]) for row in found)
    )


def with_states(rows: TextRows, model: Retriever, recipe: Recipe, workspace: Workspace) -> TextRows:
    """Return rows with the states of the pretrained frozen layers; as they are where none is.

    The file is named by a hash of the ids, the backbone and the number of layers.
    """
    settings = recipe.encoder
    if not settings.start or not settings.frozen:
        return rows
    key = f"{settings.start}|{settings.frozen}|{recipe.fast_matmul}|{rows.ids}"
    path = workspace.shared / f"states-{hashlib.sha256(key.encode()).hexdigest()[:12]}.f16"
    width = settings.width
    if not path.is_file():
        write_atomically(path, _lower(rows, model, recipe).tobytes())
    states_TD = np.memmap(path, np.float16, "r").reshape(-1, width)
    if len(states_TD) != rows.starts[-1]:
        raise BadInput("the kept states are of other texts", received=Path(path))
    return TextRows(rows.ids, states_TD)


@torch.no_grad()
def _lower(rows: TextRows, model: Retriever, recipe: Recipe) -> NDArray[np.float16]:
    model.eval()
    starts = rows.starts
    kept_TD = np.zeros((int(starts[-1]), recipe.encoder.width), np.float16)
    for places in rows.batches():
        batch = rows.batch(places)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.fast_matmul):
            x_BLD = model.encoder(batch.ids_BL, batch.mask_BL, layers=recipe.encoder.frozen)[-1]
        for row, place in enumerate(places):
            part = slice(int(starts[place]), int(starts[place + 1]))
            kept_TD[part] = x_BLD[row, : part.stop - part.start].float().numpy()
    return kept_TD
