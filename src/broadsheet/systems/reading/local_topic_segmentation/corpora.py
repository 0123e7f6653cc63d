"""Which documents an arm learns from, chooses its threshold on, and is measured on.

Manual pages often repeat each other's sentences. Pages that share a third of their sentences stay
in one split, and so does everything of a page.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import default_cache
from broadsheet.data.fetching import fetch
from broadsheet.data.manual_pages import MANUAL_PAGES, PAGE_SECTIONS, read_manual_pages
from broadsheet.data.segmentation import (
    ROLES,
    SegmentedDocument,
    read_choi,
    read_csabstruct,
    read_wiki_sections,
)
from broadsheet.data.wikisection import read_wikisection, wikisection_classes
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe
from broadsheet.systems.reading.local_topic_segmentation.world import TOPICS, make_documents

Documents = tuple[SegmentedDocument, ...]
#: A sentence that stands on more pages says nothing about two of them.
_BOILERPLATE = 12
_SHARED = 1 / 3
_FEWEST_UNITS, _MOST_UNITS, _FEWEST_SEGMENTS = 12, 120, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The documents of a run.

    Args:
        name: Of the test set, in the report.
        classes: Topic classes; empty where there are none.
        train: To learn from.
        dev: To choose thresholds and settings on.
        test: To measure on.

    Raises:
        BadInput: A document has a class that is none of them.
    """

    name: str
    classes: tuple[str, ...]
    train: Documents
    dev: Documents
    test: Documents

    def __post_init__(self) -> None:
        for part in (self.train, self.dev, self.test):
            unknown = {label for one in part for label in one.labels} - {*self.classes}
            if self.classes and unknown:
                raise BadInput("a document has an unknown class", received=sorted(unknown)[:5])
            if not part:
                raise BadInput("a split has no documents", received=self.name)


def read_corpus(recipe: Recipe, workspace: Workspace) -> Corpus:
    """Return the documents of a recipe's world.

    Raises:
        BadInput: A data set is missing or broken.
        SourceError: The manual pages are nowhere here and can't be fetched.
    """
    readers: dict[str, Callable[[Recipe, Workspace], Corpus]] = {
        "csabstruct": _csabstruct,
        "manual": _manual,
        "wiki": _wiki,
        "choi": _choi,
        "wikisection": _wikisection,
        "made": _made,
    }
    corpus = readers[recipe.world](recipe, workspace)
    if not recipe.documents and not recipe.dev_documents:
        return corpus
    return Corpus(
        name=corpus.name,
        classes=corpus.classes,
        train=corpus.train[: recipe.documents or None],
        dev=corpus.dev[: recipe.dev_documents or None],
        test=corpus.test,
    )


