"""Search runs on the leaderboard in a browser: read and ordered without a script."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
QUERIES = ("qa", "qb", "qc")


@pytest.fixture
def reports(golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The invented reports with a reference row beside them."""
    folder = tmp_path / "reports"
    shutil.copytree(golden / "reports", folder)
    rows = [{"name": "bm25_flat", "seeds": 5, "ndcg": {"tiny": [0.1, 0.7, 0.4]}}]
    document = {"command": "rows", "queries": {"tiny": list(QUERIES)}, "rows": rows}
    (folder / "bench/search_rows.json").write_text(json.dumps(document))
    return folder


def test_runs_can_be_read_and_ordered(
    open_page: Open, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broadsheet.core.report.results_folder", lambda: reports)
    page = open_page("/leaderboard", java_script_enabled=False)
    section = page.locator("section[aria-labelledby=search-runs]")
    assert section.locator(".board tbody th").first.inner_text().startswith("bm25_flat")
    section.get_by_role("link", name="tiny").click()
    page.wait_for_url("**runs=tiny**")
    assert section.locator("svg .point").count() == 2  # one in the key
