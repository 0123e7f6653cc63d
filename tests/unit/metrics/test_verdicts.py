"""Verdicts: sides, margins, Holm's steps, and how often a false claim is held."""

from __future__ import annotations

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.report import ClaimResult
from broadsheet.metrics.bootstrap import Interval, plain_numbers
from broadsheet.metrics.verdicts import Finding, judge_claims, parse_expected


def effect(centre: float, spread: float = 1.0) -> Interval:
    """An effect whose 95 % interval is centre +- 2 spreads, about."""
    normal = np.sort(np.random.default_rng(0).normal(size=9_999))
    return Interval(centre, centre + spread * normal, test="made up")


def verdict(expected: str, centre: float) -> str:
    [result] = judge_claims([Finding(id="one", expected=expected, interval=effect(centre))])
    return result.verdict


@pytest.mark.parametrize(
    ("expected", "held", "open_", "against"),
    [
        (">= 10", 13, 10.5, 7),
        ("> 0", 3, 0.5, -3),
        ("<= 0.45", -3, 0.3, 4),
        ("< -2", -5, -2.5, 1),
        (">= −2", 1, -1.5, -5),
        ("within 5", 1, 4.5, 8),
        ("within 5", -1, -4.5, -8),
    ],
)
def test_three_verdicts(expected: str, held: float, open_: float, against: float) -> None:
    found = [verdict(expected, centre) for centre in (held, open_, against)]
    assert found == ["held", "underpowered", "not held"]


@pytest.mark.parametrize("text", ["10", "about 3", "within 0", "within -2", ">= ten", ">= 1 or 2"])
def test_a_claim_without_side_and_margin_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="side and a margin"):
        parse_expected(text)


def test_a_flat_effect_on_the_margin() -> None:
    flat = plain_numbers([2.0, 2.0, 2.0]).interval(np.random.default_rng(0))
    for expected, want in (
        (">= 2", "held"),
        ("> 2", "not held"),
        ("<= 2", "held"),
        ("< 2", "not held"),
    ):
        [result] = judge_claims([Finding(id="flat", expected=expected, interval=flat)])
        assert result.verdict == want, expected


def test_each_verdict_agrees_with_its_adjusted_p() -> None:
    findings = [
        Finding(id=f"c{n}", expected=expected, interval=effect(centre))
        for n, (expected, centre) in enumerate(
            [
                (">= 0", 2.3),
                (">= 0", 2.9),
                ("within 3", 0.4),
                ("<= 0", 1.0),
                ("> 0", 8.0),
                ("< 5", 9),
            ]
        )
    ]
    results = judge_claims(findings)
    for result in results:
        assert (result.verdict != "underpowered") == (result.p is not None and result.p <= 0.05)
    assert {result.verdict for result in results} == {"held", "not held", "underpowered"}
    assert all(result.correction == "Holm over 6" for result in results)


def test_p_is_two_sided_and_for_equivalence_one_sided() -> None:
    near = effect(1.8)
    [result] = judge_claims([Finding(id="near", expected=">= 0", interval=near)])
    assert result.p == pytest.approx(near.p_equal(0.0), abs=1e-12)
    assert result.p == pytest.approx(0.072, abs=0.006)  # a normal variable beyond 1.8 either way
    [result] = judge_claims([Finding(id="near", expected="within 3.6", interval=near)])
    assert result.p == pytest.approx(0.036, abs=0.004)


def test_one_more_claim_can_cost_a_verdict() -> None:
    weak = Finding(id="weak", expected=">= 0", interval=effect(2.1))
    noise = [Finding(id=f"n{n}", expected=">= 0", interval=effect(0.1 * n)) for n in range(3)]
    alone, together = judge_claims([weak])[0], judge_claims([weak, *noise])[0]
    assert (alone.verdict, together.verdict) == ("held", "underpowered")
    assert alone.level == 0.95
    assert together.level == pytest.approx(1 - 0.05 / 4)
    assert together.interval[0] < alone.interval[0]
    assert alone.correction == "none"


def test_a_strong_claim_lends_nothing_but_takes_nothing() -> None:
    """Holm: after the strongest is decided at alpha / 2, the other is judged at alpha."""
    weak = Finding(id="weak", expected=">= 0", interval=effect(2.1))
    strong = Finding(id="strong", expected=">= 0", interval=effect(9.0))
    results = judge_claims([weak, strong])
    assert [result.verdict for result in results] == ["held", "held"]
    assert [result.level for result in results] == [0.95, 0.975]


def test_equivalence_is_judged_by_two_one_sided_tests() -> None:
    [result] = judge_claims([Finding(id="same", expected="within 1.8", interval=effect(0.0))])
    assert result.level == pytest.approx(0.90)
    assert (result.verdict, result.test) == ("held", "made up, two one-sided tests")
    wide = effect(0.0).at(0.95)
    assert wide.high > 1.8, "at 95 % it would not fit"


def test_too_few_draws_for_many_claims_are_refused() -> None:
    few = plain_numbers([1.0, 2.0, 3.0], draws=99).interval(np.random.default_rng(0))
    findings = [Finding(id=str(n), expected=">= 0", interval=few) for n in range(8)]
    with pytest.raises(BadInput, match="too few draws"):
        judge_claims(findings)


def test_a_claim_is_judged_once() -> None:
    finding = Finding(id="a", expected=">= 0", interval=effect(1.0))
    with pytest.raises(BadInput, match="once"):
        judge_claims([finding, finding])
    assert judge_claims([]) == ()


def test_wrong_verdicts_over_a_family_are_rare() -> None:
    """Five true effects lie on their margins: any verdict but underpowered is wrong."""
    wrong = 0
    for trial in range(300):
        rng = np.random.default_rng([1, trial])
        values = rng.normal(0.0, 1.0, (5, 6))
        results: tuple[ClaimResult, ...] = judge_claims(
            [
                Finding(
                    id=str(n), expected=">= 0", interval=plain_numbers(row, draws=999).interval(rng)
                )
                for n, row in enumerate(values)
            ]
        )
        wrong += any(result.verdict != "underpowered" for result in results)
    assert wrong / 300 <= 0.08
