"""The query language: what it reads, what it refuses, and its canonical form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import UsageError
from broadsheet.index.clauses import Clause
from broadsheet.index.predicates import EVERYTHING, AllOf, AnyOf, Between, Contains, Not, Predicate
from broadsheet.papers.query import MAX_ITEMS, MAX_LENGTH, filter_text, parse


def only(text: str) -> Predicate:
    predicate = parse(text).predicate()
    assert isinstance(predicate, AllOf)
    [part] = predicate.parts
    return part


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  graph   nets ", "graph nets"),
        ("graph graph", "graph"),
        ("BERT: Pre-training, (deep) 'models'.", "BERT Pre-training deep models"),
        ("a - b -- c -", "a b c"),
        ("& | + ...", ""),
        ('"late   interaction"', '"late interaction"'),
        ("“late interaction”", '"late interaction"'),
        ('"never closed', '"never closed"'),
        ('foo"bar baz"qux', 'foo "bar baz" qux'),
        (r'"a \"quoted\" word"', r'"a \"quoted\" word"'),
        ('"" "..."', ""),
        ("-graph -(nets) --more", "-graph -nets -more"),
        ('-"a phrase"', '-"a phrase"'),
        ("retriev* *star", "retriev* star"),
        ("std::vector 3:2 a:", "std::vector 3:2 a"),
        ("CAT:cs.cl,CS.ir", "cat:cs.CL,cs.IR"),
        ("(cat:cs.CL)", "cat:cs.CL"),
        ("-cat:cs.CL graph", "graph -cat:cs.CL"),
        ("cat:cs.CL,cs.CL", "cat:cs.CL"),
        ("cat:cs.CL cat:cs.LG", "cat:cs.CL cat:cs.LG"),
        ('author:"Ashish  Vaswani",shazeer', 'author:"Ashish Vaswani",shazeer'),
        ("year:2024", "year:2024"),
        ("year:2022..2024", "year:2022..2024"),
        ("year:2022..2022", "year:2022"),
        ("year:>=2023", "year:2023.."),
        ("year:>2023", "year:2024.."),
        ("year:<=2023", "year:..2023"),
        ("year:<2023", "year:..2022"),
        ("year:=2023", "year:2023"),
        ("date:2025-09", "date:2025-09"),
        ("date:2025-09-01..2025-09-30", "date:2025-09-01..2025-09-30"),
        ("date:2025-09..", "date:2025-09.."),
        ("date:>2025-02", "date:2025-03-01.."),
        ("date:<2025-03-01", "date:..2025-02-28"),
        ("has:Code,PDF", "has:code,pdf"),
        ("id:https://arxiv.org/abs/2401.00001v3", "id:2401.00001"),
        ("id:doi:10.1234/ABC", "id:10.1234/abc"),
        ("sim:2401.00001 cat:cs sim:x", "sim:2401.00001,x cat:cs"),
        ("venue:acl, translation", "translation venue:acl"),
        ('keyword:"Large Language Models"', 'keyword:"large language models"'),
        ('venue:"ends)"', 'venue:"ends)"'),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_kinds_of_clauses() -> None:
    assert parse('one -two "three four" five* -"six" -sev*').clauses == (
        Clause(text="one"),
        Clause(text="two", excluded=True),
        Clause(text="three four", kind="phrase"),
        Clause(text="five", kind="prefix"),
        Clause(text="six", kind="phrase", excluded=True),
        Clause(text="sev", kind="prefix", excluded=True),
    )


def test_predicates() -> None:
    assert parse("words only").predicate() == EVERYTHING
    assert only("cat:cs.CL") == Contains("cat", "cs.cl")
    assert only("-cat:cs.CL") == Not(Contains("cat", "cs.cl"))
    assert only("cat:cs,math") == AnyOf((Contains("cat", "cs"), Contains("cat", "math")))
    assert only('author:"Vaswani, Ashish"') == Contains("author", "ashishvaswani")
    assert only("author:Müller") == Contains("author", "muller")
    assert only("year:2022..2024") == Between("year", 2022, 2024)
    assert only("date:2024-02") == Between("day", 738917, 738917 + 28)
    assert only("date:..2024-02") == Between("day", 1, 738917 + 28)
    both = parse("has:code year:2024").predicate()
    assert both == AllOf((Contains("has", "code"), Between("year", 2024, 2024)))


def test_text_for_an_encoder_leaves_out_what_is_excluded() -> None:
    assert parse('deep "graph nets" trans* -vision cat:cs').text == "deep graph nets trans"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("colour:red", r'no field colour:.*"colour:red" in quotes.*author:, cat:'),
        ("https://arxiv.org/abs/2401.00001", "no field https:"),
        ("has:wings", "code"),
        ("flag:lost", "withdrawn"),
        ("year:soon", r"2022\.\.2024"),
        ("year:2024..2022", "year: is not understood"),
        ("year:..", "year: is not understood"),
        ("year:>9999", "year: is not understood"),
        ("date:2025-13", "date: is not understood"),
        ("date:2025-02-30", "date: is not understood"),
        ("date:2025-09..2025-08", "date: is not understood"),
        ("date:>9999", "date: is not understood"),
        ('cat:""', "cat: needs a value"),
        ("author:---", "author: needs a name"),
        ("-sim:2401.00001", "sim: can't be excluded"),
        ("a*", "two letters"),
        ("word " * MAX_LENGTH, "characters"),
        (" ".join(str(number) for number in range(MAX_ITEMS + 1)), "129 words"),
        ("cat:" + ",".join(str(number) for number in range(MAX_ITEMS + 1)), "129 words"),
    ],
)
def test_refusals_say_what_to_write(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        parse(text)


def test_adding_and_removing_a_filter() -> None:
    query = parse("graph year:2024 cat:cs.CL,cs.LG")
    assert str(query.adding("has:code")) == "graph year:2024 cat:cs.CL,cs.LG has:code"
    assert str(query.removing("cat:cs.lg")) == "graph year:2024 cat:cs.CL"
    assert str(query.removing("year:2024 graph")) == "cat:cs.CL,cs.LG"
    assert query.removing("-cat:cs.CL") == query
    assert query.holds("cat", "cs.lg")
    assert not query.holds("cat", "cs")
    assert not parse("-cat:cs").holds("cat", "cs")


def test_the_text_of_a_filter() -> None:
    assert filter_text("author", 'Dwayne "The Rock", Jr.') == r'author:"Dwayne \"The Rock\", Jr."'
    assert filter_text("year", "2024") == "year:2024"


# Texts full of the language's own marks, and texts of any characters at all.
pieces = ["..", ">=", "Bé", "cat:", "year:", "2024", "author:", "date:", "2025-09", "id:", "sim:"]
marks = st.sampled_from([*'"-:*,()\\ a7!“”\n\u00ad\ud800', *pieces])
texts = st.one_of(st.lists(marks, max_size=14).map("".join), st.text(max_size=60))


@given(texts)
def test_the_canonical_form_of_anything_reads_back(text: str) -> None:
    try:
        query = parse(text)
    except UsageError:
        return
    assert parse(str(query)) == query
    assert str(parse(str(query))) == str(query)


words = st.text(st.characters(categories=["L", "N"]), min_size=2, max_size=8)
values = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@given(
    st.lists(words, max_size=3),
    st.sampled_from(["keyword", "cat", "venue", "source"]),
    st.lists(values, min_size=1, max_size=3),
)
def test_any_value_can_be_written(phrases: list[str], field: str, printed: list[str]) -> None:
    terms = [filter_text(field, value) for value in printed]
    query = parse(" ".join([*(f'"{one}"' for one in phrases), *terms]))
    found = {value.casefold() for term in query.filters for value in term.values}
    assert found == {value.casefold() for value in printed}
    assert all(query.holds(field, value) for value in printed)
    assert parse(str(query)) == query
