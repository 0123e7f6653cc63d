"""The three presets: which arms are compared, on what, with how many seeds."""

from __future__ import annotations

from dataclasses import replace

from broadsheet.systems.contract import Preset
from broadsheet.systems.reading.local_topic_segmentation.recipe import (
    COMBINATIONS,
    EncoderSettings,
    Recipe,
)

MINILM = EncoderSettings(start="all-minilm-l6-v2")
CONTEXTS = (1, 2, 4)
#: Highest learning rates of arms with topic classification, and of the others.
WITH_TOPICS, WITHOUT_TOPICS = 6e-3, 3e-3
#: Encoders that are trained see these many abstracts, so that a seed stays a matter of seconds.
TUNED_DOCUMENTS = 200
TUNED_DEV_DOCUMENTS = 80


def make_presets() -> dict[str, Preset]:
    """Return smoke, laptop and paper.

    Example:
        >>> [recipe.arm for recipe in make_presets()["paper"].arms]
        ['stp+tc+nsp', 'stp', 'cross stp+tc+nsp']
    """
    return {"smoke": _smoke(), "laptop": _laptop(), "paper": _paper()}


def _laptop() -> Preset:
    abstracts = Recipe(arm="", encoder=MINILM, window=1)
    pages = replace(abstracts, world="manual", window=0)
    whole = _joint(abstracts, "", COMBINATIONS[-1])
    return Preset(
        arms=(
            *_combinations(abstracts, "abstracts"),
            *_contexts(abstracts, "abstracts"),
            replace(whole, arm="abstracts [u;v]", feature="both"),
            replace(whole, arm="abstracts [u;v;|u-v|;u*v]", feature="product"),
            *_others(abstracts, "abstracts", 16),
            *_own_encoders(abstracts),
            *_tuned(abstracts),
            *_combinations(pages, "pages"),
            *_contexts(pages, "pages"),
            *_others(pages, "pages", 8),
            *_unlabelled(replace(pages, world="wiki"), "wiki"),
            *_unlabelled(replace(pages, world="choi"), "choi"),
        ),
        seeds=(1, 2, 3, 4, 5),
        pilot_seed=0,
    )


def _combinations(base: Recipe, name: str) -> tuple[Recipe, ...]:
    return tuple(_joint(base, f"{name} {tasks}", tasks) for tasks in COMBINATIONS)


def _joint(base: Recipe, arm: str, tasks: str) -> Recipe:
    """Return an arm with the rate that was best for its tasks on the pilot seed."""
    rate = WITH_TOPICS if "tc" in tasks else WITHOUT_TOPICS
    return replace(base, arm=arm, tasks=tasks, learning_rate=rate)


def _contexts(base: Recipe, name: str) -> tuple[Recipe, ...]:
    whole = _joint(base, name, COMBINATIONS[-1])
    return tuple(replace(whole, arm=f"{name} c={count}", context=count) for count in CONTEXTS)


def _others(base: Recipe, name: str, documents: int) -> tuple[Recipe, ...]:
    tagger = replace(base, role="tagger", tasks="stp+tc", batch=documents, head=128, steps=300)
    return (
        replace(tagger, arm=f"{name} tagger"),
        replace(base, arm=f"{name} rivals", role="rivals", steps=0),
    )


def _own_encoders(base: Recipe) -> tuple[Recipe, ...]:
    words = EncoderSettings(kind="gru", width=128, vocab=8192, max_tokens=60)
    arm = replace(base, tasks="stp+tc", batch=64, encoder=words)
    return (
        replace(arm, arm="abstracts GRU"),
        replace(arm, arm="abstracts CNN", encoder=replace(words, kind="cnn")),
    )


def _tuned(base: Recipe) -> tuple[Recipe, ...]:
    upper = replace(MINILM, kind="tuned", max_tokens=48, fast_matmul=True)
    arm = replace(
        base,
        tasks="stp+tc",
        encoder=upper,
        documents=TUNED_DOCUMENTS,
        dev_documents=TUNED_DEV_DOCUMENTS,
        batch=16,
        steps=48,
        learning_rate=1e-3,
    )
    return (
        replace(arm, arm="abstracts tuned"),
        replace(arm, arm="abstracts cross", encoder=replace(upper, kind="cross")),
    )


def _unlabelled(base: Recipe, name: str) -> tuple[Recipe, ...]:
    """Return the arms of documents without topic classes."""
    rivals = replace(base, arm=f"{name} rivals", role="rivals", steps=0)
    tagger = _others(base, name, 4)[0]
    return (
        *(_joint(base, f"{name} {tasks}", tasks) for tasks in ("stp", "nsp", "stp+nsp")),
        replace(tagger, tasks="stp"),
        rivals,
    )


def _smoke() -> Preset:
    base = Recipe(
        arm="",
        world="made",
        encoder=EncoderSettings(width=32),
        shared=16,
        head=16,
        batch=16,
        steps=8,
        pages=0,
    )
    tiny = EncoderSettings(
        kind="tuned", width=16, depth=2, heads=2, hidden=32, vocab=64, max_tokens=12, frozen=1
    )
    words = EncoderSettings(kind="gru", width=16, vocab=64, max_tokens=12)
    return Preset(
        arms=(
            replace(base, arm="stp+tc+nsp"),
            replace(base, arm="stp", tasks="stp"),
            replace(base, arm="tc+nsp", tasks="tc+nsp"),
            replace(base, arm="c=2", context=2),
            replace(base, arm="tuned", encoder=tiny, steps=3),
            replace(base, arm="cross", encoder=replace(tiny, kind="cross"), steps=3),
            replace(base, arm="GRU", encoder=words, steps=3),
            replace(base, arm="CNN", encoder=replace(words, kind="cnn"), steps=3),
            replace(base, arm="tagger", role="tagger", tasks="stp+tc", head=8, steps=4),
            replace(base, arm="rivals", role="rivals", steps=0),
        ),
        seeds=(1, 2),
    )


def _paper() -> Preset:
    roberta = EncoderSettings(
        kind="tuned",
        start="roberta-base",
        width=768,
        depth=12,
        heads=12,
        hidden=3072,
        vocab=50_265,
        max_tokens=128,
        frozen=0,
    )
    base = Recipe(
        arm="stp+tc+nsp",
        world="wikisection",
        encoder=roberta,
        shared=0,
        batch=32,
        steps=3 * 750_000 // 32,
        learning_rate=2e-5,
    )
    return Preset(
        arms=(
            base,
            replace(base, arm="stp", tasks="stp"),
            replace(base, arm="cross stp+tc+nsp", encoder=replace(roberta, kind="cross")),
        ),
        seeds=(42,),
        needs="one GPU of 24 GB; WikiSection en_city; the weights of roberta-base",
    )
