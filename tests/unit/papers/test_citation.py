"""Citations are read back by an independent reader, whatever the titles hold."""

from __future__ import annotations

import json
import re

import pytest
from bibtexparser.entrypoint import parse_string
from bibtexparser.middlewares import LatexDecodingMiddleware, SeparateCoAuthors, SplitNameParts
from bibtexparser.model import Entry
from hypothesis import given, settings
from hypothesis import strategies as st
from pylatexenc.latex2text import (
    LatexNodes2Text,
    MacroTextSpec,
    get_default_latex_context_db,
)

from broadsheet.papers.citation import CITATION_FORMATS, to_bibtex, to_csl, to_markdown, to_ris
from broadsheet.papers.citation.reference import address_of, one_line, safe_address
from broadsheet.papers.model import Author, Work

PREPRINT = Work(
    id="aaaaaaaaaaaa",
    ids={"arxiv": "2401.00001", "doi": "10.48550/arxiv.2401.00001"},
    title="GPT-4 solves $x_{1}^2$ & 100% of {M\\\"u}ller's LoRA tasks",
    title_text="GPT-4 solves x₁² & 100% of Müller's LoRA tasks",
    authors=(
        Author(full="Ana García"),
        Author(full="Jan van der Berg Jr.", given="Jan", family="van der Berg", suffix="Jr."),
        Author(full="Gemini Team"),
        Author(full="Research and Sons, Inc."),
    ),
    dates={"submitted_v1": "2024-01-02T03:04:05Z", "hf_daily": "2024-02-01"},
    primary_category="cs.CL",
    abstract_text="It is {odd}.",
    keywords=("agents", "tools"),
    flags=frozenset({"withdrawn"}),
    links={"pdf": "https://arxiv.org/pdf/2401.00001", "code": "https://github.com/a/b_(c)"},
)
PAPER = Work(
    id="bbbbbbbbbbbb",
    ids={"acl": "2022.acl-long.12", "doi": "10.18653/v1/2022.acl-long.12"},
    title="A Title",
    authors=(Author(full="A B", given="A", family="B"),),
    venue="ACL",
    year=2022,
    dates={"published": "2022-05", "hf_daily": "2023-01-01"},
)
ARTICLE = Work(id="cccccccccccc", title="T", journal_ref="Phys. Rev. D 76 (2007)", year=2007)

hostile = st.text(
    alphabet=st.one_of(
        st.sampled_from("{}\\$%&#_~^\"'`@,=-<>[]()|* \t\n\x00"),
        st.characters(codec="utf-8"),
        st.characters(categories=("Cs", "Cc")),
    ),
    max_size=60,
)


def decoder() -> LatexNodes2Text:
    """The independent decoder, taught three text macros that it lacks or bends."""
    context = get_default_latex_context_db()
    context.add_context_category(
        "text symbols",
        prepend=True,
        macros=[
            MacroTextSpec("textbraceleft", "{"),
            MacroTextSpec("textbraceright", "}"),
            MacroTextSpec("textasciicircum", "^"),
        ],
    )
    return LatexNodes2Text(latex_context=context, math_mode="verbatim", strict_latex_spaces=True)


def read_back(text: str) -> list[Entry]:
    library = parse_string(text)
    assert library.failed_blocks == []
    return library.entries


def decoded(entry: Entry, name: str) -> str:
    return str(decoder().latex_to_text(entry[name]))


def test_bibtex_of_a_preprint() -> None:
    (entry,) = read_back(to_bibtex([PREPRINT]))
    fields = {name: field.value for name, field in entry.fields_dict.items()}
    assert entry.entry_type == "misc"
    assert entry.key == "garcia2024gpt"
    assert fields["title"] == "{GPT-4} solves {$x_{1}^2$} \\& 100\\% of Müller's {LoRA} tasks"
    assert fields["eprint"] == "2401.00001"
    assert fields["archiveprefix"] == "arXiv"
    assert fields["primaryclass"] == "cs.CL"
    assert (fields["year"], fields["month"]) == ("2024", "jan")
    assert fields["note"] == "Withdrawn"
    assert fields["keywords"] == "agents, tools"


def test_bibtex_authors_are_split_as_meant() -> None:
    library = parse_string(
        to_bibtex([PREPRINT]), append_middleware=[SeparateCoAuthors(), SplitNameParts()]
    )
    first, second, third, fourth = library.entries[0]["author"]
    assert (first.first, first.last) == (["Ana"], ["García"])
    assert (second.first, second.von, second.last, second.jr) == (
        ["Jan"],
        ["van", "der"],
        ["Berg"],
        ["Jr."],
    )
    assert third.last == ["{Gemini Team}"]
    assert fourth.last == ["{Research and Sons, Inc.}"]


