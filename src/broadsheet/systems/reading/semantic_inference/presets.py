"""The arms of each preset, with the settings that the pilot seed froze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from broadsheet.runtime.entailment import FACTS
from broadsheet.systems.contract import Preset
from broadsheet.systems.reading.semantic_inference.guided import GuidedShape
from broadsheet.systems.reading.semantic_inference.model import VerifierShape
from broadsheet.systems.reading.semantic_inference.recipe import (
    PhraseSettings,
    Recipe,
    RoleSettings,
    VerifySettings,
)
from broadsheet.systems.reading.semantic_inference.world import WorldSettings
from broadsheet.train.optimiser import TrainSettings

SEEDS = (1, 2, 3, 4, 5)
MINILM, BGE, STATIC = "home:all-minilm-l6-v2", "home:bge-small-en-v1.5", "home:wordllama-256"
HASHED = "hashed:256"

Settings = VerifySettings | RoleSettings | PhraseSettings


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return {"smoke": _smoke(), "laptop": _laptop(), "paper": _paper()}


def _arms(recipes: Mapping[str, Settings]) -> tuple[Recipe, ...]:
    arms = []
    for arm, settings in recipes.items():
        if isinstance(settings, VerifySettings):
            arms.append(Recipe(arm=arm, part="verify", verify=settings))
        elif isinstance(settings, RoleSettings):
            arms.append(Recipe(arm=arm, part="roles", roles=settings))
        else:
            arms.append(Recipe(arm=arm, part="phrases", phrases=settings))
    return tuple(arms)


def _claim_arms(world: VerifySettings) -> dict[str, VerifySettings]:
    """Return the arms of the made world; the first is the model of the paper."""
    shape = world.shape
    return {
        "world_joint": world,
        "world_official": replace(world, shape=replace(shape, rank="official")),
        "world_separate": replace(world, shape=replace(shape, heads="separate")),
        "world_claim": replace(world, shape=replace(shape, evidence="none")),
    }


def _role_arms(guided: RoleSettings) -> dict[str, RoleSettings]:
    """Return the arms of guided attention; the sizes of all are the same."""
    gated = replace(guided.shape, combine="sum_gate")
    return {
        "roles_plain": replace(guided, control="none"),
        "roles_guided": guided,
        "roles_random": replace(guided, control="random"),
        "roles_borrowed": replace(guided, control="borrowed"),
        "roles_gated": replace(guided, shape=gated),
        "roles_official": replace(guided, mode="official"),
    }


def _phrase_arms(full: PhraseSettings) -> dict[str, PhraseSettings]:
    """Return the arms of compositionality; the compounds are judged in the first."""
    alone = replace(full, sentences=())
    return {
        "phrases_full": full,
        "phrases_no_context": replace(alone, context=False),
        "phrases_no_graph": replace(alone, graph=False),
    }


def _smoke() -> Preset:
    train = TrainSettings(steps=3, learning_rate=1e-3, log_every=1)
    small = WorldSettings(entities=12, relations=5, values=3, train=(12, 9, 9, 6), test=6)
    world = VerifySettings(
        texts="vectors",
        vectors="hashed:16",
        shape=VerifierShape(label=8, hidden=4),
        world=small,
        batch=8,
        train=train,
    )
    cnn = replace(
        world, texts="cnn", vectors="", embed=8, filters=4, widths=(1, 2), max_tokens=8, metadata=3
    )
    lstm = replace(cnn, texts="bilstm", metadata=0)
    guided = RoleSettings(
        tasks=("made",),
        words="hashed:8",
        shape=GuidedShape(width=12, depth=1, heads=6, hidden=16),
        train_size=24,
        test_size=12,
        max_words=6,
        batch=8,
        train=train,
    )
    phrases = PhraseSettings(words="hashed:64", made=True)
    arms = {**_claim_arms(world), "world_cnn": cnn, "world_bilstm": lstm}
    return Preset(arms=_arms({**arms, **_role_arms(guided), **_phrase_arms(phrases)}), seeds=(1, 2))


def _laptop() -> Preset:
    world = VerifySettings(
        texts="vectors",
        vectors=HASHED,
        shape=VerifierShape(label=32, hidden=16, dropout=0.3),
        world=WorldSettings(train=(4000, 2500, 1450, 50)),
        train=TrainSettings(steps=1000, learning_rate=2e-3, weight_decay=0.1),
    )
    cnn = replace(world, texts="cnn", vectors="", widths=(1, 2), max_tokens=8)
    cnn = replace(cnn, train=replace(world.train, steps=300))
    liar = VerifySettings(
        source="liar",
        texts="vectors",
        vectors=MINILM,
        project=64,
        passages=5,
        folds=5,
        power=1.0,
        shape=VerifierShape(label=32, hidden=16, dropout=0.4),
        train=TrainSettings(steps=250, learning_rate=1e-3, weight_decay=0.1),
    )
    sick = VerifySettings(
        source="sick",
        texts="vectors",
        vectors=MINILM,
        passages=1,
        shape=VerifierShape(facts=len(FACTS), label=128, hidden=32),
        train=TrainSettings(steps=800, learning_rate=1e-3, weight_decay=0.05),
    )
    guided = RoleSettings(max_words=32, train=TrainSettings(steps=200, learning_rate=2e-3))
    alone = replace(liar, shape=replace(liar.shape, evidence="none"))
    real = {
        "liar_joint": liar,
        "liar_mean": replace(liar, shape=replace(liar.shape, evidence="mean")),
        "liar_claim": alone,
        "liar_metadata": replace(liar, metadata=16),
        "sick_minilm": sick,
        "sick_bge": replace(sick, vectors=BGE),
        "sick_static": replace(sick, vectors=STATIC),
        "sick_no_facts": replace(sick, shape=replace(sick.shape, facts=0)),
        "sick_claim": replace(sick, shape=replace(sick.shape, facts=0, evidence="none")),
    }
    phrases = PhraseSettings(sentences=(MINILM, BGE, STATIC))
    return Preset(
        arms=_arms(
            {
                **_claim_arms(world),
                "world_cnn": cnn,
                **real,
                **_phrase_arms(phrases),
                **_role_arms(guided),
            }
        ),
        seeds=SEEDS,
    )


def _paper() -> Preset:
    train = TrainSettings(steps=5_450, learning_rate=1e-3)  # 10 epochs of 34,918 claims, batch 64
    multifc = VerifySettings(
        source="multifc",
        texts="bilstm",
        embed=300,
        filters=128,
        max_tokens=128,
        metadata=32,
        shape=VerifierShape(label=16, hidden=100, rank="official"),
        train=train,
    )
    guided = RoleSettings(
        words="hashed:300",
        shape=GuidedShape(width=512, depth=6, heads=8, hidden=512),
        train_size=0,
        max_words=128,
        train=TrainSettings(steps=5_000, learning_rate=1e-4),
    )
    arms: dict[str, Settings] = {
        "multifc": multifc,
        "multifc_cnn": replace(multifc, texts="cnn", widths=(2, 3, 4, 5)),
        "roles_guided": guided,
        "roles_official": replace(guided, mode="official"),
        "roles_plain": replace(guided, control="none"),
    }
    return Preset(
        arms=_arms(arms),
        seeds=SEEDS,
        needs="one GPU of 16 GB; MultiFC in a folder multifc; word vectors of 300 numbers",
    )
