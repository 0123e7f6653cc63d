"""Papers, their licences, and pairs of them; an export of the application gives the same."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.paper_exports import ExportedPapers, read_export
from broadsheet.data.paper_pairs import (
    keyword_pairs,
    shared_keyword_pairs,
    title_abstract_pairs,
    venue_pairs,
)
from broadsheet.data.papers import (
    ACL_PUBLISHER,
    CC0,
    CC_BY,
    TRAINABLE,
    UNKNOWN,
    Paper,
    read_acl,
    read_daily,
    trainable,
)
from broadsheet.papers.exchange import export
from broadsheet.papers.ingest import ingest
from broadsheet.papers.store import Store


def exported(tmp_path: Path, inputs: list[Path], publisher: str = "") -> ExportedPapers:
    """Take files into a library, export it, and read the export."""
    with Store.open(tmp_path / "home", create=True) as store:
        ingest(store, [str(path) for path in inputs], date="2025-09-02")
        export(store, tmp_path / "papers.jsonl.zst")
    return read_export(tmp_path / "papers.jsonl.zst", publisher)


def test_the_licence_follows_publisher_and_year(golden: Path) -> None:
    papers = {paper.id: paper for paper in read_acl(golden / "data")}
    assert {key: paper.licence for key, paper in papers.items()} == {
        "acl:2022.maps-long.1": CC_BY,
        "acl:W19-8104": CC_BY,
        "acl:P15-1001": UNKNOWN,
        "acl:2019.other-1.1": UNKNOWN,
        "acl:2022.maps-long.2": CC_BY,
    }
    assert papers["acl:W19-8104"].title == "Kettles at Night"
    assert papers["acl:W19-8104"].venues == ("acl",)


def test_arxiv_s_metadata_is_free_and_the_feed_s_key_words_are_not(golden: Path) -> None:
    first, other = read_daily(golden / "data")
    assert (first.id, first.licence, first.year) == ("arxiv:2412.00001", CC0, 2024)
    assert (other.id, other.licence) == ("hf:a-blog-post", UNKNOWN)
    assert first.keywords == ("teapot", "reinforcement learning")
    (kept,) = trainable([first, other])
    assert kept.keywords == ()
    assert kept.abstract == first.abstract


def test_nothing_unlicensed_is_trainable() -> None:
    papers = [
        Paper(
            id=f"x:{a}{b}", title="t", abstract="a", licence=a, keywords=("k",), keyword_licence=b
        )
        for a in (CC0, CC_BY, UNKNOWN, "CC-BY-NC-4.0")
        for b in (CC0, UNKNOWN)
    ]
    kept = trainable(papers)
    assert [paper.id for paper in kept] == [p.id for p in papers if p.licence in TRAINABLE]
    assert all(paper.keywords == () or paper.keyword_licence == CC0 for paper in kept)
    assert len(kept) == 4
    assert sum(bool(paper.keywords) for paper in kept) == 2


def test_an_export_of_these_lines_gives_the_same_papers(golden: Path, tmp_path: Path) -> None:
    inputs = [
        golden / "data" / "acl-anthology" / "acl-2016-2019.jsonl",
        golden / "data" / "hf-daily-papers" / "daily-2025.jsonl",
    ]
    found = exported(tmp_path, inputs, publisher=ACL_PUBLISHER)
    straight = {paper.id: paper for paper in (*read_acl(inputs[0]), *read_daily(inputs[1]))}
    # The last record counts, except that none takes an abstract away.
    assert {paper.id: paper for paper in found.papers} == straight
    assert found.records == 8
    assert found.passed_over == {}


def test_an_export_of_every_other_source(golden: Path, tmp_path: Path) -> None:
    names = [
        "acl/2022.xml",
        "arxiv/feed.xml",
        "hf/daily.json",
        "bibtex/library.bib",
        "page/page.txt",
    ]
    found = exported(tmp_path, [golden / name for name in names])
    papers = {paper.id: paper for paper in found.papers}
    lantern = papers["acl:2022.maps-long.1"]
    assert lantern.licence == UNKNOWN  # Map House is another publisher.
    assert lantern.venues == ("maps", "towns")
    assert lantern.title.endswith("Reading Small Maps")
    arxiv = papers["arxiv:2511.00011"]
    assert (arxiv.licence, arxiv.year) == (CC0, 2025)
    assert "lantern" in arxiv.abstract
    assert set(found.passed_over) == {"bibtex", "page"}
    assert all("<" not in paper.title for paper in found.papers)


def test_anthology_xml_of_the_association_is_cc_by(golden: Path, tmp_path: Path) -> None:
    text = (golden / "acl" / "2022.xml").read_text(encoding="utf-8")
    path = tmp_path / "2022.xml"
    path.write_text(text.replace("Map House</publisher>", f"{ACL_PUBLISHER}</publisher>"))
    assert {paper.licence for paper in exported(tmp_path, [path]).papers} == {CC_BY}
    path.write_text(path.read_text().replace("2022", "2012"))
    again = tmp_path / "again"
    again.mkdir()
    assert {paper.licence for paper in exported(again, [path]).papers} == {UNKNOWN}


@pytest.mark.parametrize(
    ("venues", "licence"),
    [(["acl"], CC_BY), (["acl", "ijcnlp"], CC_BY), (["ws"], UNKNOWN), (["acl", "coling"], UNKNOWN)],
)
def test_lines_without_publisher_go_by_venue(
    tmp_path: Path, venues: list[str], licence: str
) -> None:
    line = {"id": "2020.x-1.1", "title": "T", "year": 2020, "venue": venues, "abstract": "A"}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    assert exported(tmp_path, [tmp_path / "a.jsonl"]).papers[0].licence == licence


def test_what_is_no_whole_export_is_refused(golden: Path, tmp_path: Path) -> None:
    lines = golden / "data" / "hf-daily-papers" / "daily-2025.jsonl"
    with pytest.raises(BadInput, match="not an export"):
        read_export(lines)
    exported(tmp_path, [lines])
    whole = zstandard.decompress((tmp_path / "papers.jsonl.zst").read_bytes(), 1 << 20)
    changed = tmp_path / "changed.jsonl.gz"
    for text in (
        whole.replace(b"Teapots", b"Teacups"),
        b"\n".join(whole.splitlines()[:-1]) + b"\n",
    ):
        changed.write_bytes(gzip.compress(text))
        with pytest.raises(BadInput, match="ends early, or was changed"):
            read_export(changed)


@pytest.mark.parametrize(
    "line", ['{"id": "", "title": "T"}', '{"id": "a", "title": ["T"]}', '{"title": "T"}']
)
def test_broken_papers_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "daily-1.jsonl").write_text(f"{line}\n")
    with pytest.raises(BadInput, match=r"daily-1\.jsonl, line 1: no id or no title"):
        read_daily(tmp_path)
    with pytest.raises(BadInput, match="no files acl-"):
        read_acl(tmp_path)


def test_titles_and_abstracts_are_paired_once(golden: Path) -> None:
    papers = read_acl(golden / "data")
    ids = [pair.id for pair in title_abstract_pairs([*papers, *papers])]
    assert ids == ["acl:2022.maps-long.1", "acl:W19-8104"]  # The others' abstracts are too short.


def test_venue_pairs_stay_within_venue_and_year() -> None:
    papers = [
        Paper(
            id=f"p:{n}", title=f"t{n}", abstract="", year=2020 + n % 2, venues=("a", "b")[: n % 3]
        )
        for n in range(60)
    ]
    home = {paper.id: paper for paper in papers}
    pairs = venue_pairs(papers, SeedTree(3))
    for pair in pairs:
        first, second = (home[name] for name in pair.id.split("|"))
        assert first.year == second.year
        assert set(first.venues) & set(second.venues)
    groups = [
        sum(paper.year == year and venue in paper.venues for paper in papers)
        for year in (2020, 2021)
        for venue in ("a", "b")
    ]
    assert len(pairs) == sum(size // 2 for size in groups) > 0
    assert venue_pairs(papers, SeedTree(3)) == pairs != venue_pairs(papers, SeedTree(4))


def test_key_words() -> None:
    words = [("map", "lamp"), ("Lamp", "map", "tea"), ("tea",), ()]
    papers = [
        Paper(id=str(n), title=f"t{n}", abstract="about it", keywords=keys)
        for n, keys in enumerate(words)
    ]
    assert [(pair.a, pair.b) for pair in keyword_pairs(papers)][2] == ("tea", "t2. about it")
    assert len(keyword_pairs(papers)) == 3
    assert [pair.id for pair in shared_keyword_pairs(papers)] == ["0|1"]
    assert [pair.id for pair in shared_keyword_pairs(papers, least_shared=1)] == ["0|1", "1|2"]
    assert not shared_keyword_pairs(papers, least_shared=1, most_papers=1)


@pytest.mark.data
def test_real_papers(data_folder: Path) -> None:
    acl, daily = read_acl(data_folder), read_daily(data_folder)
    assert len(acl) == 9_057 + 14_479
    assert len(daily) == 2_202 + 3_930
    assert {paper.licence for paper in acl} == {CC_BY}
    assert {paper.licence for paper in daily} == {CC0}
    assert len(title_abstract_pairs(trainable([*acl, *daily]))) > 29_000
