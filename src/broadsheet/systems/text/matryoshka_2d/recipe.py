"""Settings of 2D Matryoshka: what is compared, how large, and on what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from broadsheet.systems.contract import Preset
from broadsheet.train.optimiser import TrainSettings

ObjectiveName = Literal["base", "mse", "2dmse", "ese", "starbucks", "st-matryoshka2d"]
Start = Literal["nothing", "all-minilm-l6-v2", "bert-base-uncased"]
Source = Literal["sts", "debian", "grammar", "nli"]
SEEDS = (1, 2, 3, 4, 5)
#: The laptop preset ran before with less training on seeds 1 to 5; this is its second look.
FRESH_SEEDS = (11, 12, 13, 14, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of the encoder; its depth is that of the arm.

    Args:
        vocab: Rows of the word table.
        width: Numbers of a vector.
        heads: Attention heads.
        hidden: Width inside the feed-forward part.
        positions: Rows of the table of positions.
        dropout: In training.
    """

    vocab: int
    width: int
    heads: int
    hidden: int
    positions: int
    dropout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Steps and rates; everything else is the training loop's default.

    Args:
        steps: Optimiser steps.
        learning_rate: The highest one.
        warmup: Share of the steps in which the rate rises.
        schedule: How it falls.
    """

    steps: int
    learning_rate: float
    warmup: float = 0.1
    schedule: Literal["linear", "cosine", "constant"] = "linear"

    def settings(self) -> TrainSettings:
        """Return the settings of the training loop."""
        return TrainSettings(
            steps=self.steps,
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            schedule=self.schedule,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one arm.

    Args:
        arm: Its name in the report: <backbone>-<objective>.
        objective: What is minimised.
        start: Where the weights come from.
        source: What it trains on.
        shape: Sizes.
        layers: Layers of the encoder; a dedicated small model has fewer.
        dims: Sizes of vectors that are trained and measured, the full one first.
        short: The size that claims about short vectors speak of.
        train: Steps and rates.
        batch: Pairs in a batch.
        accumulate: Batches of a step.
        max_tokens: Where texts are cut.
        loss: The base loss.
        scale: Its sharpness, one over the temperature.
        pooling: How tokens become a vector.
        frozen_table: Leave the embedding table as it is.
        kl_weight: Weight of 2DMSE's and Starbucks' alignment.
        kl_temperature: Temperature of 2DMSE's alignment.
        ese_size: Numbers that ESE compresses to.
        ese_target: What ESE's compression aims at.
        starbucks_layers: Layers of the fixed pairs.
        starbucks_dims: Sizes of the fixed pairs.
        precision: Of the encoder while tests are encoded; poolings, cosines and training are in
            float32 whatever it says, and so is the timing.
        timed: Sentences whose encoding is timed; 0 times nothing.
        dev: Measure on the development parts; for choosing settings on the pilot seed.
    """

    arm: str
    objective: ObjectiveName
    start: Start = "nothing"
    source: Source
    shape: Shape
    layers: int
    dims: tuple[int, ...]
    short: int = 32
    train: Train
    batch: int
    accumulate: int = 1
    max_tokens: int
    loss: Literal["cosent", "mnr", "angle"]
    scale: float = 20.0
    pooling: Literal["mean", "cls"] = "mean"
    frozen_table: bool = False
    kl_weight: float = 1.0
    kl_temperature: float = 1.0
    ese_size: int = 128
    ese_target: Literal["coordinates", "similarities"] = "coordinates"
    starbucks_layers: tuple[int, ...] = ()
    starbucks_dims: tuple[int, ...] = ()
    precision: Literal["float32", "bfloat16"] = "float32"
    timed: int = 0
    dev: bool = False

    @property
    def backbone(self) -> str:
        """The part of the arm's name before the first dash."""
        return self.arm.partition("-")[0]


def arms_of(base: Recipe, dedicated: tuple[int, ...], timed: int) -> tuple[Recipe, ...]:
    """Return every objective on one backbone, and dedicated models of fewer layers.

    Args:
        base: The ordinary encoder; its arm ends in "-base".
        dedicated: Their numbers of layers; cut before training, then trained on the base loss.
        timed: Sentences timed in the 2DMSE arm; time does not depend on the weights.
    """
    backbone = base.backbone
    names: tuple[ObjectiveName, ...] = ("mse", "2dmse", "ese", "starbucks", "st-matryoshka2d")
    trained = [replace(base, arm=f"{backbone}-{name}", objective=name) for name in names]
    trained[1] = replace(trained[1], timed=timed)
    small = [replace(base, arm=f"{backbone}-dedicated-{n}", layers=n) for n in dedicated]
    return (base, *trained, *small)


