"""Training the small decoder: on short documents, then on longer ones.

Legend: B documents, L symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.retrieval_heads.recipe import WorldSettings
from broadsheet.systems.reading.retrieval_heads.world import FRAME, World


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long texts may be: they grow, so that copying is learnt where it is easy to see.

    Args:
        longest: Symbols before the questions.
        growing_steps: Steps over which the limit rises from that of one fact to the longest.
    """

    longest: int
    growing_steps: int = 0

    def at(self, step: int, shortest: int) -> int:
        """Return the limit of a step, counted from 0.

        Example:
            >>> [Lengths(72, 100).at(step, 12) for step in (0, 50, 200)]
            [12, 42, 72]
        """
        share = min(1.0, step / self.growing_steps) if self.growing_steps else 1.0
        return shortest + int(share * (self.longest - shortest))


def loss_function(
    model: Any,
    world: World,
    settings: WorldSettings,
    batch: int,
    lengths: Lengths,
    seeds: SeedTree,
) -> Callable[[int], Tensor]:
    """Return the loss of a step: cross entropy over the symbols of the answers alone.

    Every step draws how long its texts are, how many facts they hold and how many questions they
    end with: no distance between fact and question is special, and single facts teach to copy.
    """
    device = next(model.parameters()).device

    def loss_at(step: int) -> Tensor:
        rng = seeds.child("size", step).numpy()
        questions = int(rng.integers(1, settings.questions + 1))
        one_fact = 2 * (settings.answer + FRAME)
        longest = lengths.at(step, min(lengths.longest, one_fact))
        facts = min(int(rng.integers(1, settings.facts + 1)), max(1, longest // one_fact))
        shortest = min(longest, facts * one_fact)
        text = int(rng.integers(shortest, longest + 1))
        ids, answers = world.documents(
            seeds.child("batch", step),
            count=batch,
            length=text + questions * (settings.answer + FRAME),
            facts=facts,
            questions=questions,
        )
        ids_BL = torch.from_numpy(ids).to(device)
        asked_BL = torch.from_numpy(answers[:, 1:] > 0).to(device)
        states_BLD = model.model(input_ids=ids_BL[:, :-1], use_cache=False).last_hidden_state
        logits_XV = model.lm_head(states_BLD[asked_BL]).float()
        return functional.cross_entropy(logits_XV, ids_BL[:, 1:][asked_BL])

    return loss_at
