"""2D Matryoshka: train one encoder for every depth and size, and compare it with what it replaces.

The arms share weights at the start, batches, optimiser and tests; only the objective differs
(`model.py`), or, for the dedicated models, the number of layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import default_cache
from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.export.transformer import Facts, export_encoder
from broadsheet.nn.pretrained import load_backbone
from broadsheet.runtime.artefact import Artefact
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.text.matryoshka_2d.corpus import Corpus
from broadsheet.systems.text.matryoshka_2d.data import read_corpus
from broadsheet.systems.text.matryoshka_2d.encoder import ElasticState, build_encoder, start_from
from broadsheet.systems.text.matryoshka_2d.evaluation import CLAIMED_LAYERS, observe
from broadsheet.systems.text.matryoshka_2d.recipe import Recipe, all_presets
from broadsheet.systems.text.matryoshka_2d.training import loss_function
from broadsheet.train.loop import train

#: Terms of what was trained, by its data; none of it ships with the application.
LICENCES = {
    "sts": "Apache-2.0 weights, tuned on STS-B and SICK (CC BY-NC-SA 3.0): not for commercial use",
    "debian": "trained on Debian package descriptions, which come under each package's own terms",
    "grammar": "made here",
    "nli": "Apache-2.0 weights, tuned on SNLI and MultiNLI",
}


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return all_presets()


def build(recipe: Recipe, seeds: SeedTree) -> ElasticState:
    """Return an encoder of the recipe's shape; pretrained weights come with `fit`."""
    return ElasticState(build_encoder(recipe, seeds), recipe)


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Corpus:
    """Return training pairs and tests as token ids."""
    return read_corpus(recipe, seeds, workspace)


def fit(
    state: ElasticState, data: Corpus, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> None:
    """Start from the pretrained weights, if there are any, and train on the arm's objective."""
    if recipe.start != "nothing":
        weights, _ = load_backbone(recipe.start, default_cache() / "backbones", workspace.progress)
        start_from(state.encoder, weights.state_dict())
    sentence = state.with_tokenizer(data.tokenizer)
    loss_at = loss_function(sentence, data.training, recipe, seeds)
    train(
        state.module,
        loss_at,
        recipe.train.settings(),
        seeds,
        folder=workspace.run,
        progress=workspace.progress,
    )


def evaluate(
    state: ElasticState, data: Corpus, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Measure all depths and sizes in one pass over the tests."""
    return list(observe(state.with_tokenizer(data.tokenizer), data, recipe))


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and draw the grids."""
    from broadsheet.systems.text.matryoshka_2d.reporting import make_report

    return make_report(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return how many optimiser steps `fit` takes."""
    return recipe.train.steps


def export(state: ElasticState, folder: Path) -> Artefact:
    """Write a trained encoder as an int8 artefact that stops after any of the claimed layers.

    Raises:
        BadInput: The state was not fitted, or the artefact does not answer as the encoder does.
    """
    if state.sentence is None:
        raise BadInput("an encoder is exported after it was fitted", received=state.recipe.arm)
    depth = state.sentence.depth
    return export_encoder(
        state.sentence,
        folder,
        Facts(
            id=state.recipe.arm,
            licence=LICENCES[state.recipe.source],
            base_model=state.recipe.start,
            provenance={"system": "matryoshka_2d", "arm": state.recipe.arm},
            notes=("Cut vectors to any size and scale them to length 1 again.",),
        ),
        exits=(depth, *(layers for layers in CLAIMED_LAYERS if layers < depth)),
    )


def paper_parameters() -> int:
    """Return the parameters of BERT base without its pooler, the paper's encoder."""
    return 108_891_648
