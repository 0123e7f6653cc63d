"""Presets: what is compared (arms), how large, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from broadsheet.systems.contract import Preset
from broadsheet.systems.text.distilled_sentence_embedding.heads import HeadKind
from broadsheet.systems.text.distilled_sentence_embedding.tasks import Distance

Role = Literal["teacher", "student", "timing"]
World = Literal["sick", "stsb", "grammar", "mnli"]
Attention = Literal["fused", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """The sizes of an encoder and where it starts.

    Args:
        start: A pretrained backbone of `nn.backbones`, or "" for fresh weights.
        vocab: Rows of the word table.
        width: Length of a state.
        depth: Layers.
        heads: Attention heads.
        hidden: Width inside the feed-forward part.
        max_tokens: Positions.
        frozen: Lower layers that keep their weights.
        family: "ours" (`nn.transformer`), or "bert" for the library's own `BertModel`.
    """

    start: str = ""
    vocab: int = 30_522
    width: int = 384
    depth: int = 6
    heads: int = 12
    hidden: int = 1536
    max_tokens: int = 512
    frozen: int = 0
    family: Literal["ours", "bert"] = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSettings:
    """The cross-encoder.

    Args:
        encoder: Its encoder.
        readout: See `model.CrossEncoder`; "library" is a sequence classifier of transformers.
        hidden: Of its pair head.
        folds: Parts of the training pairs; each is scored by a teacher that has not seen it.
        batch: Pairs per step.
        epochs: Passes over the pairs, of the teacher and of each fold's.
        learning_rate: The highest.
    """

    encoder: EncoderSettings
    readout: Literal["segments", "first", "library"] = "segments"
    hidden: int = 256
    folds: int = 2
    batch: int = 32
    epochs: int = 2
    learning_rate: float = 3e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one arm.

    Args:
        arm: Name in the report.
        world: Which pairs.
        role: What the arm is: a student, the teacher itself, or the timing bench.
        encoder: The student's.
        teacher: The teacher's.
        top: Layers that are pooled side by side.
        skip_cls: Leave the first token out of the pooling.
        projection: Width of a linear map on top of the vectors; 0 for none.
        head: The pair head.
        hidden: Its hidden layer.
        distance: How student and teacher are compared.
        alpha: Weight of the teacher: 0 labels only, 1 teacher only.
        temperature: Of the distance "kl".
        labelled: How many training pairs keep their labels; 0 keeps all.
        taught: Pairs without a label are used through the teacher's logits.
        unlabelled: Further pairs that have only the teacher's logits.
        batch: Pairs per step (twice as many texts).
        steps: Optimiser steps.
        learning_rate: The highest.
        pairs: Pairs of a made world: training, test.
        storage: Measure smaller copies of the vectors, and a shortlist by cosine.
        probes: Measure what logistic regression makes of the frozen vectors.
        dev: Measure on the development pairs, as is done to choose settings.
        fast_matmul: Matrix products in bfloat16 during training; losses stay in float32.
        attention: Which of torch's kernels training takes, the same mathematics: on a CPU the
            plain one is twice as fast, because of the fused one's backward pass.
        seed_shift: Added to the seeds of the preset. A second look takes fresh ones.
    """

    arm: str
    world: World = "sick"
    role: Role = "student"
    encoder: EncoderSettings
    teacher: TeacherSettings
    top: int = 4
    skip_cls: bool = True
    projection: int = 0
    head: HeadKind = "compare"
    hidden: int = 256
    distance: Distance = "logit_mse"
    alpha: float = 0.5
    temperature: float = 2.0
    labelled: int = 0
    taught: bool = False
    unlabelled: int = 0
    batch: int = 64
    steps: int = 210
    learning_rate: float = 1e-3
    pairs: tuple[int, ...] = field(default=(6000, 2000))
    storage: bool = False
    probes: bool = False
    dev: bool = False
    fast_matmul: bool = True
    attention: Attention = "fused"
    seed_shift: int = 0


def presets() -> dict[str, Preset]:
    """Return smoke, laptop and paper."""
    return {"smoke": _smoke(), "laptop": _laptop(), "paper": _paper()}


MINILM = EncoderSettings(start="all-minilm-l6-v2", frozen=6)
#: One of 60 words and 3 special tokens each; see `world`.
GRAMMAR = EncoderSettings(vocab=64, width=64, depth=2, heads=4, hidden=128, max_tokens=24)


def _laptop() -> Preset:
    teacher = TeacherSettings(encoder=replace(MINILM, frozen=4))
    dse = Recipe(arm="dse", encoder=MINILM, teacher=teacher)
    labels = replace(dse, arm="labels", alpha=0.0)
    cosine = replace(labels, arm="cosine", head="cosine", projection=384)
    scratch = EncoderSettings(width=128, depth=4, heads=4, hidden=512)
    plain = replace(cosine, projection=0, top=1, skip_cls=False, learning_rate=0.02)
    return Preset(
        arms=(
            replace(dse, arm="teacher", role="teacher", steps=280),
            replace(dse, arm="timing", role="timing", steps=0),
            labels,
            cosine,
            replace(plain, arm="frozen_cosine"),
            replace(labels, arm="labels_500", labelled=500, steps=70),
            replace(dse, storage=True),
            replace(dse, arm="dse_teacher_only", alpha=1.0),
            replace(dse, arm="dse_kl", distance="kl"),
            replace(dse, arm="dse_margin", distance="margin_mse"),
            replace(dse, arm="dse_unlabelled", unlabelled=4500, batch=128),
            replace(dse, arm="dse_500", labelled=500, taught=True),
            replace(dse, arm="dse_scratch", encoder=scratch),
            *_grammar(),
            *_second_look(dse),
            *_stsb(dse),
        ),
        seeds=(1, 2, 3, 4, 5),
        pilot_seed=0,
    )


