"""Ask every arm the same questions, one after the other, and keep each cell as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _filtered_arms import Arm, Asked, Ours, checked
from _filtered_worlds import World
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.retrieval.filtered_ann.cells import Asker, Cell, Question
from broadsheet.systems.retrieval.filtered_ann.interface import evaluate
from broadsheet.systems.retrieval.filtered_ann.oracle import SPARE, Truth, exact_answers

Floats = npt.NDArray[np.float64]

#: An arm that misses more than this after `LEAST` questions is asked no more.
HOPELESS, LEAST = 0.8, 60
#: One that is so many times over its seconds stops before that, after `FEWEST`.
SLOW, FEWEST = 5, 15
_CHUNK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask.

    Args:
        cells: Which cells.
        ks: Neighbours wanted.
        questions: Questions per cell.
        arm_seconds: CPU seconds after which an arm is asked no more in a cell.
        seed: Chooses the questions.
    """

    cells: tuple[Cell, ...]
    ks: tuple[int, ...]
    questions: int
    arm_seconds: float
    seed: int

    def done_by(self, lines: Sequence[dict[str, Any]]) -> bool:
        """Tell whether the lines hold every cell."""
        have = {(line["cell"], line["k"]) for line in lines}
        return all((cell.name, k) in have for cell in self.cells for k in self.ks)


@dataclass(slots=True)
class Tally:
    """What one arm did in one cell, question by question; -1 where it was not asked."""

    search_us: list[float] = field(default_factory=list)
    prepare_us: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    paths: dict[str, int] = field(default_factory=dict)
    work: list[tuple[int, int, int]] = field(default_factory=list)

    def goes_on(self, seconds: float) -> bool:
        spent = sum(self.search_us) / 1e6
        if len(self.recall) < LEAST:
            return len(self.recall) < FEWEST or spent < SLOW * seconds
        return spent < seconds and float(np.mean(self.recall)) >= HOPELESS


#: Evaluates a predicate for an arm and gives its filter; tells the CPU seconds it took.
Evaluate = Callable[[Arm, Asked], tuple[Any, float]]


def run_cells(
    world: World,
    arms: Sequence[Arm],
    plan: Plan,
    lines: Path,
    evaluated: Evaluate,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Ask all cells that the file of lines does not hold yet; return all its lines."""
    done = read_lines(lines)
    have = {(line["cell"], line["k"]) for line in done}
    todo = [cell for cell in plan.cells if any((cell.name, k) not in have for k in plan.ks)]
    if not todo:
        return done
    asker = Asker(
        world.vectors,
        world.attributes,
        world.queries,
        world.asking,
        world.single,
        SeedTree(plan.seed).child(world.name),
    )
    advance = progress.start("asking", len(todo) * plan.questions, "questions")
    for cell in todo:
        questions = asker.ask(cell, plan.questions)
        for line in _run_cell(world, arms, plan, cell, questions, evaluated, advance):
            done.append(line)
            with lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    return done


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read what is there; a line cut short by an interrupt is dropped."""
    found = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(text))
            except json.JSONDecodeError:
                continue
    return found


def _run_cell(
    world: World,
    arms: Sequence[Arm],
    plan: Plan,
    cell: Cell,
    questions: Sequence[Question],
    evaluated: Evaluate,
    advance: Callable[[int], None],
) -> list[dict[str, Any]]:
    draw = np.random.default_rng(plan.seed)
    tallies = {(arm.name, k): Tally() for arm in arms for k in plan.ks}
    truths: list[Truth] = []
    for begin in range(0, len(questions), _CHUNK):
        chunk = questions[begin : begin + _CHUNK]
        masks = [evaluate(one.predicate, world.attributes) for one in chunk]
        queries = np.ascontiguousarray(world.queries[[one.query for one in chunk]])
        answers = list(
            exact_answers(
                world.vectors,
                queries,
                masks,
                keep=max(plan.ks) + SPARE,
                seeds=SeedTree(plan.seed).child(cell.name, begin),
            )
        )
        truths += answers
        if begin == 0:
            for arm in arms:
                _warm(arm, Asked(chunk[0].predicate, masks[0]), queries[0], plan.ks)
        for k in plan.ks:  # not one after the other: a second search would find its rows in cache
            for place, one in enumerate(chunk):
                asked = Asked(one.predicate, masks[place])
                for index in draw.permutation(len(arms)):
                    tally = tallies[arms[index].name, k]
                    if tally.goes_on(plan.arm_seconds):
                        _ask(
                            arms[index], asked, queries[place], k, answers[place], tally, evaluated
                        )
        advance(len(chunk))
    return [_line(world, cell, k, arms, questions, truths, tallies) for k in plan.ks]


def _warm(arm: Arm, asked: Asked, query: npt.NDArray[np.float32], ks: Sequence[int]) -> None:
    handle = arm.prepare(asked)
    for k in ks:
        arm.search(query, handle, k)


def _ask(
    arm: Arm,
    asked: Asked,
    query: npt.NDArray[np.float32],
    k: int,
    truth: Truth,
    tally: Tally,
    evaluated: Evaluate,
) -> None:
    handle, prepared = evaluated(arm, asked)
    begun = arm.clock()
    found = arm.search(query, handle, k)
    spent = arm.clock() - begun
    tally.search_us.append(round(1e6 * spent, 2))
    tally.prepare_us.append(round(1e6 * prepared, 2))
    tally.recall.append(round(truth.recall(checked(arm, found, asked.mask, k), k), 4))
    if isinstance(arm, Ours):
        plan = arm.found.plan
        tally.paths[plan.path] = tally.paths.get(plan.path, 0) + 1
        tally.work.append((int(plan.codes), int(plan.reranked), int(plan.exact)))


def _line(
    world: World,
    cell: Cell,
    k: int,
    arms: Sequence[Arm],
    questions: Sequence[Question],
    truths: Sequence[Truth],
    tallies: dict[tuple[str, int], Tally],
) -> dict[str, Any]:
    return {
        "world": world.name,
        "cell": cell.name,
        "k": k,
        "questions": len(questions),
        "own": [int(one.own) for one in questions],
        "matches": [one.matches for one in truths],
        "correlation": [round(one.correlation, 4) for one in truths],
        "arms": {
            arm.name: {
                "engine": arm.engine,
                "evaluates": arm.evaluates,
                "search_us": tallies[arm.name, k].search_us,
                "prepare_us": tallies[arm.name, k].prepare_us,
                "recall": tallies[arm.name, k].recall,
                "paths": tallies[arm.name, k].paths,
                "work": [round(float(x), 1) for x in np.mean(tallies[arm.name, k].work, axis=0)]
                if tallies[arm.name, k].work
                else [],
            }
            for arm in arms
        },
    }
