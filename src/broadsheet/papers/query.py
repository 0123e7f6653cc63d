"""The query language: one string that is a page, a feed, a command and an API call alike.

```
query    = { item }                       items are separated by white space
item     = [ "-" ] ( word | prefix | phrase | filter )
word     = any text without quotes        ranks; at least one word must match
prefix   = word "*"                       a word that begins like this
phrase   = '"' text '"'                   must occur, with the words side by side
filter   = field ":" value { "," value }  must hold; commas mean "or"
value    = text without blanks, commas and quotes | phrase
range    = A | A..B | A.. | ..B | >=A | >A | <=A | <A      values of year: and date:
"-"        leaves out what matches
```
A dash, star or bracket that stands alone is ignored. A colon is part of a word when a blank
follows it ("BERT: ..."); put other colons in quotes. In quotes, a backslash escapes a quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from broadsheet.core.errors import UsageError
from broadsheet.index.clauses import Clause, Kind
from broadsheet.index.predicates import EVERYTHING, AllOf, AnyOf, Not, Predicate
from broadsheet.papers.fields import FIELDS, normalise, to_predicate

#: Longest query, in characters, and the most words, phrases and values in one.
MAX_LENGTH = 2_000
MAX_ITEMS = 128

_PUNCTUATION = ",.;:!?()[]{}<>'`”"
_TRAILING = ";!?)]}"
_SKIPPED = re.compile(rf"[\s*{re.escape(_PUNCTUATION)}]+")
_ATTACHED = re.compile(rf"[*\-{re.escape(_PUNCTUATION)}]*")
_PHRASE = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?$)|“([^”"]*)(?:[”"]|$)', re.DOTALL)
_FIELD = re.compile(rf"([A-Za-z_]+):(?=[^\s:,*{re.escape(_TRAILING)}(\[{{])")
_BARE = re.compile(r'[^\s"“]+')
_VALUE = re.compile(r'[^\s,"“]+')
_PLAIN_VALUE = re.compile(
    rf'[^\s:,"“*{re.escape(_TRAILING)}(\[{{](?:[^\s,"“]*[^\s,"“{re.escape(_TRAILING)}])?'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTerm:
    """A filter: the field, its alternative values in canonical form, and whether it excludes."""

    field: str
    values: tuple[str, ...]
    excluded: bool = False

    def __str__(self) -> str:
        values = ",".join(_printed(value) for value in self.values)
        return f"{'-' if self.excluded else ''}{self.field}:{values}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed query. `str(query)` is its canonical form, which parses back to an equal query.

    Args:
        clauses: Words, prefixes and phrases, in the order given.
        filters: Filters that must all hold.
        similar: References of papers to be similar to (`sim:`).

    Example:
        >>> str(parse('Graph -"neural net" cat:cs.lg,CS.AI year:>=2020'))
        'Graph -"neural net" cat:cs.LG,cs.AI year:2020..'
    """

    clauses: tuple[Clause, ...] = ()
    filters: tuple[FieldTerm, ...] = ()
    similar: tuple[str, ...] = ()

    def __str__(self) -> str:
        pieces = [_printed_clause(clause) for clause in self.clauses]
        if self.similar:
            pieces.append(str(FieldTerm(field="sim", values=self.similar)))
        return " ".join([*pieces, *(str(term) for term in self.filters)])

    @property
    def text(self) -> str:
        """Return what is asked for in words, for an encoder: everything that is not excluded."""
        return " ".join(clause.text for clause in self.clauses if not clause.excluded)

    def predicate(self) -> Predicate:
        """Return the filters as one predicate over the attributes of `papers.documents`."""
        parts: list[Predicate] = []
        for term in self.filters:
            values = [to_predicate(term.field, value) for value in term.values]
            accepted = values[0] if len(values) == 1 else AnyOf(tuple(values))
            parts.append(Not(accepted) if term.excluded else accepted)
        return AllOf(tuple(parts)) if parts else EVERYTHING

    def holds(self, field: str, value: str) -> bool:
        """Tell whether a filter already asks for this value of a field."""
        asked = [term for term in self.filters if term.field == field and not term.excluded]
        if not asked:
            return False
        wanted = normalise(field, value).casefold()
        return any(wanted == one.casefold() for term in asked for one in term.values)

    def adding(self, text: str) -> Query:
        """Return this query with the items of another query text added."""
        return parse(f"{self} {text}")

    def removing(self, text: str) -> Query:
        """Return this query without the filters and words of another query text."""
        gone = parse(text)
        values = {
            (term.field, term.excluded, one.casefold())
            for term in gone.filters
            for one in term.values
        }
        filters = []
        for term in self.filters:
            left = tuple(
                one
                for one in term.values
                if (term.field, term.excluded, one.casefold()) not in values
            )
            if left:
                filters.append(FieldTerm(field=term.field, values=left, excluded=term.excluded))
        return Query(
            clauses=tuple(clause for clause in self.clauses if clause not in gone.clauses),
            filters=tuple(filters),
            similar=tuple(one for one in self.similar if one not in gone.similar),
        )


