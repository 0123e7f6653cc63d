from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadsheet.papers import editions
from broadsheet.papers.identity import parse_arxiv_id
from broadsheet.papers.ingest import ingest
from broadsheet.papers.sample import SAMPLE_DAY, sample_path
from broadsheet.papers.store import Store

NOTE = "the bundled sample has a summary by Broadsheet in place of the authors' abstract"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "home", create=True) as opened:
        yield opened


def rows() -> list[dict[str, object]]:
    return [json.loads(line) for line in sample_path().read_text(encoding="utf-8").splitlines()]


def test_the_sample_is_forty_works_and_no_rejects(store: Store) -> None:
    report = ingest(store, [str(sample_path())])
    counts = store.counts()
    assert (counts.works, counts.records, counts.rejects, counts.merged) == (40, 40, 0, 0)
    assert report.total.records == 40
    assert store.days() == [(SAMPLE_DAY, 40)]
    for work in store.works_between(SAMPLE_DAY, SAMPLE_DAY):
        assert NOTE in work.notes
        assert work.authors
        assert 2 <= len(re.findall(r"[.?!](?:\s|$)", work.abstract)) <= 4, work.title


def test_ids_and_dates_agree() -> None:
    for row in rows():
        parsed = parse_arxiv_id(str(row["id"]))
        assert parsed == (row["id"], 0)
        year, month = 2000 + int(parsed[0][:2]), int(parsed[0][2:4])
        first = (int(str(row["published"])[:4]), int(str(row["published"])[5:7]))
        assert first in {(year, month), (year - (month == 1), (month - 2) % 12 + 1)}


def test_the_sample_makes_an_edition(store: Store) -> None:
    ingest(store, [str(sample_path())])
    edition = editions.edition(store, SAMPLE_DAY)
    assert (len(edition.entries), edition.number) == (40, 1)
    assert len({entry.section for entry in edition.entries}) > 3


def test_a_page_with_these_titles_adds_no_work(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    head = ["new", "Subscribe", "Daily Papers", "byAK and the research community", "Sep 2"]
    texts = [
        (str(row["title"]), f"An invented text number {n}, long enough to be read as one.")
        for n, row in enumerate(rows())
    ]
    page.write_text("\n\n".join([*head, *(part for pair in texts for part in pair)]) + "\n")
    ingest(store, [str(sample_path())])
    ingest(store, [str(page)], source="page", date=SAMPLE_DAY)
    assert store.counts().works == 40


@pytest.mark.data
def test_the_seed_page_itself_adds_no_work(store: Store, data_folder: Path) -> None:
    ingest(store, [str(sample_path())])
    ingest(store, [str(data_folder / "seed-page" / "page.txt")])
    counts = store.counts()
    assert (counts.works, counts.records, counts.rejects) == (40, 80, 0)


@pytest.mark.data
def test_no_summary_shares_eight_words_in_a_row_with_its_abstract(data_folder: Path) -> None:
    text = (data_folder / "seed-page" / "page.txt").read_text(encoding="utf-8")
    words = re.findall(r"\w+", text.casefold())
    known = {tuple(words[n : n + 8]) for n in range(len(words))}
    for row in rows():
        own = re.findall(r"\w+", str(row["abstract"]).casefold())
        copied = [own[n : n + 8] for n in range(len(own) - 7) if tuple(own[n : n + 8]) in known]
        assert not copied
