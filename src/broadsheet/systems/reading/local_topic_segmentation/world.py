"""Made documents for small runs: each topic has words of its own and some that all share."""

from __future__ import annotations

from broadsheet.core.seeds import SeedTree
from broadsheet.data.segmentation import SegmentedDocument, labelled_runs

TOPICS = ("sea", "bread", "stars")
_OWN = {
    "sea": ("wave", "ship", "sail", "harbour", "tide", "salt", "whale", "anchor"),
    "bread": ("flour", "oven", "dough", "crust", "yeast", "baker", "loaf", "knead"),
    "stars": ("orbit", "planet", "comet", "light", "sky", "lens", "night", "moon"),
}
_SHARED = ("the", "a", "and", "old", "new", "goes", "is", "near")
#: What is drawn is the same for all seeds of a run.
_SEEDS = SeedTree(20261124)


def make_documents(count: int, part: str) -> tuple[SegmentedDocument, ...]:
    """Return documents of 2 to 4 runs of 2 to 4 sentences.

    Example:
        >>> [document] = make_documents(1, "example")
        >>> set(document.labels) <= set(TOPICS)
        True
    """
    rng = _SEEDS.child("made", part).numpy()
    documents = []
    for number in range(count):
        units: list[str] = []
        labels: list[str] = []
        topic = int(rng.integers(len(TOPICS)))
        for _ in range(int(rng.integers(2, 5))):
            topic = (topic + int(rng.integers(1, len(TOPICS)))) % len(TOPICS)
            for _ in range(int(rng.integers(2, 5))):
                own = rng.choice(_OWN[TOPICS[topic]], size=4)
                shared = rng.choice(_SHARED, size=3)
                units.append(" ".join(rng.permutation([*own, *shared])))
                labels.append(TOPICS[topic])
        documents.append(labelled_runs(f"{part}-{number}", units, labels))
    return tuple(documents)
