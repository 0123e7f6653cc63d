"""The Python of docs/guide/data.md runs, from top to bottom, on our own small files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from broadsheet.data.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs" / "guide" / "data.md"
DECISION = ROOT / "docs" / "decisions" / "training-data.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_blocks_run_one_after_the_other(
    golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(golden / "data")
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(blocks) >= 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    assert len(names["batch"]) == 2
    assert names["tokenizer"].get_vocab_size() <= 100


def test_every_set_of_the_catalogue_is_in_the_tables() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    for entry in catalogue().values():
        if entry.slug not in ("wordnet", "wiki-sections", "limit-small", "sts12-16"):
            assert f"| `{entry.folder}` |" in guide, entry.slug


def test_uses_in_the_decision_are_those_of_the_catalogue() -> None:
    rows = re.findall(r"^\| (.+?) \| .+? \| (ship|try|test) \|", DECISION.read_text(), re.MULTILINE)
    told = dict(rows)
    names = {
        "arXiv titles": "daily-papers",
        "ACL Anthology, published by": "acl-anthology",
        "Debian descr": "debian",
        "WordNet": "wordnet",
        "STS benchmark": "stsb",
        "STS 2012": "sts12-16",
        "SICK": "sick",
        "MR, CR": "sent-conv",
        "Sections of": "wiki-sections",
        "Cranfield": "cranfield",
        "LIMIT": "limit-small",
    }
    assert set(names.values()) == set(catalogue())
    for start, slug in names.items():
        (use,) = (use for title, use in told.items() if title.startswith(start))
        assert use == catalogue()[slug].use, slug
