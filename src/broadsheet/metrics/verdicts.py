"""From effects to verdicts: does the interval lie on the claimed side of the margin?

A claim states a side and a margin: ">= 10", "< 0", "within 2". It is held if the interval lies
wholly on the claimed side, not held if wholly beyond, else underpowered. The claims of a system
are judged together, so their intervals are those of Holm's steps. "within m" uses two one-sided
tests, so its interval has the level 1 - 2 alpha of its step (90 % where the others have 95 %).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from broadsheet.core.errors import BadInput
from broadsheet.core.report import ClaimResult, Verdict
from broadsheet.metrics.bootstrap import Interval
from broadsheet.metrics.significance import holm, holm_levels

Side = Literal[">=", ">", "<=", "<", "within"]

_EXPECTED = re.compile(r"\s*(>=|>|<=|<|within)\s*([-+−]?\d+(?:\.\d+)?)\s*(%?)\s*")


@dataclass(frozen=True, slots=True)
class Margin:
    """The side and margin of a claim.

    Example:
        >>> parse_expected("within 2")
        Margin(side='within', value=2.0)
    """

    side: Side
    value: float

    def p_value(self, interval: Interval) -> float:
        """Return the p of the margin's null: two-sided, or for "within" the stronger direction."""
        held, against = self._tails(interval)
        return min(1.0, min(held, against) * (1.0 if self.side == "within" else 2.0))

    def interval_level(self, level: float) -> float:
        """Return the level of the interval that decides at error 1 - `level`."""
        return 1.0 - 2.0 * (1.0 - level) if self.side == "within" else level

    def verdict(self, interval: Interval) -> Verdict:
        """Return what the interval says of the claim."""
        low, high, m = interval.low, interval.high, self.value
        held = {
            ">=": low >= m,
            ">": low > m,
            "<=": high <= m,
            "<": high < m,
            "within": -m <= low and high <= m,
        }[self.side]
        beyond = {
            ">=": high < m,
            ">": high <= m,
            "<=": low > m,
            "<": low >= m,
            "within": low > m or high < -m,
        }[self.side]
        if held:
            return "held"
        return "not held" if beyond else "underpowered"

    def _tails(self, interval: Interval) -> tuple[float, float]:
        """Draws that speak against the claim, and draws that speak for it."""
        m = self.value
        if self.side == ">=":
            return interval.tail_below(m), interval.tail_at_least(m)
        if self.side == ">":
            return interval.tail_at_most(m), interval.tail_above(m)
        if self.side == "<=":
            return interval.tail_above(m), interval.tail_at_most(m)
        if self.side == "<":
            return interval.tail_at_least(m), interval.tail_below(m)
        outside = max(interval.tail_above(m), interval.tail_below(-m))
        return outside, min(interval.tail_at_most(m), interval.tail_at_least(-m))


def parse_expected(text: str) -> Margin:
    """Read a card's `expected`: ">= 10", "<= 8 %", "> 0", "within 2", in the unit of the effect.

    Raises:
        BadInput: It is none of these.
    """
    found = _EXPECTED.fullmatch(text)
    if not found or (found[1] == "within" and float(found[2].replace("−", "-")) <= 0):
        raise BadInput(
            "a claim states a side and a margin", received=text, hint='">= 10" or "within 2"'
        )
    side: Side = found[1]  # type: ignore[assignment]  # the pattern allows these only
    return Margin(side, float(found[2].replace("−", "-")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an experiment found about one claim.

    Args:
        id: The claim's id on the card.
        expected: Its side and margin, as on the card.
        interval: The effect, in the unit of the margin.
        reason: What to bear in mind; empty for nothing.

    Example:
        >>> import numpy as np
        >>> draws = np.linspace(1.0, 3.0, 999)
        >>> effect = Interval(2.0, draws, test="an example")
        >>> [result] = judge_claims([Finding(id="better", expected=">= 0.5", interval=effect)])
        >>> result.verdict, result.p
        ('held', 0.002)
    """

    id: str
    expected: str
    interval: Interval
    reason: str = ""


def judge_claims(findings: Sequence[Finding], level: float = 0.95) -> tuple[ClaimResult, ...]:
    """Judge all claims of a system together.

    Args:
        findings: One per claim, in the card's order.
        level: Family-wise confidence: a wrong verdict in either direction has at most the
            chance 1 - level over all claims.

    Raises:
        BadInput: An `expected` can't be read, an id occurs twice, or there were too few draws for
            so many claims.
    """
    ids = [finding.id for finding in findings]
    if len(set(ids)) < len(ids):
        raise BadInput("a claim is judged once", received=", ".join(ids))
    margins = [parse_expected(finding.expected) for finding in findings]
    p_values = [m.p_value(f.interval) for m, f in zip(margins, findings, strict=True)]
    levels = holm_levels(p_values, level)
    adjusted = holm(p_values)
    correction = f"Holm over {len(findings)}" if len(findings) > 1 else "none"
    results = []
    for finding, margin, step, p in zip(findings, margins, levels, adjusted, strict=True):
        interval = finding.interval.at(margin.interval_level(step))
        results.append(
            ClaimResult(
                id=finding.id,
                expected=finding.expected,
                observed=interval.observed,
                interval=(interval.low, interval.high),
                level=round(interval.level, 6),
                p=p,
                test=interval.test + (", two one-sided tests" if margin.side == "within" else ""),
                correction=correction,
                verdict=margin.verdict(interval),
                reason=finding.reason,
            )
        )
    return tuple(results)
