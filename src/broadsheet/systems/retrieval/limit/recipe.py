"""Presets: what is compared (arms), how large, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from broadsheet.systems.contract import Preset
from broadsheet.systems.retrieval.limit.curve import Optimisation
from broadsheet.train.optimiser import TrainSettings

Role = Literal["curve", "retriever", "finetune"]
Kind = Literal[
    "bm25",
    "words",
    "covering",
    "required",
    "random_words",
    "single",
    "binary",
    "maxsim",
    "hybrid",
    "by_rank",
    "cross",
]

MINILM, BGE, STATIC = "all-minilm-l6-v2", "bge-small-en-v1.5", "wordllama-256"
RERANKER = "ms-marco-minilm-l12"

#: The test sets that a retriever can be measured on.
SMALL, FULL = "limit-small", "limit, 50,000 people"
PEOPLE, ABSTRACTS = "people, two things", "abstracts, two terms"
PATTERNED = ("pattern dense", "pattern random", "pattern cycle", "pattern disjoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveSettings:
    """The search for critical n.

    Args:
        dims: Numbers of a vector, ascending.
        per_query: k.
        optimisation: How each run is trained.
        sets: Sets whose geometry is checked with linear programs and with the construction.
    """

    dims: tuple[int, ...] = (2, 4, 6, 8, 10, 12, 14, 16)
    per_query: int = 2
    optimisation: Optimisation = field(
        default_factory=lambda: Optimisation(max_steps=3000, sweep=(2, 3))
    )
    sets: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieverSettings:
    """One way to rank.

    Args:
        kind: bm25: flat, ours; words: the application's words index; covering: the same, those
            that hold more of the question's words first; required: words and meaning within all
            asked terms in quotes; random_words: the mean of random vectors of words; single: one
            vector per text; binary: its signs; maxsim: one vector per token; hybrid: words and
            single, added up as in the application; by_rank: the same by reciprocal ranks;
            cross: a cross-encoder on every pair.
        model: Encoder, for the kinds that have one: a backbone in float32; "home:NAME" as the
            application has installed it (8 bits); "hf:NAME" loaded by sentence-transformers; ""
            random word vectors.
        dims: Lengths that vectors are cut to, beside the whole.
        weight: Of meaning, against 1 for words.
        queries: Only the first so many questions are asked; 0 asks all.
        tasks: Test sets.
    """

    kind: Kind = "words"
    model: str = ""
    dims: tuple[int, ...] = ()
    weight: float = 1.0
    queries: int = 0
    tasks: tuple[str, ...] = (SMALL, PEOPLE, ABSTRACTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """Sizes of the worlds that are made.

    Args:
        source: "limit": the authors' list of things to like; "own": ours.
        documents: People in a pattern's world.
        queries: Questions in it, two answers each.
        min_items: Things that everybody likes at least.
        people: People in the world of questions about two things.
        things: Different things in it.
        each: Things that each of them likes.
        pairs: Questions about two things; also about two terms of abstracts.
        abstracts: Abstracts that are searched.
    """

    source: Literal["limit", "own"] = "limit"
    documents: int = 1000
    queries: int = 105
    min_items: int = 14
    people: int = 400
    things: int = 80
    each: int = 10
    pairs: int = 200
    abstracts: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """Fine-tuning of a small encoder on LIMIT-like worlds.

    Args:
        split: none: not trained; train: worlds of other people and other things; test: the very
            world it is measured on.
        start: Backbone whose token table it starts from (reduced to `width`); "" for fresh.
        width: Length of a vector.
        depth: Layers.
        heads: Attention heads.
        documents: People in each world, in the dense pattern.
        queries: Questions in each world.
        min_items: Things that everybody likes at least.
        worlds: Training worlds of the split "train".
        batch: Questions per step; all people of the world are candidates.
        max_tokens: Where texts are cut.
        temperature: Of the loss.
        train: Steps and rate.
    """

    split: Literal["none", "train", "test"] = "train"
    start: str = MINILM
    width: int = 128
    depth: int = 2
    heads: int = 4
    documents: int = 20
    queries: int = 190
    min_items: int = 19
    worlds: int = 16
    batch: int = 96
    max_tokens: int = 160
    temperature: float = 0.05
    train: TrainSettings = field(
        default_factory=lambda: TrainSettings(steps=120, learning_rate=1e-3)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one arm; only the part of its role matters.

    Args:
        arm: Name in the report.
        role: What the arm does.
        curve: See there.
        retriever: See there.
        finetune: See there.
        worlds: Worlds that are made for retrievers.
    """

    arm: str
    role: Role
    curve: CurveSettings = field(default_factory=CurveSettings)
    retriever: RetrieverSettings = field(default_factory=RetrieverSettings)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    worlds: WorldSettings = field(default_factory=WorldSettings)


def presets() -> dict[str, Preset]:
    """Return smoke, laptop and paper."""
    return {"smoke": _smoke(), "laptop": _laptop(), "paper": _paper()}


