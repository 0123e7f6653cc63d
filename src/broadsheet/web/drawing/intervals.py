"""A claim's effect as a strip: the claimed side shaded, the interval, the observed value."""

from __future__ import annotations

import math

from broadsheet.core.errors import BadInput
from broadsheet.core.report import ClaimResult
from broadsheet.metrics.verdicts import parse_expected
from broadsheet.web.drawing import marks as m
from broadsheet.web.drawing.scales import linear, number_text

WIDTH, HEIGHT = 300.0, 52.0
_MIDDLE, _PAD = 18.0, 10.0


def claimed_side(expected: str) -> tuple[float, float] | None:
    """Return the ends of what a claim expects, None when its words hold no margin.

    Example:
        >>> claimed_side(">= 10"), claimed_side("within 2"), claimed_side("positive")
        ((10.0, inf), (-2.0, 2.0), None)
    """
    try:
        margin = parse_expected(expected)
    except BadInput:
        return None
    if margin.side == "within":
        return -margin.value, margin.value
    above = margin.side in (">=", ">")
    return (margin.value, math.inf) if above else (-math.inf, margin.value)


def draw_interval(claim: ClaimResult) -> m.Drawing:
    """Draw one claim's result."""
    side = claimed_side(claim.expected) or (-math.inf, math.inf)
    margins = [margin for margin in side if math.isfinite(margin)]
    known = [claim.observed, *claim.interval, *margins]
    finite = [value for value in known if math.isfinite(value)] or [0.0]
    width = max(finite) - min(finite)
    if min(abs(value) for value in finite) <= width * 0.5:
        finite.append(0.0)  # near enough to be shown without squashing the rest
    scale = linear([min(finite) - width * 0.06, max(finite) + width * 0.06], _PAD, WIDTH - _PAD)
    begin, end = (
        scale.at(margin) if math.isfinite(margin) else (_PAD if margin < 0 else WIDTH - _PAD)
        for margin in side
    )
    drawn = []
    if margins:
        drawn.append(m.rect("claimed", begin, 4, end - begin, 28))
    if scale.low <= 0 <= scale.high:
        drawn.append(m.line("nought", scale.at(0), 4, scale.at(0), 32))
        if all(abs(scale.at(margin) - scale.at(0)) > 42 for margin in margins):
            drawn.append(m.letters("value", scale.at(0), 47, "0", "middle"))
    for margin in margins:
        drawn.append(m.line("margin", scale.at(margin), 2, scale.at(margin), 34))
        x = max(18.0, min(WIDTH - 18.0, scale.at(margin)))
        drawn.append(m.letters("value", x, 47, number_text(margin), "middle"))
    style = {"held": "held", "not held": "lost"}.get(claim.verdict, "open")
    low, high = (max(scale.low, min(scale.high, item)) for item in claim.interval)
    if math.isfinite(low) and math.isfinite(high):
        drawn.append(m.line(f"reach {style}", scale.at(low), _MIDDLE, scale.at(high), _MIDDLE))
        drawn += [
            m.line(f"reach {style}", scale.at(at), _MIDDLE - 5, scale.at(at), _MIDDLE + 5)
            for at in (low, high)
        ]
    if math.isfinite(claim.observed):
        dot = m.outline("circle", scale.at(claim.observed), _MIDDLE, 5.0)
        drawn.append(m.path(f"seen {style}", dot))
    label = f"{claim.id}: {claim.verdict}. Observed {interval_text(claim)}; {claim.expected}"
    return m.Drawing(width=WIDTH, height=HEIGHT, label=label, marks=tuple(drawn))


def interval_text(claim: ClaimResult) -> str:
    """Write the effect with its interval."""
    low, high = map(number_text, claim.interval)
    return f"{number_text(claim.observed)} [{low}, {high}]"