def filter_text(field: str, value: str) -> str:
    """Return the query text of one filter.

    Example:
        >>> filter_text("author", "Ashish Vaswani")
        'author:"Ashish Vaswani"'
    """
    return str(FieldTerm(field=field, values=(normalise(field, value),)))


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        UsageError: An unknown field, a value that its field does not take, or a query that is
            too long; the message says what to write instead.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(
            f"the query has {len(text):,} characters, more than {MAX_LENGTH:,}",
            hint="use fewer words, or sim:ID to find papers like one you have",
        )
    clean = text.encode("utf-8", "replace").decode()
    clean = "".join(char if char.isprintable() else " " for char in clean)
    clauses: dict[Clause, None] = {}
    filters: dict[FieldTerm, None] = {}
    similar: dict[str, None] = {}
    for item in _items(clean):
        if isinstance(item, Clause):
            clauses[item] = None
        elif item.field != "sim":
            filters[item] = None
        elif item.excluded:
            raise UsageError("sim: can't be excluded", received=str(item), hint=str(item)[1:])
        else:
            similar.update(dict.fromkeys(item.values))
    size = len(clauses) + len(similar) + sum(len(term.values) for term in filters)
    if size > MAX_ITEMS:
        raise UsageError(
            f"the query has {size} words and values, more than {MAX_ITEMS}", hint="use fewer"
        )
    return Query(clauses=tuple(clauses), filters=tuple(filters), similar=tuple(similar))


def _items(text: str) -> Iterator[Clause | FieldTerm]:
    position = 0
    while True:
        skipped = _SKIPPED.match(text, position)
        position = skipped.end() if skipped else position
        if position >= len(text):
            return
        excluded = text[position] == "-"
        if excluded:
            position = _ATTACHED.match(text, position).end()  # type: ignore[union-attr]
            if position >= len(text) or text[position].isspace():
                continue
        field = _FIELD.match(text, position)
        item: Clause | FieldTerm | None
        if field:
            item, position = _filter(text, field, excluded)
        else:
            item, position = _clause(text, position, excluded)
        if item:
            yield item


def _clause(text: str, position: int, excluded: bool) -> tuple[Clause | None, int]:
    phrase = _PHRASE.match(text, position)
    if phrase:
        return _clause_of(_unquoted(phrase), "phrase", excluded), phrase.end()
    bare = _BARE.match(text, position)
    if bare is None:
        raise AssertionError("the lexer stands at neither a quote nor a word")
    word = bare[0].rstrip(_PUNCTUATION + "-")
    if not word.endswith("*"):
        return _clause_of(word, "word", excluded), bare.end()
    word = word.rstrip(_PUNCTUATION + "-*")
    if sum(char.isalnum() for char in word) < 2:
        raise UsageError(
            "a prefix needs two letters before the star", received=f"{word}*", hint="re*"
        )
    return _clause_of(word, "prefix", excluded), bare.end()


def _clause_of(text: str, kind: Kind, excluded: bool) -> Clause | None:
    """Return the clause, or None when the text holds no letter and no digit to look for."""
    if not any(char.isalnum() for char in text):
        return None
    return Clause(text=text, kind=kind, excluded=excluded)


def _filter(text: str, field: re.Match[str], excluded: bool) -> tuple[FieldTerm, int]:
    name, position = field[1].lower(), field.end()
    values: dict[str, None] = {}
    while True:
        quoted = _PHRASE.match(text, position)
        bare = None if quoted else _VALUE.match(text, position)
        if quoted:
            value, position = _unquoted(quoted), quoted.end()
        elif bare:
            value, position = bare[0].rstrip(_TRAILING), bare.end()
        else:
            break
        if name not in FIELDS:
            raise UsageError(
                f"the query has no field {name}:",
                received=f"{field[0]}{value}",
                hint=f'"{field[0]}{value}" in quotes, or one of '
                + ", ".join(f"{known}:" for known in FIELDS),
            )
        values[normalise(name, value)] = None
        if not text.startswith(",", position):
            break
        position += 1
    return FieldTerm(field=name, values=tuple(values), excluded=excluded), position


def _unquoted(phrase: re.Match[str]) -> str:
    text = phrase[2] if phrase[1] is None else re.sub(r"\\(.)", r"\1", phrase[1])
    return " ".join(text.split())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _printed(value: str) -> str:
    return value if _PLAIN_VALUE.fullmatch(value) else _quoted(value)


def _printed_clause(clause: Clause) -> str:
    dash = "-" if clause.excluded else ""
    if clause.kind == "phrase":
        return dash + _quoted(clause.text)
    return f"{dash}{clause.text}{'*' if clause.kind == 'prefix' else ''}"