def _second_look(dse: Recipe) -> tuple[Recipe, ...]:
    """Return SICK once more, on seeds 11 to 15: more folds, and students that are tuned.

    A tuned student trains the upper layer of its encoder.
    """
    fresh = replace(dse, teacher=replace(dse.teacher, folds=5), attention="plain", seed_shift=10)
    labels = replace(fresh, arm="again_labels", alpha=0.0)
    tuned = replace(fresh, arm="again_dse_tuned", encoder=replace(MINILM, frozen=5), probes=True)
    start = replace(labels, head="cosine", top=1, skip_cls=False, learning_rate=0.02, probes=True)
    return (
        labels,
        replace(fresh, arm="again_dse", probes=True),
        replace(fresh, arm="again_dse_kl", distance="kl"),
        replace(tuned, arm="again_labels_tuned", alpha=0.0),
        tuned,
        replace(start, arm="start"),
    )


def _stsb(dse: Recipe) -> tuple[Recipe, ...]:
    """Return the view on the STS benchmark, with the settings that were chosen on SICK."""
    fresh = replace(
        dse,
        world="stsb",
        teacher=replace(dse.teacher, folds=3),
        attention="plain",
        seed_shift=10,
        steps=267,
    )
    labels = replace(fresh, arm="stsb_labels", alpha=0.0)
    tuned = replace(fresh, arm="stsb_dse_tuned", encoder=replace(MINILM, frozen=5))
    return (
        replace(fresh, arm="stsb_teacher", role="teacher", steps=358),
        labels,
        replace(fresh, arm="stsb_dse"),
        replace(tuned, arm="stsb_labels_tuned", alpha=0.0),
        tuned,
        replace(labels, arm="stsb_start", head="cosine", top=1, skip_cls=False, learning_rate=0.02),
    )


def _grammar() -> tuple[Recipe, ...]:
    teacher = TeacherSettings(encoder=GRAMMAR, hidden=64, batch=64, epochs=4, learning_rate=2e-3)
    dse = Recipe(
        arm="grammar_dse",
        world="grammar",
        encoder=GRAMMAR,
        teacher=teacher,
        top=2,
        hidden=64,
        steps=500,
        learning_rate=2e-3,
        fast_matmul=False,
    )
    cosine = replace(dse, arm="grammar_cosine", head="cosine", alpha=0.0, steps=300)
    cross = replace(dse, arm="grammar_teacher", role="teacher", steps=372)
    return (cross, cosine, dse)


def _smoke() -> Preset:
    tiny = EncoderSettings(vocab=64, width=16, depth=2, heads=2, hidden=32, max_tokens=24)
    teacher = TeacherSettings(encoder=tiny, hidden=8, batch=16, epochs=1, learning_rate=1e-3)
    dse = Recipe(
        arm="dse",
        world="grammar",
        encoder=tiny,
        teacher=teacher,
        top=2,
        hidden=8,
        batch=16,
        steps=6,
        pairs=(64, 40),
        fast_matmul=False,
    )
    return Preset(
        arms=(
            replace(dse, arm="teacher", role="teacher", steps=4),
            replace(dse, arm="labels", alpha=0.0),
            dse,
            replace(dse, arm="dse_kl", distance="kl"),
            replace(dse, arm="dse_margin", distance="margin_mse"),
            replace(dse, arm="dse_upper", encoder=replace(tiny, frozen=1)),
            replace(dse, arm="cosine", alpha=0.0, head="cosine", projection=8),
            replace(dse, arm="dse_few", labelled=16, taught=True),
            replace(dse, arm="timing", role="timing", steps=0),
        ),
        seeds=(1, 2),
    )


def _paper() -> Preset:
    large = EncoderSettings(
        start="bert-large-uncased-whole-word-masking",
        width=1024,
        depth=24,
        heads=16,
        hidden=4096,
        family="bert",
    )
    teacher = TeacherSettings(
        encoder=large, readout="library", folds=1, batch=64, epochs=3, learning_rate=2e-5
    )
    dse = Recipe(
        arm="dse",
        world="mnli",
        encoder=large,
        teacher=teacher,
        batch=32,
        hidden=512,
        steps=8 * 392_702 // 32,
        learning_rate=2e-5,
    )
    return Preset(
        arms=(
            replace(dse, arm="teacher", role="teacher", steps=3 * 392_702 // 64, batch=64),
            dse,
            replace(dse, arm="labels", alpha=0.0),
        ),
        seeds=(42,),
        needs="one GPU of 24 GB; MNLI; the weights of bert-large-uncased-whole-word-masking",
    )
