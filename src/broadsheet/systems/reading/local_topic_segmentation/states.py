"""The models of an arm, built with fresh weights.

Legend: see `model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import nn

from broadsheet.core.seeds import SeedTree
from broadsheet.data.manual_pages import PAGE_SECTIONS
from broadsheet.data.segmentation import ROLES
from broadsheet.systems.reading.local_topic_segmentation.data import Part
from broadsheet.systems.reading.local_topic_segmentation.encoders import (
    TransformerTower,
    WordTower,
    make_tower,
)
from broadsheet.systems.reading.local_topic_segmentation.model import JointModel, Tagger
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe
from broadsheet.systems.reading.local_topic_segmentation.sources import (
    CrossSource,
    SiameseSource,
    Source,
    StoredSource,
)
from broadsheet.systems.reading.local_topic_segmentation.world import TOPICS

#: Classes of each world (of WikiSection, its English cities).
CLASSES = {
    "csabstruct": len(ROLES),
    "manual": len(PAGE_SECTIONS),
    "made": len(TOPICS),
    "wikisection": 30,
    "wiki": 0,
    "choi": 0,
}


@dataclass(slots=True)
class State:
    """The models of an arm: heads and perhaps an encoder, a tagger, or nothing.

    Args:
        recipe: What they were built for.
        module: All of them.
        seeds: What rivals that are drawn are drawn with.
    """

    recipe: Recipe
    module: nn.Module
    seeds: SeedTree

    @property
    def joint(self) -> JointModel:
        """Return shared layer and heads."""
        return cast(JointModel, self.module.get_submodule("joint"))

    @property
    def tagger(self) -> Tagger:
        """Return the tagger."""
        return cast(Tagger, self.module.get_submodule("tagger"))

    @property
    def tower(self) -> TransformerTower | WordTower | None:
        """Return the encoder of arms that have no stored vectors."""
        if self.recipe.role != "joint" or self.recipe.encoder.kind == "stored":
            return None
        return cast("TransformerTower | WordTower", self.module.get_submodule("tower"))

    def trained(self) -> nn.Module:
        """Return everything that has a gradient."""
        if not isinstance(self.tower, TransformerTower):
            return self.module
        return nn.ModuleDict({"tower": self.tower.trained(), "joint": self.joint})

    def source(self, part: Part) -> Source:
        """Return what gives the vectors of pairs of a split."""
        tower = self.tower
        if tower is None:
            return StoredSource(part.vectors, part.units, self.recipe.context)
        if self.recipe.encoder.kind == "cross" and isinstance(tower, TransformerTower):
            return CrossSource(tower, part.tokens)
        return SiameseSource(tower, part.tokens)


def make_state(recipe: Recipe, seeds: SeedTree) -> State:
    """Return the arm's models with fresh weights."""
    classes = CLASSES[recipe.world]
    if recipe.role == "rivals":
        return State(recipe, nn.ModuleDict(), seeds)
    if recipe.role == "tagger":
        generator = seeds.child("tagger").torch()
        tagger = Tagger(recipe.encoder.width, recipe.head, classes, recipe.dropout, generator)
        return State(recipe, nn.ModuleDict({"tagger": tagger}), seeds)
    width = recipe.encoder.width * (3 if recipe.context else 1)
    joint = JointModel(
        width,
        recipe.shared,
        recipe.head,
        classes,
        tuple(recipe.tasks.split("+")),
        recipe.feature,
        recipe.dropout,
        seeds.child("heads").torch(),
    )
    parts: dict[str, nn.Module] = {"joint": joint}
    if recipe.encoder.kind != "stored":
        parts["tower"] = make_tower(recipe.encoder, seeds)
    return State(recipe, nn.ModuleDict(parts), seeds)
