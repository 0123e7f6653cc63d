"""Predicates to ask with: a cell is a kind of filter and the share of the rows that it lets pass.

Half of a cell's predicates hold for the paper that asks (its own venue, a window around its hour),
half don't look at it, so positive, missing and negative correlation of query and filter are mixed.
A cell `NEG` asks for what lies farthest away: of the labels of the wanted frequency the one whose
rows point away from the query most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import MISSING, Attributes
from broadsheet.index.predicates import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Between,
    Contains,
    Not,
    Predicate,
)
from broadsheet.systems.retrieval.filtered_ann.interface import Vectors, evaluate

Kind = Literal["ALL", "EM", "R", "EMIS", "AND", "OR", "NOT", "NEG"]
Label = tuple[str, str]

#: How far a label's frequency may be from the wanted share, and from one above a quarter.
_BAND, _NARROW = (0.6, 1.6), (0.8, 1.25)
_FAR_CANDIDATES, _FAR_SAMPLE = 200, 200


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of filter and its share of the rows.

    Example:
        >>> Cell("EM", 0.001).name
        'EM 0.1%'
    """

    kind: Kind
    share: float

    @property
    def name(self) -> str:
        """Return the cell's name in tables."""
        return f"{self.kind} {100 * self.share:g}%"


_SHARES = (0.5, 0.1, 0.01, 0.001, 0.0001)
CELLS: tuple[Cell, ...] = (
    Cell("ALL", 1.0),
    *(Cell(kind, share) for kind in ("EM", "R", "EMIS") for share in _SHARES),
    Cell("AND", 0.01),
    Cell("AND", 0.001),
    Cell("OR", 0.1),
    Cell("OR", 0.01),
    Cell("NOT", 0.9),
    Cell("NOT", 0.5),
    Cell("NEG", 0.1),
    Cell("NEG", 0.01),
)


def cell_named(name: str) -> Cell:
    """Return a cell by its name.

    Raises:
        BadInput: There is none.
    """
    for cell in CELLS:
        if cell.name == name:
            return cell
    raise BadInput("unknown cell", received=name, hint=", ".join(cell.name for cell in CELLS))


@dataclass(frozen=True, slots=True)
class Question:
    """A query and its predicate.

    Args:
        query: Row of the queries.
        predicate: What the answers must satisfy.
        own: The predicate was made from the asking paper's own values.
    """

    query: int
    predicate: Predicate
    own: bool


