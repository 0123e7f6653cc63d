"""Settings: which models are probed, with which prompts, and how the decoder is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from broadsheet.systems.contract import Preset
from broadsheet.systems.reading.retrieval_heads.decoder import DecoderShape, Extension
from broadsheet.systems.reading.retrieval_heads.lm import DtypeName
from broadsheet.systems.reading.retrieval_heads.world import FRAME, Alphabet
from broadsheet.train.optimiser import TrainSettings

Kind = Literal["language-model", "world", "published"]
SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedleSettings:
    """Prompts of a language model.

    Args:
        haystack: Where the text comes from: "invented", or abstracts of the ACL Anthology.
        lengths: Tokens of the contexts that heads are found on.
        depths: Depths of their needles, as shares.
        test_lengths: Tokens of the contexts that masks are tried on, one per document.
        top: How many of the strongest heads are switched off.
        headline: The one of them with `draws` random controls.
        draws: Random controls at the headline.
        few_draws: Random controls at the others.
    """

    haystack: Literal["invented", "acl"] = "invented"
    lengths: tuple[int, ...]
    depths: tuple[float, ...]
    test_lengths: tuple[int, ...]
    top: tuple[int, ...]
    headline: int
    draws: int
    few_draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """Documents of the world of symbols.

    Args:
        filler: Symbols of the filler's chain.
        open_keys: Keys whose values stand in the text.
        closed_keys: Keys whose values are in the weights.
        values: Symbols that answers are made of.
        answer: Symbols of an answer.
        facts: Facts of a test document, and most facts of a training document.
        questions: Most questions of a training document.
        length: Longest text before the questions.
        factor: How many times longer the texts of the extended model are.
        extension: How it is extended.
        detection: Documents that heads are found on.
        documents: Documents that masks are tried on.
        top: How many of the strongest heads are switched off.
        draws: Random controls at each.
    """

    filler: int = 64
    open_keys: int = 32
    closed_keys: int = 32
    values: int = 120
    answer: int = 4
    facts: int = 3
    questions: int = 6
    length: int = 72
    factor: int = 4
    extension: Extension = "interpolation"
    detection: int = 300
    documents: int = 200
    top: tuple[int, ...] = (1, 2, 4)
    draws: int = 20

    @property
    def alphabet(self) -> Alphabet:
        """Return the symbols."""
        return Alphabet(
            filler=self.filler,
            open_keys=self.open_keys,
            closed_keys=self.closed_keys,
            values=self.values,
            answer=self.answer,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Steps and rates of the small decoder.

    Args:
        steps: Optimiser steps at the first length.
        learning_rate: The highest one.
        batch: Documents of a step.
        growing: Share of the steps over which texts grow to their full length.
        more_steps: Steps at the extended length.
        more_rate: Their rate.
        more_batch: Their documents.
    """

    steps: int
    learning_rate: float
    batch: int
    growing: float
    more_steps: int
    more_rate: float
    more_batch: int

    def first(self) -> TrainSettings:
        """Return the settings of the first training."""
        return TrainSettings(
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=0.1,
            warmup=0.05,
            schedule="linear",
        )

    def second(self) -> TrainSettings:
        """Return the settings of the training at the extended length."""
        return TrainSettings(
            steps=self.more_steps,
            learning_rate=self.more_rate,
            weight_decay=0.1,
            warmup=0.1,
            schedule="cosine",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one arm.

    Args:
        arm: Its name in the report.
        kind: A language model that is only probed, the world's decoder, or the published tables.
        shape: Sizes of the model.
        start: Where the weights come from: "nothing", or what `lm.load_language_model` takes.
        dtype: Of a language model while it is probed.
        needles: Prompts of a language model.
        world: Documents of the world.
        train: Of the world's decoder; None trains nothing.
    """

    arm: str
    kind: Kind
    shape: DecoderShape
    start: str = "nothing"
    dtype: DtypeName = "float32"
    needles: NeedleSettings | None = None
    world: WorldSettings = field(default_factory=WorldSettings)
    train: Train | None = None


_SMOLLM2 = DecoderShape(
    vocab=49_152,
    width=576,
    hidden=1536,
    layers=30,
    heads=9,
    key_heads=3,
    head_size=64,
    positions=8192,
    rope_base=100_000.0,
)
#: Mistral 7B, the one of the paper's models whose weights are published as safetensors.
_MISTRAL = DecoderShape(
    vocab=32_000,
    width=4096,
    hidden=14_336,
    layers=32,
    heads=32,
    key_heads=8,
    head_size=128,
    positions=32_768,
    rope_base=1e6,
    tied=False,
)
_NONE = DecoderShape(
    vocab=2, width=2, hidden=2, layers=1, heads=1, key_heads=1, head_size=2, positions=2
)


def _world(shape: DecoderShape, world: WorldSettings, train: Train) -> Recipe:
    vocab, span = world.alphabet.size, world.answer + FRAME
    longest = world.length + world.questions * span
    sized = replace(shape, vocab=vocab, positions=longest)
    return Recipe(arm="world", kind="world", shape=sized, world=world, train=train)


def _smoke() -> Preset:
    tiny = DecoderShape(
        vocab=300, width=16, hidden=16, layers=2, heads=4, key_heads=2, head_size=4, positions=900
    )
    needles = NeedleSettings(
        lengths=(300, 400),
        depths=(0.2, 0.8),
        test_lengths=(300, 400),
        top=(1, 2),
        headline=2,
        draws=2,
        few_draws=1,
    )
    world = WorldSettings(
        filler=8,
        open_keys=4,
        closed_keys=4,
        values=8,
        answer=2,
        facts=2,
        questions=2,
        length=24,
        factor=2,
        detection=8,
        documents=6,
        draws=2,
    )
    train = Train(
        steps=6,
        learning_rate=1e-3,
        batch=4,
        growing=0.5,
        more_steps=3,
        more_rate=1e-3,
        more_batch=2,
    )
    small = replace(tiny, head_size=8)
    return Preset(
        arms=(
            Recipe(arm="lm", kind="language-model", shape=tiny, needles=needles),
            _world(small, world, train),
        ),
        seeds=(1, 2),
    )


def _laptop() -> Preset:
    needles = NeedleSettings(
        haystack="acl",
        lengths=(250, 500, 1000, 2000, 4000),
        depths=(0.1, 0.4, 0.6, 0.9),
        test_lengths=(250, 250, 250, 250, 500, 500, 500, 1000, 1000, 2000),
        top=(1, 2, 3, 5, 10, 20),
        headline=5,
        draws=20,
        few_draws=2,
    )
    shape = DecoderShape(
        vocab=0, width=128, hidden=256, layers=4, heads=8, key_heads=8, head_size=16, positions=0
    )
    train = Train(
        steps=3000,
        learning_rate=3e-3,
        batch=16,
        growing=0.4,
        more_steps=200,
        more_rate=1e-3,
        more_batch=4,
    )
    return Preset(
        arms=(
            Recipe(
                arm="lm",
                kind="language-model",
                shape=_SMOLLM2,
                start="smollm2-135m-instruct",
                dtype="bfloat16",
                needles=needles,
            ),
            _world(shape, WorldSettings(), train),
            Recipe(arm="published", kind="published", shape=_NONE),
        ),
        seeds=SEEDS,
        needs="the data sets acl-anthology and retrieval_heads; a wheel of 93 MB",
    )


def _paper() -> Preset:
    lengths = tuple(round(1000 + 30_000 * n / 19) for n in range(20))
    needles = NeedleSettings(
        haystack="acl",
        lengths=lengths,
        depths=tuple(round(n / 9, 3) for n in range(10)),
        test_lengths=lengths,
        top=(5, 10, 20, 30, 50, 100),
        headline=30,
        draws=20,
        few_draws=5,
    )
    mistral = Recipe(
        arm="lm",
        kind="language-model",
        shape=_MISTRAL,
        start="mistralai/Mistral-7B-Instruct-v0.2",
        dtype="bfloat16",
        needles=needles,
    )
    shape = DecoderShape(
        vocab=0, width=256, hidden=1024, layers=4, heads=8, key_heads=8, head_size=32, positions=0
    )
    world = WorldSettings(
        filler=128, open_keys=64, closed_keys=200, values=256, answer=6, facts=4, length=256
    )
    train = Train(
        steps=20_000,
        learning_rate=1e-3,
        batch=64,
        growing=0.4,
        more_steps=5_000,
        more_rate=5e-4,
        more_batch=16,
    )
    return Preset(
        arms=(mistral, _world(shape, world, train)),
        seeds=SEEDS,
        needs="one GPU of 40 GB; the weights from a model hub; acl-anthology",
    )


def all_presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return {"smoke": _smoke(), "laptop": _laptop(), "paper": _paper()}
