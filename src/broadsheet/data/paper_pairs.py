"""Pairs of papers for contrastive training: title and abstract, same venue, key words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from broadsheet.core.seeds import SeedTree
from broadsheet.data.papers import Paper
from broadsheet.data.records import TextPair

#: Abstracts with fewer words than this are announcements, not abstracts.
LEAST_WORDS = 20


def text_of(paper: Paper) -> str:
    """Return title and abstract as one text."""
    return f"{paper.title}. {paper.abstract}" if paper.abstract else paper.title


def title_abstract_pairs(papers: Sequence[Paper]) -> tuple[TextPair, ...]:
    """Pair each title with its abstract; a title or abstract that returns is taken once."""
    pairs: list[TextPair] = []
    seen: set[str] = set()
    for paper in papers:
        keys = {paper.title.casefold(), paper.abstract.casefold()}
        if len(paper.abstract.split()) < LEAST_WORDS or keys & seen:
            continue
        seen |= keys
        pairs.append(TextPair(paper.id, paper.title, paper.abstract))
    return tuple(pairs)


def venue_pairs(papers: Sequence[Paper], seeds: SeedTree) -> tuple[TextPair, ...]:
    """Pair papers of one venue and year at random, each paper in at most one pair of its venue.

    A weak signal: good for separating fields, useless within one. Venues are taken as they are
    named, so a conference with 500 papers gives 250 pairs.

    Args:
        papers: Papers with venues.
        seeds: Decides who meets whom.
    """
    groups: dict[tuple[str, int], list[Paper]] = defaultdict(list)
    for paper in papers:
        for venue in paper.venues:
            groups[venue, paper.year].append(paper)
    pairs = []
    for (venue, year), members in sorted(groups.items()):
        order = seeds.child("venue", venue, year).numpy().permutation(len(members))
        for first, second in zip(order[::2], order[1::2], strict=False):
            a, b = members[first], members[second]
            if a.id != b.id:
                pairs.append(TextPair(f"{a.id}|{b.id}", text_of(a), text_of(b)))
    return tuple(pairs)


def keyword_pairs(papers: Sequence[Paper]) -> tuple[TextPair, ...]:
    """Pair the key words of each paper, as a list in words, with its title and abstract."""
    return tuple(
        TextPair(paper.id, ", ".join(paper.keywords), text_of(paper))
        for paper in papers
        if paper.keywords and paper.abstract
    )


def shared_keyword_pairs(
    papers: Sequence[Paper], least_shared: int = 2, most_papers: int = 50
) -> tuple[TextPair, ...]:
    """Pair papers that share rare key words.

    Args:
        papers: Papers with key words.
        least_shared: How many key words two papers must share.
        most_papers: Key words of more papers than this say too little.
    """
    owners: Mapping[str, list[int]] = defaultdict(list)
    for place, paper in enumerate(papers):
        for word in {keyword.casefold() for keyword in paper.keywords}:
            owners[word].append(place)
    shared: Counter[tuple[int, int]] = Counter()
    for places in owners.values():
        if len(places) <= most_papers:
            shared.update(combinations(places, 2))
    return tuple(
        TextPair(
            f"{papers[first].id}|{papers[second].id}",
            text_of(papers[first]),
            text_of(papers[second]),
        )
        for (first, second), count in sorted(shared.items())
        if count >= least_shared
    )
