"""Presets of broadsheet-embed: an elastic encoder, a static table, and the encoders they meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from broadsheet.systems.contract import Preset
from broadsheet.train.loop import TrainSettings

Kind = Literal["elastic", "static", "rival"]

#: Encoders that ours have to beat, as the application runs them.
RIVALS = (
    "bge-small-en-v1.5",
    "all-minilm-l6-v2",
    "paraphrase-minilm-l3-v2",
    "wordllama-256",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSettings:
    """What is read for training.

    Args:
        source: "real" (papers and WordNet) or "grammar" (sentences made in code).
        papers: Papers at most.
        glosses: Synsets of WordNet at most.
        window_tokens: Words of an abstract's window.
        teacher: Encoder whose similarities are learned, or "none".
    """

    source: Literal["real", "grammar"] = "real"
    papers: int = 16_000
    glosses: int = 120_000
    window_words: int = 60
    teacher: str = "bge-small-en-v1.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """Weights of the parts of the loss.

    Args:
        batch_pairs: Pairs in a batch; each anchor meets batch_pairs - 1 negatives.
        gloss_pairs: The same for WordNet, whose texts are short.
        contrastive: Weight of InfoNCE on (title, abstract), (words, gloss).
        temperature: Of InfoNCE.
        similarity: Weight of the similarity distillation.
        similarity_temperature: Its temperature.
        dims: Prefixes that are trained beside the whole vector.
    """

    batch_pairs: int = 24
    gloss_pairs: int = 64
    contrastive: float = 1.0
    temperature: float = 0.05
    similarity: float = 1.0
    similarity_temperature: float = 0.07
    dims: tuple[int, ...] = (64, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one arm."""

    arm: str
    kind: Kind
    backbone: str = "paraphrase-minilm-l3-v2"
    dim: int = 384
    exits: tuple[int, ...] = (1, 2, 3)
    max_tokens: int = 96
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    train: TrainSettings = field(
        default_factory=lambda: TrainSettings(steps=300, learning_rate=5e-5)
    )


def _static(recipe: Recipe) -> Recipe:
    return replace(
        recipe,
        arm="static",
        kind="static",
        dim=256,
        exits=(0,),
        loss=replace(recipe.loss, batch_pairs=256, gloss_pairs=256),
        train=replace(recipe.train, steps=800, learning_rate=2e-3),
    )


def presets() -> Mapping[str, Preset]:
    """Return the presets; settings of laptop were frozen on seed 0."""
    elastic = Recipe(arm="elastic", kind="elastic")
    tiny = Recipe(
        arm="elastic",
        kind="elastic",
        backbone="tiny",
        dim=32,
        exits=(1, 2),
        max_tokens=16,
        corpus=CorpusSettings(source="grammar", papers=60, glosses=0, teacher="none"),
        loss=LossSettings(batch_pairs=8, gloss_pairs=8, similarity=0.0, dims=(8,)),
        train=TrainSettings(steps=6, learning_rate=1e-3),
    )
    full = replace(
        elastic,
        corpus=CorpusSettings(papers=3_000_000, glosses=120_000, window_words=120),
        max_tokens=256,
        loss=replace(elastic.loss, batch_pairs=512, gloss_pairs=512),
        train=replace(elastic.train, steps=40_000, learning_rate=1e-4),
    )
    rivals = tuple(Recipe(arm=name, kind="rival", backbone=name) for name in RIVALS)
    return {
        "smoke": Preset(
            arms=(
                tiny,
                replace(_static(tiny), dim=32, train=tiny.train, loss=tiny.loss),
                *(replace(tiny, arm=name, kind="rival") for name in RIVALS),
            ),
            seeds=(1, 2),
        ),
        "laptop": Preset(arms=(elastic, _static(elastic), *rivals), seeds=(1, 2, 3, 4, 5)),
        "paper": Preset(
            arms=(full, _static(full)),
            seeds=(1, 2, 3),
            launch="torchrun:1",
            needs="one GPU of 24 GB; arXiv metadata (2.9 million abstracts); 3 hours (estimated)",
        ),
    }
