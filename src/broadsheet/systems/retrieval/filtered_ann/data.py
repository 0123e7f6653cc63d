"""The world of a run: rows, attributes, and the questions of every cell with exact answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import NotFound
from broadsheet.core.seeds import SeedTree
from broadsheet.data.files import json_lines
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.data.worlds.paper_attributes import SINGLE
from broadsheet.data.worlds.papers import PaperSpec, PaperWorld
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.filtered_ann.cells import Asker, Question, cell_named
from broadsheet.systems.retrieval.filtered_ann.interface import Mask, Vectors, evaluate
from broadsheet.systems.retrieval.filtered_ann.oracle import SPARE, Truth, exact_answers
from broadsheet.systems.retrieval.filtered_ann.readers import (
    predicate_of,
    read_attributes,
    read_fvecs,
)
from broadsheet.systems.retrieval.filtered_ann.recipe import Recipe


@dataclass(frozen=True, slots=True)
class CellQuestions:
    """The questions of a cell.

    Args:
        name: Of the cell.
        questions: Who asks, and the predicate.
        masks: The rows that satisfy each, packed into bits.
        truths: The exact answers.
        rows: How many rows there are.
    """

    name: str
    questions: tuple[Question, ...]
    masks: tuple[npt.NDArray[np.uint8], ...]
    truths: tuple[Truth, ...]
    rows: int

    def mask(self, place: int) -> Mask:
        """Return the mask of a question."""
        return np.unpackbits(self.masks[place], count=self.rows).view(np.bool_)


@dataclass(frozen=True, slots=True)
class FilteredWorld:
    """Rows to search and questions to ask.

    Args:
        vectors: [n, d].
        attributes: Of the rows.
        queries: [q, d].
        cells: The questions; none for builds.
        seeds: Of this world.
    """

    vectors: Vectors
    attributes: Attributes
    queries: Vectors
    cells: tuple[CellQuestions, ...]
    seeds: SeedTree


def read_world(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> FilteredWorld:
    """Make the papers of a seed, or read a data set, and answer all questions exactly.

    Raises:
        NotFound: The data set is not among the inputs.
    """
    world_seeds = seeds.child("world")
    if recipe.source != "papers":
        return _read_folder(recipe, world_seeds, workspace)
    world = PaperWorld(PaperSpec(dim=recipe.dim), world_seeds)
    papers = world.papers(recipe.rows, progress=workspace.progress)
    if recipe.role == "builds":
        return FilteredWorld(papers.vectors, papers.attributes, papers.vectors[:0], (), world_seeds)
    asking = world.papers(max(1000, 4 * recipe.questions), part="queries")
    asker = Asker(
        papers.vectors, papers.attributes, asking.vectors, asking.attributes, SINGLE,
        world_seeds.child("questions"),
    )  # fmt: skip
    cells = tuple(
        answered(
            name,
            asker.ask(cell_named(name), recipe.questions),
            papers.vectors,
            papers.attributes,
            asking.vectors,
            recipe.k,
            world_seeds.child("truth", name),
        )
        for name in recipe.cells
    )
    return FilteredWorld(papers.vectors, papers.attributes, asking.vectors, cells, world_seeds)


def answered(
    name: str,
    questions: Sequence[Question],
    vectors: Vectors,
    attributes: Attributes,
    queries: Vectors,
    k: int,
    seeds: SeedTree,
) -> CellQuestions:
    """Return a cell with the exact answers of its questions."""
    masks = [evaluate(one.predicate, attributes) for one in questions]
    asking = np.ascontiguousarray(queries[[one.query for one in questions]])
    truths = tuple(exact_answers(vectors, asking, masks, keep=k + SPARE, seeds=seeds))
    packed = tuple(np.packbits(mask) for mask in masks)
    return CellQuestions(name, tuple(questions), packed, truths, len(vectors))


def _read_folder(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> FilteredWorld:
    folder = (workspace.inputs or Path()) / recipe.source
    if workspace.inputs is None or not folder.is_dir():
        raise NotFound(
            "the data set is not here", received=recipe.source, hint="--data FOLDER holds it"
        )
    vectors = read_fvecs(folder / "database_vectors.fvecs")[: recipe.rows]
    attributes = read_attributes(folder / "database_attributes.jsonl")
    queries = read_fvecs(folder / "query_vectors.fvecs")
    cells = []
    for name in recipe.cells:
        path = folder / f"{name.lower()}_query_attributes.jsonl"
        lines = [data for _, data in json_lines(path)][: recipe.questions]
        questions = [Question(row, predicate_of(line), False) for row, line in enumerate(lines)]
        cells.append(
            answered(name, questions, vectors, attributes, queries, recipe.k, seeds.child(name))
        )
    return FilteredWorld(vectors, attributes, queries, tuple(cells), seeds)
