"""Records of data sets: scored pairs, labelled texts, plain pairs, retrieval sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """Two texts and how similar people found them.

    Args:
        id: Unique within its data set.
        a: The first text.
        b: The second text.
        score: The gold score, on the scale of the data set (STS 0 to 5, SICK 1 to 5).
        label: A class of the pair, such as an entailment judgement, where there is one.

    Example:
        >>> ScoredPair("sick-4", "a boy plays", "a boy is playing", 4.7, "ENTAILMENT").score
        4.7
    """

    id: str
    a: str
    b: str
    score: float
    label: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and its class.

    Example:
        >>> LabelledText("cr-1", "sturdy and light", "1").label
        '1'
    """

    id: str
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts that belong together, for contrastive training.

    Example:
        >>> TextPair("bash", "GNU Bourne Again SHell", "Bash is a command interpreter").a
        'GNU Bourne Again SHell'
    """

    id: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Documents, queries and which document answers which query.

    Args:
        documents: Text by document id; a title stands in front of the text.
        queries: Text by query id; only queries that were judged.
        qrels: Gain by document id by query id; 0 is judged and not relevant.

    Example:
        >>> tiny = RetrievalSet({"d": "a wing"}, {"q": "wings", "r": "heat"}, {"q": {"d": 1}})
        >>> tiny.only({"q"}).queries
        {'q': 'wings'}
    """

    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]

    def only(self, queries: set[str]) -> RetrievalSet:
        """Return the same documents with some of the queries."""
        return replace(
            self,
            queries={key: text for key, text in self.queries.items() if key in queries},
            qrels={key: gains for key, gains in self.qrels.items() if key in queries},
        )