def together(documents: Sequence[SegmentedDocument]) -> list[list[int]]:
    """Return groups of documents that share a third of the shorter one's units.

    Example:
        >>> one = SegmentedDocument(id="a", units=("x", "y", "z"), masses=(3,))
        >>> other = SegmentedDocument(id="b", units=("x", "v", "w"), masses=(3,))
        >>> third = SegmentedDocument(id="c", units=("t", "v"), masses=(2,))
        >>> together([one, other, third, SegmentedDocument(id="d", units=("q",), masses=(1,))])
        [[0, 1, 2], [3]]
    """
    holders: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(documents):
        for unit in {unit.lower() for unit in one.units}:
            holders[unit].append(place)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for places in holders.values():
        if len(places) <= _BOILERPLATE:
            for at, first in enumerate(places):
                for second in places[at + 1 :]:
                    shared[first, second] += 1
    parent = list(range(len(documents)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for (first, second), count in shared.items():
        if count >= _SHARED * min(len(documents[first].units), len(documents[second].units)):
            parent[max(root(first), root(second))] = min(root(first), root(second))
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(documents)):
        groups[root(place)].append(place)
    return list(groups.values())


def split_by_group(
    documents: Sequence[SegmentedDocument], shares: tuple[float, float], most: int = 0
) -> tuple[Documents, Documents, Documents]:
    """Return train, dev and test, groups of like documents kept whole, in an order by hash of name.

    Args:
        documents: All of them.
        shares: Of dev and of test.
        most: Documents taken in all; 0 for all.
    """
    groups = together(documents)
    groups.sort(key=lambda group: _hash(documents[group[0]].id))
    parts: tuple[list[SegmentedDocument], ...] = ([], [], [])
    total = min(most or len(documents), len(documents))
    limits = (shares[1] * total, shares[0] * total, float(total))
    taken = 0
    for group in groups:
        if taken >= total:
            break
        # Test first, then dev, then train: a large group never overfills the small splits.
        place = next((at for at in (2, 1) if len(parts[at]) + len(group) <= limits[2 - at] + 1), 0)
        parts[place].extend(documents[at] for at in group)
        taken += len(group)
    return tuple(parts[0]), tuple(parts[1]), tuple(parts[2])


def _csabstruct(recipe: Recipe, workspace: Workspace) -> Corpus:
    folder = inputs_of(workspace)
    dev = read_csabstruct(folder, "dev")
    return Corpus(
        name="csabstruct",
        classes=ROLES,
        train=read_csabstruct(folder, "train"),
        dev=dev,
        test=dev if recipe.dev else read_csabstruct(folder, "test"),
    )


def _manual(recipe: Recipe, workspace: Workspace) -> Corpus:
    pages = [
        page
        for page in read_manual_pages(pages_folder(workspace))
        if _FEWEST_UNITS <= len(page.units) <= _MOST_UNITS and len(page.masses) >= _FEWEST_SEGMENTS
    ]
    train, dev, test = split_by_group(pages, (0.15, 0.25), recipe.pages)
    return Corpus(
        name="manual pages",
        classes=PAGE_SECTIONS,
        train=train,
        dev=dev,
        test=dev if recipe.dev else test,
    )


def _wiki(recipe: Recipe, workspace: Workspace) -> Corpus:
    articles = [_unlabelled(one) for one in read_wiki_sections(inputs_of(workspace))]
    train, dev, test = split_by_group(articles, (0.15, 0.3))
    return Corpus(
        name="wiki sections", classes=(), train=train, dev=dev, test=dev if recipe.dev else test
    )


def _choi(recipe: Recipe, workspace: Workspace) -> Corpus:
    """Return Choi's texts for threshold and test; what is learned comes from Wikipedia.

    Choi's texts are made of the same 124 pieces over and over, so nothing is trained on them.
    """
    articles = [_unlabelled(one) for one in read_wiki_sections(inputs_of(workspace))]
    texts = sorted(read_choi(inputs_of(workspace)), key=lambda one: _hash(one.id))
    train, dev, test = articles, texts[:60], texts[60:220]
    return Corpus(
        name="choi",
        classes=(),
        train=tuple(train),
        dev=tuple(dev),
        test=tuple(dev if recipe.dev else test),
    )


def _wikisection(recipe: Recipe, workspace: Workspace) -> Corpus:
    folder = inputs_of(workspace)
    parts = [
        read_wikisection(folder, recipe.language_topic, split)
        for split in ("train", "validation", "test")
    ]
    return Corpus(
        name=recipe.language_topic,
        classes=wikisection_classes(parts[0]),
        train=parts[0],
        dev=parts[1],
        test=parts[2],
    )


def _made(recipe: Recipe, workspace: Workspace) -> Corpus:
    train, dev, test = (
        make_documents(count, part)
        for count, part in zip((24, 8, 12), ("train", "dev", "test"), strict=True)
    )
    return Corpus(name="made", classes=TOPICS, train=train, dev=dev, test=test)


def inputs_of(workspace: Workspace) -> Path:
    """Return the folder of data sets.

    Raises:
        BadInput: None was named.
    """
    if workspace.inputs is None:
        raise BadInput(
            "this preset needs data sets", hint="--inputs FOLDER, or BROADSHEET_DATA=FOLDER"
        )
    return workspace.inputs


def pages_folder(workspace: Workspace) -> Path:
    """Return where the manual pages are: among the inputs, else fetched once into the cache."""
    if workspace.inputs is not None and (workspace.inputs / MANUAL_PAGES.folder).is_dir():
        return workspace.inputs
    folder = default_cache() / "data"
    fetch(MANUAL_PAGES, folder, workspace.progress)
    return folder


def _unlabelled(one: SegmentedDocument) -> SegmentedDocument:
    return SegmentedDocument(id=one.id, units=one.units, masses=one.masses)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
