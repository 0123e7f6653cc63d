"""Names beside what they name, without lying on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broadsheet.web.drawing.marks import LETTER, text_width

#: Least distance of two lines of text.
LINE = LETTER + 2.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that something covers."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)


@dataclass(frozen=True, slots=True)
class Label:
    """Where a text begins or ends, and how much of it lies on something else."""

    x: float
    y: float
    anchor: str
    box: Box
    covered: float


def spread_out(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Return places at least a line apart, near the wanted ones, inside low..high if they fit.

    Example:
        >>> spread_out([50.0, 52.0], 0.0, 100.0)
        [43.5, 58.5]
    """
    order = sorted(range(len(wanted)), key=lambda item: wanted[item])
    groups: list[tuple[list[int], float]] = []  # items of a block, and its middle
    for item in order:
        members, middle = [item], wanted[item]
        while groups and middle - (len(members) - 1) / 2 * LINE < _end(groups[-1]) + LINE:
            earlier, before = groups.pop()
            total = len(earlier) + len(members)
            middle = (before * len(earlier) + middle * len(members)) / total
            members = earlier + members
            half = (len(members) - 1) / 2 * LINE
            middle = max(low + half, min(high - half, middle))
        half = (len(members) - 1) / 2 * LINE
        groups.append((members, max(low + half, min(high - half, middle))))
    places = [0.0] * len(wanted)
    for members, middle in groups:
        for turn, item in enumerate(members):
            places[item] = middle + (turn - (len(members) - 1) / 2) * LINE
    return places


def _end(group: tuple[list[int], float]) -> float:
    members, middle = group
    return middle + (len(members) - 1) / 2 * LINE


def beside(text: str, x: float, y: float, taken: Sequence[Box], frame: Box) -> Label:
    """Return the best place for a name around a point: right of it, left, above, below."""
    width, gap = text_width(text), 9.0
    choices = [
        (x + gap, y + LETTER * 0.35, "start"),
        (x - gap, y + LETTER * 0.35, "end"),
        (x, y - gap, "middle"),
        (x, y + gap + LETTER * 0.7, "middle"),
        (x + gap, y - gap, "start"),
        (x + gap, y + gap + LETTER * 0.5, "start"),
        (x - gap, y - gap, "end"),
        (x - gap, y + gap + LETTER * 0.5, "end"),
    ]
    found: list[Label] = []
    for at_x, at_y, anchor in choices:
        left = at_x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        box = Box(left, at_y - LETTER * 0.8, left + width, at_y + LETTER * 0.25)
        area = width * LETTER * 1.05
        covered = sum(box.overlap(other) for other in taken) + area - box.overlap(frame)
        found.append(Label(at_x, at_y, anchor, box, round(covered, 1)))
    return min(found, key=lambda label: label.covered)  # the first of equals
