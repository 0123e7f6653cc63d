"""Sections of an edition: by category where papers have one, else by a word they share.

A section that is named by a word holds only papers that print this word in their title, or at
least twice in the abstract: the name is always true.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from broadsheet.papers.model import Work
from broadsheet.papers.results import EditionEntry
from broadsheet.papers.trending.signals import category_of
from broadsheet.papers.trending.topics import Terms, term_number, terms_of, words_of

#: Names of the sections that every edition may have.
LEAD, REST = "Lead", "In brief"
#: Papers of the lead.
_LEAD_PAPERS = 3
#: Fewest papers of a section with a name of its own.
_SMALLEST = 3
#: Most sections named by a word; more papers allow more of them.
_MOST_SECTIONS = 8
#: Share of papers that must have a category before sections go by category.
_MOSTLY = 0.8
#: Papers of a section that must have its word in the title.
_FEWEST_TITLES = 2
#: Times that title (counted twice) and abstract must hold a word to belong under it.
_SALIENT = 2

#: Printed names of the categories most seen here; any other is printed as its code.
CATEGORY_NAMES: Mapping[str, str] = {
    "cs.AI": "Artificial Intelligence",
    "cs.AR": "Hardware Architecture",
    "cs.CL": "Computation and Language",
    "cs.CR": "Cryptography and Security",
    "cs.CV": "Computer Vision",
    "cs.CY": "Computers and Society",
    "cs.DB": "Databases",
    "cs.DC": "Distributed Computing",
    "cs.DS": "Data Structures and Algorithms",
    "cs.GR": "Graphics",
    "cs.HC": "Human-Computer Interaction",
    "cs.IR": "Information Retrieval",
    "cs.IT": "Information Theory",
    "cs.LG": "Machine Learning",
    "cs.LO": "Logic in Computer Science",
    "cs.MA": "Multiagent Systems",
    "cs.MM": "Multimedia",
    "cs.NE": "Neural and Evolutionary Computing",
    "cs.PL": "Programming Languages",
    "cs.RO": "Robotics",
    "cs.SD": "Sound",
    "cs.SE": "Software Engineering",
    "cs.SI": "Social and Information Networks",
    "eess.AS": "Audio and Speech Processing",
    "eess.IV": "Image and Video Processing",
    "eess.SP": "Signal Processing",
    "math.OC": "Optimization and Control",
    "math.ST": "Statistics Theory",
    "q-bio.NC": "Neurons and Cognition",
    "stat.ME": "Methodology",
    "stat.ML": "Statistical Machine Learning",
}


@dataclass(frozen=True, slots=True)
class _Paper:
    entry: EditionEntry
    work: Work
    title: frozenset[int]
    often: frozenset[int]


def arrange(
    entries: Sequence[EditionEntry],
    works: Mapping[str, Work],
    surroundings: Sequence[Work],
    terms: Callable[[Work], Terms] = terms_of,
) -> tuple[EditionEntry, ...]:
    """Put ranked entries into sections and into the order printed.

    The three best lead. Sections follow by size, the larger first; "In brief" is last. Inside a
    section papers keep their rank.

    Args:
        entries: All papers of the day, best first.
        works: The works of the entries by id.
        surroundings: Papers of the last weeks, which tell the rare words from the common ones.
        terms: Gives the terms of a work.
    """
    lead = [replace(entry, section=LEAD) for entry in entries[:_LEAD_PAPERS]]
    rest = entries[_LEAD_PAPERS:]
    with_category = sum(bool(category_of(works[entry.work_id])) for entry in rest)
    if rest and with_category >= _MOSTLY * len(rest):
        groups = _by_category(rest, works)
    else:
        groups = _by_word(rest, works, surroundings, terms)
    placed = {entry.work_id for group in groups.values() for entry in group}
    remaining = [entry for entry in rest if entry.work_id not in placed]
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[1][0].rank))
    if remaining:
        ordered.append((REST, remaining))
    return tuple(lead) + tuple(
        replace(entry, section=name) for name, group in ordered for entry in group
    )


def _by_category(
    entries: Sequence[EditionEntry], works: Mapping[str, Work]
) -> dict[str, list[EditionEntry]]:
    groups: dict[str, list[EditionEntry]] = {}
    for entry in entries:
        code = category_of(works[entry.work_id])
        groups.setdefault(CATEGORY_NAMES.get(code, code), []).append(entry)
    return {name: group for name, group in groups.items() if name and len(group) >= _SMALLEST}


def _by_word(
    entries: Sequence[EditionEntry],
    works: Mapping[str, Work],
    surroundings: Sequence[Work],
    terms: Callable[[Work], Terms],
) -> dict[str, list[EditionEntry]]:
    """Take again and again the word that stands out most in the papers that are left."""
    usual: Counter[int] = Counter()
    for work in surroundings:
        usual.update(_often(work, terms))
    papers = [_paper(entry, works[entry.work_id], terms) for entry in entries]
    most = max(_SMALLEST, len(papers) // 2)
    groups: dict[str, list[EditionEntry]] = {}
    for _ in range(min(_MOST_SECTIONS, len(papers) // _SMALLEST)):
        best, best_score = None, 0.0
        in_titles = Counter(number for paper in papers for number in paper.title)
        in_papers = Counter(number for paper in papers for number in paper.title | paper.often)
        for number, titles in sorted(in_titles.items()):
            count = in_papers[number]
            rarity = math.log((len(surroundings) + 1) / (usual[number] + 1))
            score = round((count + titles) * rarity, 6)
            if _SMALLEST <= count <= most and titles >= _FEWEST_TITLES and score > best_score:
                best, best_score = number, score
        if best is None:
            break
        members = [paper for paper in papers if best in paper.title | paper.often]
        groups[_printed(best, members)] = [paper.entry for paper in members]
        papers = [paper for paper in papers if best not in paper.title | paper.often]
    return groups


def _often(work: Work, terms: Callable[[Work], Terms]) -> list[int]:
    """Return the terms that title (counted twice) and abstract hold at least twice."""
    own = terms(work)
    often: list[int] = own.ids[own.counts >= _SALIENT].tolist()
    return often


def _paper(entry: EditionEntry, work: Work, terms: Callable[[Work], Terms]) -> _Paper:
    title = frozenset(term_number(form) for form, _ in words_of(work.title_text))
    return _Paper(entry, work, title, frozenset(_often(work, terms)))


def _printed(number: int, members: Sequence[_Paper]) -> str:
    """Return the word as the section's papers print it most, with a capital."""
    forms: Counter[str] = Counter()
    for member in members:
        for form, printed in words_of(f"{member.work.title_text} {member.work.abstract_text}"):
            if term_number(form) == number:
                forms[printed.lower() if printed.istitle() else printed] += 1
    best = min(forms, key=lambda form: (-forms[form], form))
    return best[0].upper() + best[1:]