def test_only_capitals_that_are_not_the_title_s_own_are_protected() -> None:
    title = "Low-Rank LoRA for 3D U-Nets, Qwen2.5 and iPhone/Tablet Use: A GPT-4 Study"
    (entry,) = read_back(to_bibtex([Work(id="a", title=title)]))
    assert entry["title"] == (
        "Low-Rank {LoRA} for {3D} {U-Nets}, {Qwen2.5} and {iPhone/Tablet} Use: A {GPT-4} Study"
    )


def test_bibtex_of_proceedings_and_journal() -> None:
    paper, article = read_back(to_bibtex([PAPER, ARTICLE]))
    assert (paper.entry_type, paper["booktitle"], paper["year"]) == ("inproceedings", "ACL", "2022")
    assert paper["month"] == "may"
    assert paper.key == "b2022title"
    assert (article.entry_type, article["journal"]) == ("article", "Phys. Rev. D 76 (2007)")


def test_keys_of_one_list_are_told_apart_by_id_not_by_order() -> None:
    works = [
        Work(id=name, title="On Things", authors=(Author(full="Li Wu"),), year=2020)
        for name in ("zz", "mm", "aa")
    ]
    plain = Work(id="qq", title="Thingsb", authors=(Author(full="Li Wu"),), year=2020)
    forward = {e["url"]: e.key for e in read_back(to_bibtex(with_urls([*works, plain])))}
    backward = {e["url"]: e.key for e in read_back(to_bibtex(with_urls([plain, *works[::-1]])))}
    assert forward == backward
    assert forward == {
        "https://x.org/aa": "wu2020thingsa",
        "https://x.org/qq": "wu2020thingsb",
        "https://x.org/mm": "wu2020thingsc",
        "https://x.org/zz": "wu2020thingsd",
    }
    assert read_back(to_bibtex(works[:1]))[0].key == "wu2020things"


def with_urls(works: list[Work]) -> list[Work]:
    data = [work.to_json() | {"links": {"abs": f"https://x.org/{work.id}"}} for work in works]
    return [Work.from_json(item) for item in data]


def test_forty_papers_with_one_name_get_forty_keys() -> None:
    works = [Work(id=f"{n:03}", title="Same", year=2020) for n in range(40)]
    keys = [entry.key for entry in read_back(to_bibtex(works))]
    assert len(set(keys)) == 40
    assert keys[25:28] == ["anon2020samez", "anon2020sameaa", "anon2020sameab"]


@settings(max_examples=300, deadline=None)
@given(title=hostile, name=hostile, venue=hostile)
def test_bibtex_round_trip_of_hostile_text(title: str, name: str, venue: str) -> None:
    work = Work(
        id="aaaaaaaaaaaa",
        title=title.replace("$", ""),
        title_text=title,
        venue=venue,
        abstract_text=title,
        authors=(Author(full=name), Author(full="x", given=name, family=name, suffix=name)),
    )
    (entry,) = read_back(to_bibtex([work, PAPER]))[:1]
    assert re.fullmatch(r"[a-z0-9]+", entry.key)
    if one_line(title):
        assert one_line(decoded(entry, "title")) == one_line(title)
        assert one_line(decoded(entry, "abstract")) == one_line(title)
    if one_line(venue):
        container = entry["booktitle" if "booktitle" in entry else "journal"]
        assert one_line(decoder().latex_to_text(container)) == one_line(venue)


@settings(max_examples=200, deadline=None)
@given(title=hostile)
def test_bibtex_of_hostile_tex_stays_one_entry(title: str) -> None:
    work = Work(id="aaaaaaaaaaaa", title=f"${title}$ and $x$ {title}", title_text="t")
    assert len(read_back(to_bibtex([work, PAPER]))) == 2


def test_latex_decoding_of_the_library_gives_the_plain_title() -> None:
    library = parse_string(to_bibtex([PREPRINT]), append_middleware=[LatexDecodingMiddleware()])
    title = library.entries[0]["title"]
    assert title == "GPT-4 solves $x_{1}^2$ & 100% of Müller's LoRA tasks"


