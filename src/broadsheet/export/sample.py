"""The sample that exports are judged on when no other is given: find a passage by a part of it."""

from __future__ import annotations

from broadsheet.data.records import RetrievalSet
from broadsheet.runtime.sample import sample_texts


def passage_search(words: int = 8) -> RetrievalSet:
    """Return passages as documents and the first words of each as its query.

    Args:
        words: Words of a query; many make the task easy, for encoders that hardly learned.

    Example:
        >>> sample = passage_search()
        >>> len(sample.queries) == len(sample.qrels)
        True
    """
    passages = {f"p{n}": text for n, text in enumerate(dict.fromkeys(sample_texts()))}
    queries = {
        f"q-{name}": " ".join(text.split()[:words])
        for name, text in passages.items()
        if len(text.split()) > 16
    }
    return RetrievalSet(
        documents=passages,
        queries=queries,
        qrels={query: {query.removeprefix("q-"): 1} for query in queries},
    )