class Asker:
    """Makes the questions of cells for the rows of a world.

    Args:
        vectors: [n, d], the rows.
        attributes: Of the rows.
        queries: [q, d].
        asking: Attributes of the queries.
        single: Label attributes with at most one label a row; the others are sets.
        seeds: Where the choices come from.
    """

    def __init__(
        self,
        vectors: Vectors,
        attributes: Attributes,
        queries: Vectors,
        asking: Attributes,
        single: Sequence[str],
        seeds: SeedTree,
    ) -> None:
        self._vectors, self._attributes = vectors, attributes
        self._queries, self._asking = queries, asking
        self._seeds = seeds
        self._names = {
            "EM": [name for name in attributes.labels if name in single],
            "EMIS": [name for name in attributes.labels if name not in single],
        }
        self._shares = {
            name: labels.frequencies() / max(attributes.rows, 1)
            for name, labels in attributes.labels.items()
        }
        self._sorted = {
            name: np.sort(column[column != MISSING]) for name, column in attributes.numbers.items()
        }
        self._number = next(iter(self._sorted), "")
        self._bands: dict[tuple[str, float], list[Label]] = {}
        self._rows: dict[Label, npt.NDArray[np.int64]] = {}

    def ask(self, cell: Cell, count: int) -> list[Question]:
        """Return `count` questions of a cell, asked by different papers as far as they last."""
        draw = self._seeds.child(cell.name).numpy()
        order = draw.permutation(len(self._queries))
        if cell.kind == "ALL":
            asking = np.resize(order, count)
            return [Question(int(query), EVERYTHING, False) for query in asking]
        if cell.kind == "NEG":
            far = self._far_labels(cell.share, draw)
            return [self._farthest(int(query), far) for query in np.resize(order, count)]
        questions: list[Question] = []
        others: list[int] = []
        for query in map(int, order):
            made = self._made(cell, query, own=True, draw=draw)
            if made is not None and len(questions) < (count + 1) // 2:
                questions.append(Question(query, made, True))
            else:
                others.append(query)
        for query in np.resize(np.array(others or [0]), count - len(questions)):
            made = self._made(cell, int(query), own=False, draw=draw)
            questions.append(Question(int(query), made or EVERYTHING, False))
        return [questions[place] for place in draw.permutation(count)]

    def _made(
        self, cell: Cell, query: int, *, own: bool, draw: np.random.Generator
    ) -> Predicate | None:
        """Return a predicate; None when the paper has no value of its own of that frequency."""
        share = cell.share
        match cell.kind:
            case "EM" | "EMIS":
                return self._contains(cell.kind, share, query, own, draw)
            case "R":
                return self._window(self._sorted[self._number], share, query, own, draw)
            case "AND":
                return self._both(share, query, own, draw)
            case "OR":
                parts = [
                    self._contains(kind, share / 3, query, own and kind == "EMIS", draw)
                    for kind in ("EMIS", "EMIS", "EM")
                ]
                return None if None in parts else AnyOf(tuple(part for part in parts if part))
            case _:
                return self._all_but(share, query, own, draw)

    def _contains(
        self, kind: str, share: float, query: int, own: bool, draw: np.random.Generator
    ) -> Predicate | None:
        band = self._band(kind, share)
        if own:
            mine = {
                (name, label)
                for name in self._names[kind]
                for label in self._asking.labels[name].row(query)
            }
            band = [label for label in band if label in mine]
            if not band:
                return None
        return Contains(*band[int(draw.integers(len(band)))])

    def _all_but(
        self, share: float, query: int, own: bool, draw: np.random.Generator
    ) -> Predicate | None:
        """Return the negation of a label; `own` means that the asking paper hasn't got it."""
        found = self._contains("EMIS", 1.0 - share, query, False, draw)
        if not isinstance(found, Contains):
            return None
        has = found.value in self._asking.labels[found.name].row(query)
        return None if own and has else Not(found)

    def _both(
        self, share: float, query: int, own: bool, draw: np.random.Generator
    ) -> Predicate | None:
        """Return a label and a window of the number inside it."""
        label = self._contains("EMIS", 10 * share, query, own, draw)
        if not isinstance(label, Contains):
            return None
        rows = self._rows_of((label.name, label.value))
        values = np.sort(self._attributes.numbers[self._number][rows])
        inside = min(1.0, share * self._attributes.rows / len(rows))
        window = self._window(values, inside, query, own, draw)
        return None if window is None else AllOf((label, window))

    def _window(
        self,
        values: npt.NDArray[np.int64],
        share: float,
        query: int,
        own: bool,
        draw: np.random.Generator,
    ) -> Predicate | None:
        size = max(1, round(share * len(values)))
        latest = len(values) - size
        begin = int(draw.integers(0, latest + 1))
        if own:
            mine = int(self._asking.numbers[self._number][query])
            if mine == MISSING:
                return None
            place = int(np.searchsorted(values, mine))
            begin = int(np.clip(place - int(draw.integers(0, size)), 0, latest))
        return Between(self._number, int(values[begin]), int(values[begin + size - 1]))

    def _band(self, kind: str, share: float) -> list[Label]:
        """Return the labels whose frequency is near `share`; the nearest one if none is."""
        key = (kind, share)
        if key not in self._bands:
            names = self._names[kind]
            low, high = _NARROW if share > 0.25 else _BAND
            found = [
                (name, self._attributes.labels[name].values[code])
                for name in names
                for code in np.flatnonzero(
                    (self._shares[name] >= low * share) & (self._shares[name] <= high * share)
                )
            ]
            self._bands[key] = found or [self._nearest(names, share)]
        return self._bands[key]

    def _nearest(self, names: Sequence[str], share: float) -> Label:
        best, chosen = np.inf, ("", "")
        for name in names:
            gaps = np.abs(np.log(np.maximum(self._shares[name], 1e-12) / share))
            code = int(np.argmin(gaps))
            if gaps[code] < best:
                best, chosen = float(gaps[code]), (name, self._attributes.labels[name].values[code])
        return chosen

    def _far_labels(self, share: float, draw: np.random.Generator) -> tuple[list[Label], Vectors]:
        """Return labels of both kinds near this share, and the mean of some rows of each."""
        band = [*self._band("EMIS", share), *self._band("EM", share)]
        chosen = draw.permutation(len(band))[:_FAR_CANDIDATES]
        labels = [band[place] for place in chosen]
        means = []
        for label in labels:
            rows = self._rows_of(label)
            some = np.sort(draw.choice(rows, size=min(_FAR_SAMPLE, len(rows)), replace=False))
            means.append(self._vectors[some].mean(axis=0))
        return labels, np.stack(means)

    def _farthest(self, query: int, far: tuple[list[Label], Vectors]) -> Question:
        labels, means = far
        return Question(
            query, Contains(*labels[int(np.argmin(means @ self._queries[query]))]), False
        )

    def _rows_of(self, label: Label) -> npt.NDArray[np.int64]:
        if label not in self._rows:
            self._rows[label] = np.flatnonzero(evaluate(Contains(*label), self._attributes))
        return self._rows[label]