def read_ris(text: str) -> list[list[tuple[str, str]]]:
    """Read RIS as its specification says: tag, two blanks, dash, blank, value, CR LF."""
    entries: list[list[tuple[str, str]]] = [[]]
    for line in text.split("\r\n"):
        if not line:
            continue
        match = re.fullmatch(r"([A-Z][A-Z0-9])  - (.*)", line)
        assert match, line
        if match[1] == "ER":
            entries.append([])
        else:
            entries[-1].append((match[1], match[2]))
    assert entries.pop() == []
    return entries


def test_ris() -> None:
    preprint, paper, article = read_ris(to_ris([PREPRINT, PAPER, ARTICLE]))
    assert preprint[0] == ("TY", "UNPB")
    assert ("TI", PREPRINT.title_text) in preprint
    assert [v for tag, v in preprint if tag == "AU"][:2] == [
        "Ana García",
        "van der Berg, Jan, Jr.",
    ]
    assert ("DA", "2024/01/02/") in preprint
    assert paper[0] == ("TY", "CPAPER")
    assert {("T2", "ACL"), ("PY", "2022"), ("DA", "2022/05//")} <= set(paper)
    assert article[0] == ("TY", "JOUR")


@settings(deadline=None)
@given(title=hostile, name=hostile)
def test_ris_survives_hostile_text(title: str, name: str) -> None:
    work = Work(id="a", title_text=title, abstract_text=title, authors=(Author(full=name),))
    first, _ = read_ris(to_ris([work, PAPER]))
    assert dict(first).get("TI", "") == one_line(title)


def test_csl() -> None:
    preprint, paper, article = json.loads(to_csl([PREPRINT, PAPER, ARTICLE]))
    assert preprint["type"] == "article"
    assert preprint["issued"] == {"date-parts": [[2024, 1, 2]]}
    assert preprint["author"][0] == {"literal": "Ana García"}
    assert preprint["author"][1] == {"family": "van der Berg", "given": "Jan", "suffix": "Jr."}
    assert preprint["note"] == "arXiv:2401.00001; Withdrawn"
    assert paper["type"] == "paper-conference"
    assert paper["container-title"] == "ACL"
    assert paper["issued"] == {"date-parts": [[2022, 5]]}
    assert article["type"] == "article-journal"
    assert article["issued"] == {"date-parts": [[2007]]}


def test_markdown() -> None:
    many = tuple(Author(full=f"A. Person{n}") for n in range(8))
    work = Work(id="a", title="[x](javascript:1) *b* <i>", authors=many, links={"abs": "ftp://a"})
    text = to_markdown([PREPRINT, work])
    first, second = text.splitlines()
    assert first.startswith("- **[GPT-4 solves x₁² \\& 100% of Müller's LoRA tasks](<https://arxiv")
    assert "**Withdrawn.**" in first
    assert "[code](<https://github.com/a/b_%28c%29>)" in first
    assert second == (
        r"- **\[x\]\(javascript\:1\) \*b\* \<i\>** A. Person0, A. Person1, A. Person2, "
        "A. Person3, A. Person4, A. Person5 and 2 more."
    )


@settings(deadline=None)
@given(text=hostile)
def test_every_format_is_valid_utf8(text: str) -> None:
    work = Work(id="a", title=text, venue=text, links={"abs": "https://a.org/" + text})
    for item in CITATION_FORMATS.values():
        assert item.write([work]).encode()


@pytest.mark.parametrize("suffix", ["bib", "ris", "csl.json", "md"])
def test_formats_have_safe_names_and_types(suffix: str) -> None:
    item = CITATION_FORMATS[suffix]
    assert item.file_name("../../etc/passwd\r\nx") == f"etc-passwd--x.{suffix}"
    assert item.file_name("") == f"papers.{suffix}"
    assert "/" in item.media_type
    assert item.write([]) in ("", "[]\n")


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://a.org/x?y=1#z", "https://a.org/x?y=1#z"),
        ("HTTPS://a.org/é b{c}", "HTTPS://a.org/%C3%A9%20b%7Bc%7D"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//a.org", ""),
        ("https://", ""),
        ("https://[::1", ""),
        ('https://a.org/"><script>', "https://a.org/%22%3E%3Cscript%3E"),
    ],
)
def test_safe_address(address: str, safe: str) -> None:
    assert safe_address(address) == safe


def test_address_prefers_ids_over_links() -> None:
    assert address_of(PAPER) == "https://aclanthology.org/2022.acl-long.12"
    assert address_of(Work(id="a", links={"abs": "javascript:1", "pdf": "https://a.org/p"})) == (
        "https://a.org/p"
    )
    assert address_of(Work(id="a")) == ""
