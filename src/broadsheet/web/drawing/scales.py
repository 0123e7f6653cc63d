"""From values to places: linear and logarithmic scales with round marks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

#: A scale of positive values becomes logarithmic when the largest is so many times the smallest.
LOG_FROM = 50.0

#: Marks wished for on an axis.
_MARKS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """Places values between `start` and `end`.

    Args:
        low: Value at `start`.
        high: Value at `end`.
        start: Place of `low`, in the drawing's units.
        end: Place of `high`; smaller than `start` where values grow upwards.
        marks: Round values to mark.
        log: Whether equal steps are equal ratios.

    Example:
        >>> scale = linear([0, 9], 0, 100)
        >>> scale.high, scale.at(5.0), scale.marks
        (10.0, 50.0, (0.0, 2.0, 4.0, 6.0, 8.0, 10.0))
    """

    low: float
    high: float
    start: float
    end: float
    marks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value."""
        low, high, here = self.low, self.high, value
        if self.log:
            low, high, here = math.log(low), math.log(high), math.log(value)
        return self.start + (here - low) / (high - low) * (self.end - self.start)


def fitting(values: Iterable[float], start: float, end: float) -> Scale:
    """Return a logarithmic scale for positive values that lie far apart, else a linear one."""
    known = list(values)
    if known and min(known) > 0 and max(known) / min(known) >= LOG_FROM:
        return _logarithmic(known, start, end)
    return linear(known, start, end)


def linear(values: Iterable[float], start: float, end: float) -> Scale:
    """Return a linear scale whose ends are round."""
    known = list(values) or [0.0]
    least, most = min(known), max(known)
    if most - least <= 1e-6 * max(abs(least), abs(most)):  # as good as one value
        least, most = least - (abs(least) or 1.0) * 0.1, most + (abs(most) or 1.0) * 0.1
    step = _round_step((most - least) / _MARKS)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    marks = tuple(float(f"{place * step:.10g}") for place in range(first, last + 1))
    return Scale(marks[0], marks[-1], start, end, marks)


def from_zero(values: Iterable[float], start: float, end: float) -> Scale:
    """Return a linear scale that holds zero, for bars."""
    return linear([0.0, *values], start, end)


def _logarithmic(values: list[float], start: float, end: float) -> Scale:
    first = math.floor(math.log10(min(values)))
    last = math.ceil(math.log10(max(values)))
    digits = (1,) if last - first > _MARKS else (1, 2, 5) if last - first <= 2 else (1, 3)
    steps = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
    low = max(mark for mark in steps if mark <= min(values) * (1 + 1e-9))
    high = min(mark for mark in [*steps, 10.0 ** (last + 1)] if mark >= max(values) * (1 - 1e-9))
    marks = tuple(mark for mark in steps if low <= mark <= high)
    return Scale(low, high, start, end, marks, log=True)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999)


def number_text(value: float) -> str:
    """Write a value shortly: three to four digits that matter, a true minus.

    Example:
        >>> number_text(-0.25), number_text(1536.0), number_text(86.2471), number_text(2e-5)
        ('−0.25', '1,536', '86.25', '0.00002')
    """
    size = abs(value)
    if size >= 1000:
        text = f"{size:,.0f}"
    elif size >= 10:
        text = f"{size:.2f}".rstrip("0").rstrip(".")
    elif size >= 0.00001:
        digits = max(2, 2 - math.floor(math.log10(size)))
        text = f"{size:.{digits}f}".rstrip("0").rstrip(".")
    else:
        text = f"{size:.2g}" if size else "0"
    return ("−" if value < 0 and text != "0" else "") + text