def _laptop() -> Preset:
    searched = (SMALL, PEOPLE, ABSTRACTS)
    everywhere = (SMALL, *PATTERNED, PEOPLE, ABSTRACTS)
    cuts = (8, 16, 32, 64, 128, 256)
    many = (*cuts, 384, 1024)

    def one(model: str, tasks: tuple[str, ...], dims: tuple[int, ...] = ()) -> RetrieverSettings:
        return RetrieverSettings(kind="single", model=model, dims=dims, tasks=tasks)

    def both(kind: Kind, model: str, weight: float) -> RetrieverSettings:
        return RetrieverSettings(kind=kind, model=model, weight=weight, tasks=searched)

    ways = (
        ("bm25", RetrieverSettings(kind="bm25", tasks=everywhere)),
        ("words", RetrieverSettings(kind="words", tasks=everywhere)),
        ("covering", RetrieverSettings(kind="covering", tasks=searched)),
        ("minilm", one(MINILM, (SMALL,), cuts)),
        ("minilm_int8", one(f"home:{MINILM}", everywhere)),
        ("bge", one(BGE, (SMALL,), cuts)),
        ("bge_int8", one(f"home:{BGE}", searched)),
        ("static", one(f"home:{STATIC}", everywhere, cuts[:-1])),
        ("random_words", RetrieverSettings(kind="random_words", dims=many, tasks=everywhere)),
        ("minilm_binary", RetrieverSettings(kind="binary", model=MINILM, tasks=(SMALL,))),
        ("minilm_maxsim", RetrieverSettings(kind="maxsim", model=MINILM, tasks=(SMALL, PEOPLE))),
        ("hybrid", both("hybrid", f"home:{BGE}", 1.0)),
        ("hybrid_by_rank", both("by_rank", f"home:{BGE}", 1.0)),
        ("hybrid_static", both("hybrid", f"home:{STATIC}", 0.4)),
        ("required", RetrieverSettings(kind="required", model=f"home:{BGE}", tasks=searched)),
        ("cross", RetrieverSettings(kind="cross", model=RERANKER, queries=20, tasks=(SMALL,))),
    )
    curve = CurveSettings(optimisation=Optimisation(max_steps=3000, sweep=(1, 1)))
    tuning = FinetuneSettings()
    return Preset(
        arms=(
            Recipe(arm="free", role="curve", curve=curve),
            *(Recipe(arm=arm, role="retriever", retriever=way) for arm, way in ways),
            *(
                Recipe(
                    arm=f"finetune_{split}", role="finetune", finetune=replace(tuning, split=split)
                )
                for split in ("none", "train", "test")
            ),
        ),
        seeds=(1, 2, 3, 4, 5),
        pilot_seed=0,
    )


def _smoke() -> Preset:
    worlds = WorldSettings(
        source="own",
        documents=40,
        queries=15,
        min_items=5,
        people=60,
        things=20,
        each=6,
        pairs=10,
        abstracts=0,
    )
    tasks = (*PATTERNED, PEOPLE)
    ways = (
        ("bm25", RetrieverSettings(kind="bm25", tasks=tasks)),
        ("words", RetrieverSettings(kind="words", tasks=tasks)),
        ("random_words", RetrieverSettings(kind="random_words", dims=(4, 16, 64), tasks=tasks)),
        ("hybrid", RetrieverSettings(kind="hybrid", tasks=tasks)),
        ("hybrid_by_rank", RetrieverSettings(kind="by_rank", tasks=tasks)),
        ("required", RetrieverSettings(kind="required", tasks=tasks)),
    )
    tuning = FinetuneSettings(
        start="",
        width=16,
        depth=1,
        heads=2,
        documents=6,
        queries=15,
        min_items=5,
        worlds=2,
        batch=8,
        max_tokens=40,
        train=TrainSettings(steps=6, learning_rate=1e-2, log_every=2),
    )
    curve = CurveSettings(
        dims=(2, 3, 4, 5, 6, 7), optimisation=Optimisation(max_steps=150, patience=100), sets=10
    )
    return Preset(
        arms=(
            Recipe(arm="free", role="curve", curve=curve),
            *(Recipe(arm=arm, role="retriever", retriever=w, worlds=worlds) for arm, w in ways),
            *(
                Recipe(
                    arm=f"finetune_{split}",
                    role="finetune",
                    finetune=replace(tuning, split=split),
                    worlds=worlds,
                )
                for split in ("none", "train", "test")
            ),
        ),
        seeds=(1, 2),
    )


def _paper() -> Preset:
    cuts = (32, 64, 128, 256, 512, 1024, 2048)
    tasks = (SMALL, FULL)
    ways = (
        ("bm25", RetrieverSettings(kind="bm25", tasks=tasks)),
        (
            "qwen3_8b",
            RetrieverSettings(
                kind="single", model="hf:Qwen/Qwen3-Embedding-8B", dims=cuts, tasks=tasks
            ),
        ),
        ("bge_maxsim", RetrieverSettings(kind="maxsim", model=BGE, tasks=(SMALL,))),
        ("hybrid", RetrieverSettings(kind="hybrid", model=f"home:{BGE}", tasks=tasks)),
    )
    curve = CurveSettings(dims=tuple(range(4, 46)), optimisation=Optimisation(cells=500_000_000))
    return Preset(
        arms=(
            Recipe(arm="free", role="curve", curve=curve),
            *(Recipe(arm=arm, role="retriever", retriever=way) for arm, way in ways),
        ),
        seeds=(42,),
        needs="one GPU of 24 GB for the 8-billion encoder; days of one core for the curve",
    )
