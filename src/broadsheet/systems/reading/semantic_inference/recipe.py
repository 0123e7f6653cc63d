"""Presets: what is compared (arms), how large, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from broadsheet.systems.reading.semantic_inference.guided import GuidedShape
from broadsheet.systems.reading.semantic_inference.masks import ROLES, Mode
from broadsheet.systems.reading.semantic_inference.model import VerifierShape
from broadsheet.systems.reading.semantic_inference.world import WorldSettings
from broadsheet.train.optimiser import TrainSettings

Part = Literal["verify", "phrases", "roles"]
Source = Literal["world", "liar", "sick", "multifc"]
Control = Literal["none", "guided", "random", "borrowed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """Claim verification.

    Args:
        source: What is verified. sick: a sentence is the claim, its partner the one passage.
        texts: The text encoder: cnn, bilstm, or ready vectors.
        vectors: Of ready vectors: see `vectors.encode`.
        project: Ready vectors go through a linear map of this width; 0 for none.
        embed: Length of a word's vector (cnn, bilstm).
        filters: Of each width of the cnn; half the states of the bilstm.
        widths: Kernel widths of the cnn.
        shape: The model behind the text encoder.
        metadata: Filters of the metadata encoder; 0 leaves metadata out.
        world: Sizes of the made world.
        passages: Most passages of a claim.
        max_tokens: Where texts are cut (cnn, bilstm).
        folds: Parts of the claims that are tested in turn; 0 where the data are split.
        dev: Measure on the development part instead of the test part, to choose settings.
        limit: Most claims that are read; 0 for all.
        batch: Claims per step.
        power: See `model.sample_domains`.
        train: Steps and rate (of each fold).
    """

    source: Source = "world"
    texts: Literal["cnn", "bilstm", "vectors"] = "cnn"
    vectors: str = ""
    project: int = 0
    embed: int = 64
    filters: int = 32
    widths: tuple[int, ...] = (1, 2, 3)
    shape: VerifierShape = field(default_factory=VerifierShape)
    metadata: int = 0
    world: WorldSettings = field(default_factory=WorldSettings)
    passages: int = 10
    max_tokens: int = 24
    folds: int = 0
    dev: bool = False
    limit: int = 0
    batch: int = 64
    power: float = 0.5
    train: TrainSettings = field(
        default_factory=lambda: TrainSettings(steps=600, learning_rate=3e-3)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSettings:
    """Role-guided attention.

    Args:
        tasks: Sentence sets: trec, subj, mr; or "made", which needs no files.
        words: Word vectors, see `vectors.encode`.
        roles: Head i plays role i.
        control: guided: the sentence's own masks; random: as dense, drawn at random; borrowed:
            those of another sentence; none: no guided head.
        mode: fixed or official, see `masks`.
        shape: The encoder; its `inputs` and `roles` follow from `words` and `roles`.
        train_size: Sentences to learn from in each set; 0 for all.
        test_size: Sentences to measure on in the sets that have no test part.
        dev: Measure on a tenth of the training sentences instead of the test part.
        max_words: Where sentences are cut.
        batch: Sentences per step.
        train: Steps and rate, of each set.
    """

    tasks: tuple[str, ...] = ("trec", "subj", "mr")
    words: str = "home:wordllama-256"
    roles: tuple[str, ...] = ROLES
    control: Control = "guided"
    mode: Mode = "fixed"
    shape: GuidedShape = field(default_factory=GuidedShape)
    train_size: int = 3000
    test_size: int = 2000
    dev: bool = False
    max_words: int = 48
    batch: int = 64
    train: TrainSettings = field(
        default_factory=lambda: TrainSettings(steps=250, learning_rate=1e-3)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseSettings:
    """Compositionality of phrases.

    Args:
        words: Word vectors, see `vectors.encode`.
        sentences: Sentence encoders whose vectors judge noun compounds.
        context: Whether the words around the phrase count.
        graph: Whether its neighbours in WordNet count.
        window: Words on each side of the phrase that make its context.
        made: Take made phrases instead of files.
        wordnet: Folder of WordNet's dictionary files.
    """

    words: str = "home:wordllama-256"
    sentences: tuple[str, ...] = ()
    context: bool = True
    graph: bool = True
    window: int = 10
    made: bool = False
    wordnet: str = "/usr/share/wordnet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one arm.

    Args:
        arm: Its name in the report.
        part: Which of the three parts of the thesis it belongs to.
        verify: Settings of claim verification; only used there.
        roles: Settings of role-guided attention.
        phrases: Settings of compositionality.
    """

    arm: str
    part: Part
    verify: VerifySettings = field(default_factory=VerifySettings)
    roles: RoleSettings = field(default_factory=RoleSettings)
    phrases: PhraseSettings = field(default_factory=PhraseSettings)
