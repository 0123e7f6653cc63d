"""The catalogue: the committed pages say what cards and reports say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from broadsheet.core.card import Card
from broadsheet.core.catalogue import (
    catalogue_table,
    choose_report,
    main_report,
    outdated,
    replace_between,
    results_tables,
    system_page,
)
from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.report import ClaimResult, Cost, Measurement, Report

ROOT = Path(__file__).resolve().parents[3]

CARD = Card.model_validate(
    {
        "slug": "two_towers",
        "wing": "retrieval",
        "title": "Two | Towers",
        "authors": ["A. Author", "B. Author"],
        "year": 2020,
        "arxiv": "2001.00001",
        "summary": "Two encoders, one space.",
        "claims": [
            {"id": "better", "text": "It is better.", "metric": "nDCG@10", "expected": ">= 1"},
            {"id": "faster", "text": "It is faster.", "metric": "ms", "expected": "<= 0.5"},
        ],
        "data": [{"name": "made here", "licence": "ours", "use": "train and test"}],
        "simplified": ["Smaller."],
    }
)
BETTER = ClaimResult(
    id="better",
    expected=">= 1",
    observed=2.5,
    interval=(1.25, 3.5),
    level=0.975,
    p=0.0123,
    test="two-level bootstrap",
    correction="Holm over 2",
    verdict="held",
)
FASTER = replace(
    BETTER, id="faster", expected="<= 0.5", observed=0.75, verdict="not held", reason="One core."
)
REPORT = Report(
    slug="two_towers",
    preset="laptop",
    seeds=(1, 2),
    pilot_seed=0,
    claims=(BETTER, FASTER),
    measurements=(
        Measurement(arm="a", dataset="d", metric="nDCG@10", unit="x100", values=(1, 3), n=9),
        Measurement(arm="b", dataset="d", metric="nDCG@10", unit="x100", values=(5, 5), n=9),
    ),
    cost=Cost(wall_s=600, cpu_s=900, peak_memory_mb=1234.5, parameters=1_000_000),
    provenance={"git": "abc123", "device": ""},
    notes=("Partial.",),
)


def test_the_committed_pages_are_up_to_date() -> None:
    changed = [str(path.relative_to(ROOT)) for path in outdated(ROOT)]
    assert not changed, "run: python -m broadsheet.core.catalogue --write"


def test_a_page_says_what_was_claimed_seen_and_spent() -> None:
    page = system_page(CARD, {"laptop": REPORT})
    assert "| It is better. | >= 1 | 2.5 | 1.25 to 3.5 (97.5 %) | 0.012 | **held** |" in page
    assert "| It is faster. | <= 0.5 | 0.75 |" in page
    assert "- `faster`: One core." in page
    assert "| d | nDCG@10 (x100) | 2 ± 1.41 | 5 ± 0 |" in page
    assert "10 min of wall time" in page
    assert "- git: abc123" in page
    assert "device" not in page
    assert "Test: two-level bootstrap, correction Holm over 2." in page
    assert "[arXiv 2001.00001](https://arxiv.org/abs/2001.00001)" in page


def test_a_system_without_report_has_its_claims_open() -> None:
    page = system_page(CARD, {"smoke": REPORT})
    assert "| better | It is better. | >= 1 | no report yet |" in page
    assert "Cost" not in page


def test_the_fullest_report_speaks_for_a_system() -> None:
    reports = {"smoke": REPORT, "laptop": REPORT, "gpu": replace(REPORT, preset="gpu")}
    found = main_report(reports)
    assert found is not None
    assert found.preset == "gpu"
    assert choose_report(reports, "laptop") is REPORT
    assert choose_report({}, "") is None
    with pytest.raises(NotFound, match="one of smoke, laptop, gpu"):
        choose_report(reports, "paper")


def test_the_table_counts_verdicts_and_escapes_bars() -> None:
    table = catalogue_table([CARD], {"two_towers": {"laptop": REPORT}}, folder="docs/")
    row = table.splitlines()[-1]
    assert row == (
        r"| [Two \| Towers](docs/two_towers.md) | retrieval | 1 | 1 | 0 | laptop, 15 min |"
    )
    assert catalogue_table([], {}, folder="") == "None yet.\n"


def test_results_of_a_claim_that_was_not_judged_stay_open() -> None:
    tables = results_tables(CARD, {"laptop": replace(REPORT, claims=(BETTER,))})
    assert "| It is faster. | <= 0.5 |  |  |  | no report yet |" in tables


@pytest.mark.parametrize(
    "text", ["", "<!-- x:begin -->", "<!-- x:end --><!-- x:begin -->", "<!-- x:begin -->" * 2]
)
def test_missing_markers_are_an_error(text: str) -> None:
    with pytest.raises(BadInput, match="markers"):
        replace_between(text, "x", "new")
