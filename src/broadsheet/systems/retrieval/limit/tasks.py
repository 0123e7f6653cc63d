"""What retrievers are measured on: LIMIT, its patterns, and questions that ask for two things.

The questions about two things have an answer by definition: a person who likes both, an abstract
in which both terms stand. Exact matching of words can't lose on them; what is measured is how far
the others stay behind, and whether a fused list keeps what its words side found.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.paths import write_atomically
from broadsheet.core.recipe import recipe_hash
from broadsheet.core.seeds import SeedTree
from broadsheet.data.limit import attribute_of, read_attributes, read_limit_small
from broadsheet.data.papers import Paper, read_acl
from broadsheet.data.records import RetrievalSet
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.limit import recipe as names
from broadsheet.systems.retrieval.limit.attributes import (
    OWN_ATTRIBUTES,
    made_up_names,
    sentence_of,
)
from broadsheet.systems.retrieval.limit.generator import LimitGenerator, LimitSettings, Pattern
from broadsheet.systems.retrieval.limit.recipe import WorldSettings

#: The choice of abstracts and terms is the same for all seeds, so that each is encoded once.
_CHOICE = SeedTree(20261123).child("abstracts")
#: A term stands in this many of the searched abstracts; two of them meet in that many.
_HOLDING, _MEETING = (12, 80), (2, 10)
_EACH_TERM = 6
_IN_TITLE = 1 / 6
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_COMMON_WORDS = """
a an and are as at be between by can do for from has how in into is it its new not of on or our
over that the their this to toward towards under use used uses using via we what when which why
with without based approach approaches method methods model models task tasks paper system
systems study results learning data
"""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Task:
    """A retrieval set, and the terms that each question asks for.

    Args:
        name: In the report.
        data: Documents, questions, answers.
        terms: By question.
    """

    name: str
    data: RetrievalSet
    terms: Mapping[str, tuple[str, ...]]

    def first(self, queries: int) -> Task:
        """Return the task with its first questions only; 0 keeps all."""
        if not queries:
            return self
        return replace(self, data=self.data.only(set(list(self.data.queries)[:queries])))


def make_task(name: str, worlds: WorldSettings, seeds: SeedTree, workspace: Workspace) -> Task:
    """Read or make one test set.

    Raises:
        UsageError: No such set, or it needs files and no folder of data sets was given.
    """
    if name == names.SMALL:
        return _liked(name, read_limit_small(_inputs(workspace)))
    if name == names.FULL:
        settings = LimitSettings()
        made = LimitGenerator(_attributes(worlds, workspace), settings).make(seeds.child("full"))
        return _liked(name, made)
    if name in names.PATTERNED:
        pattern = cast(Pattern, name.removeprefix("pattern "))
        settings = LimitSettings(
            documents=worlds.documents,
            queries=worlds.queries,
            min_items=worlds.min_items,
            pattern=pattern,
        )
        generator = LimitGenerator(_attributes(worlds, workspace), settings)
        return _liked(name, generator.make(seeds.child("patterns")))
    if name == names.PEOPLE:
        return people_of_two_things(_attributes(worlds, workspace), worlds, seeds.child("people"))
    if name == names.ABSTRACTS:
        return _kept_abstracts(worlds, workspace)
    raise UsageError("no such test set", received=name)


def people_of_two_things(attributes: Sequence[str], worlds: WorldSettings, seeds: SeedTree) -> Task:
    """Return a world of people and questions "Who likes X and Y?" with 2 to 10 answers each.

    Raises:
        BadInput: Too few things, or too few pairs with as many answers.
    """
    rng = seeds.numpy()
    if len(attributes) < worlds.things:
        raise BadInput("too few things to like", received=len(attributes))
    things = [attributes[i] for i in rng.choice(len(attributes), worlds.things, replace=False)]
    likes = [rng.choice(worlds.things, worlds.each, replace=False) for _ in range(worlds.people)]
    people = made_up_names(worlds.people, seeds.child("names").numpy())
    documents = {
        name: sentence_of(name, [things[i] for i in mine])
        for name, mine in zip(people, likes, strict=True)
    }
    holding = [
        {name for name, mine in zip(people, likes, strict=True) if i in mine}
        for i in range(worlds.things)
    ]
    chosen = _pairs(holding, worlds.pairs, rng, each=worlds.pairs)
    asked = {f"pair_{i}": (things[a], things[b]) for i, (a, b) in enumerate(chosen)}
    queries = {key: f"Who likes {a} and {b}?" for key, (a, b) in asked.items()}
    qrels = {
        f"pair_{i}": dict.fromkeys(sorted(holding[a] & holding[b]), 1)
        for i, (a, b) in enumerate(chosen)
    }
    return Task(names.PEOPLE, RetrievalSet(documents, queries, qrels), asked)


def abstracts_of_two_terms(papers: Sequence[Paper], worlds: WorldSettings, seeds: SeedTree) -> Task:
    """Return real abstracts and queries "papers that use X and Y".

    A term is one or two words that stand beside each other in titles; it is in a paper if it
    stands there letter by letter (case aside) between other words, in title or abstract. Of the
    papers that hold it every sixth must hold it in its title: that keeps words that papers are
    about ("parsing") and drops others ("automatically").

    Raises:
        BadInput: Too few papers with an abstract, or too few pairs.
    """
    with_text = sorted((p for p in papers if p.abstract and p.title), key=lambda p: p.id)
    if len(with_text) < worlds.abstracts:
        raise BadInput("too few papers with an abstract", received=len(with_text))
    rng = seeds.numpy()
    kept = [with_text[i] for i in rng.permutation(len(with_text))[: worlds.abstracts]]
    documents = {p.id: f"{p.title}\n{' '.join(p.abstract.split())}" for p in kept}
    padded = {key: f" {' '.join(_WORD.findall(t.lower()))} " for key, t in documents.items()}
    counted = Counter(term for p in kept for term in set(_terms(p.title)))
    candidates = sorted(term for term, count in counted.items() if count >= 2)
    holding = {
        term: {key for key, text in padded.items() if f" {term} " in text} for term in candidates
    }
    low, high = _HOLDING
    terms = [
        term
        for term in candidates
        if low <= len(holding[term]) <= min(high, counted[term] / _IN_TITLE)
    ]
    chosen = _pairs([holding[term] for term in terms], worlds.pairs, rng, _EACH_TERM, terms)
    asked = {f"pair_{i}": (terms[a], terms[b]) for i, (a, b) in enumerate(chosen)}
    queries = {key: f"papers that use {a} and {b}" for key, (a, b) in asked.items()}
    qrels = {
        key: dict.fromkeys(sorted(holding[a] & holding[b]), 1) for key, (a, b) in asked.items()
    }
    return Task(names.ABSTRACTS, RetrievalSet(documents, queries, qrels), asked)


def _kept_abstracts(worlds: WorldSettings, workspace: Workspace) -> Task:
    """Choose the abstracts once for all runs: reading the collection takes a second."""
    path = workspace.shared / f"abstracts-{recipe_hash(worlds)}.json"
    if not path.is_file():
        papers = read_acl(_inputs(workspace) / "acl-anthology")
        task = abstracts_of_two_terms(papers, worlds, _CHOICE)
        parts = (task.data.documents, task.data.queries, task.data.qrels, task.terms)
        write_atomically(path, json.dumps(parts).encode())
    documents, queries, qrels, terms = json.loads(path.read_text(encoding="utf-8"))
    asked = {key: tuple(one) for key, one in terms.items()}
    return Task(names.ABSTRACTS, RetrievalSet(documents, queries, qrels), asked)


def _terms(title: str) -> list[str]:
    words = _WORD.findall(title.lower())
    plain = [word for word in words if len(word) > 3 and word not in _COMMON]
    beside = [
        f"{a} {b}"
        for a, b in itertools.pairwise(words)
        if len(a) > 2 and len(b) > 2 and not {a, b} & _COMMON
    ]
    return plain + beside


def _pairs(
    holding: Sequence[set[str]],
    count: int,
    rng: np.random.Generator,
    each: int,
    terms: Sequence[str] = (),
) -> list[tuple[int, int]]:
    """Draw pairs whose documents meet in 2 to 10, each place in at most `each` pairs."""
    low, high = _MEETING
    possible = [
        (a, b)
        for a in range(len(holding))
        for b in range(a + 1, len(holding))
        if low <= len(holding[a] & holding[b]) <= high
        and not (terms and set(terms[a].split()) & set(terms[b].split()))
    ]
    used: Counter[int] = Counter()
    found = []
    for place in rng.permutation(len(possible)):
        a, b = possible[place]
        if used[a] < each and used[b] < each:
            used.update((a, b))
            found.append((a, b))
        if len(found) == count:
            return found
    raise BadInput(
        "too few pairs of terms", received=f"{len(found)} of {count}", hint="more documents"
    )


def _liked(name: str, data: RetrievalSet) -> Task:
    return Task(name, data, {key: (attribute_of(text),) for key, text in data.queries.items()})


def _attributes(worlds: WorldSettings, workspace: Workspace) -> tuple[str, ...]:
    return OWN_ATTRIBUTES if worlds.source == "own" else read_attributes(_inputs(workspace))


def _inputs(workspace: Workspace) -> Path:
    if workspace.inputs is None:
        raise UsageError(
            "this needs a folder of data sets", hint="--data FOLDER; docs/guide/data.md"
        )
    return workspace.inputs