def minilm() -> Recipe:
    """Return the ordinary encoder on the laptop's first backbone: MiniLM, tuned on graded pairs."""
    return Recipe(
        arm="minilm-base",
        objective="base",
        start="all-minilm-l6-v2",
        source="sts",
        shape=Shape(vocab=30522, width=384, heads=12, hidden=1536, positions=512),
        layers=6,
        dims=(384, 256, 128, 64, 32),
        train=Train(steps=240, learning_rate=2e-4),
        batch=16,
        max_tokens=48,
        loss="cosent",
        frozen_table=True,
        precision="bfloat16",
        ese_size=128,
        starbucks_layers=(1, 2, 3, 4, 5, 6),
        starbucks_dims=(32, 64, 128, 192, 256, 384),
    )


def debian() -> Recipe:
    """Return the ordinary encoder on the second backbone: from nothing, on package texts."""
    return Recipe(
        arm="debian-base",
        objective="base",
        source="debian",
        shape=Shape(vocab=8192, width=128, heads=4, hidden=512, positions=64),
        layers=6,
        dims=(128, 96, 64, 32, 16),
        train=Train(steps=40, learning_rate=1e-3, schedule="cosine"),
        batch=32,
        max_tokens=40,
        loss="mnr",
        precision="bfloat16",
        ese_size=32,
        starbucks_layers=(1, 2, 3, 4, 5, 6),
        starbucks_dims=(16, 32, 48, 64, 96, 128),
    )


def smoke() -> tuple[Recipe, ...]:
    """Return both backbones so small that all arms train in seconds, on made-up sentences."""
    graded = replace(
        minilm(),
        start="nothing",
        source="grammar",
        shape=Shape(vocab=64, width=16, heads=2, hidden=32, positions=16),
        layers=4,
        dims=(16, 8, 4),
        short=8,
        train=Train(steps=4, learning_rate=2e-3),
        batch=8,
        max_tokens=12,
        frozen_table=False,
        precision="float32",
        ese_size=8,
        starbucks_layers=(1, 2, 4),
        starbucks_dims=(4, 8, 16),
    )
    paired = replace(graded, arm="debian-base", loss="mnr")
    return arms_of(graded, (2, 3), timed=8) + arms_of(paired, (2, 3), timed=8)


def paper() -> tuple[Recipe, ...]:
    """Return the full size of the public reproduction: BERT base on NLI triplets, AnglE loss."""
    base = Recipe(
        arm="bert-base",
        objective="base",
        start="bert-base-uncased",
        source="nli",
        shape=Shape(vocab=30522, width=768, heads=12, hidden=3072, positions=512, dropout=0.1),
        layers=12,
        dims=(768, 512, 256, 128, 64, 32, 16, 8),
        # 275,601 triplets x 10 epochs / (128 x 128) rows a step; 50 steps of warm-up.
        train=Train(steps=168, learning_rate=5e-5, warmup=50 / 168),
        batch=128,
        accumulate=128,
        max_tokens=128,
        loss="angle",
        pooling="cls",
        starbucks_layers=(2, 4, 6, 8, 10, 12),
        starbucks_dims=(32, 64, 128, 256, 512, 768),
    )
    return arms_of(base, (2, 4, 6, 8, 10), timed=256)


def all_presets() -> Mapping[str, Preset]:
    """Return the presets by name."""
    return {
        "smoke": Preset(arms=smoke(), seeds=(1, 2), pilot_seed=0),
        "laptop": Preset(
            arms=arms_of(minilm(), (2, 3), timed=32) + arms_of(debian(), (2, 3), timed=256),
            seeds=FRESH_SEEDS,
            pilot_seed=0,
        ),
        "paper": Preset(
            arms=paper(),
            seeds=SEEDS,
            pilot_seed=0,
            launch="torchrun:1",
            needs="one GPU of 24 GB; bert-base-uncased; NLI triplets (SeanLee97/nli_for_simcse)",
        ),
    }
