"""Which fields a words query is scored in: one text, two fields, and what the title adds.

    python benchmarks/word_fields.py

1. Cranfield's odd queries (settings may be chosen on them), nDCG@10, every judgement relevant.
2. "papers that use X and Y" on 1,000 abstracts of the ACL of 2018: two words that stand together in
   2 to 10 of them; recall@10 of those papers.
3. A title as the query: how often its own paper comes first (300 of these papers).
"""

from __future__ import annotations

import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tantivy
from tantivy import Occur, Query

from _report import DATA, write_report
from broadsheet.data.papers import read_acl
from broadsheet.index.predicates import Document
from broadsheet.index.wordfiles import WEIGHTS, register_analysers
from search_quality import difference, gains, read_cranfield

YEAR, PAPERS, PAIRS, TITLES = 2018, 1000, 200, 300
#: Frequencies of a word, and of two words together, among the papers.
OF_A_WORD, OF_BOTH = (15, 150), (2, 10)
SEED = 5
ARMS: Mapping[str, Mapping[str, float]] = {
    "title + body": {"title": 1.0, "body": 1.0, "names": 1.0},
    **{
        f"text + {weight} title": {"text": 1.0, "title": weight, "names": 1.0}
        for weight in (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
    },
}


@dataclass(frozen=True)
class Fields:
    """An index with title, body and both as one text."""

    index: tantivy.Index
    stem: tantivy.TextAnalyzer
    fold: tantivy.TextAnalyzer

    def search(self, text: str, weights: Mapping[str, float], limit: int) -> list[str]:
        """Return the ids of the best documents, equal scores by number."""
        parts = []
        for field, weight in weights.items():
            words = (self.fold if field == "names" else self.stem).analyze(text)
            for word in dict.fromkeys(words) if weight else ():
                query = Query.term_query(self.index.schema, field, word)
                parts.append((Occur.Should, Query.boost_query(query, weight)))
        searcher = self.index.searcher()
        result = searcher.search(Query.boolean_query(parts), limit)
        numbers = searcher.fast_field_values("number", [address for _, address in result.hits])
        ranked = sorted(zip([-hit[0] for hit in result.hits], numbers, strict=True))
        return [str(number) for _, number in ranked]


def build(documents: Sequence[Document], folder: str) -> Fields:
    builder = tantivy.SchemaBuilder()
    for field in ("title", "body", "text"):
        builder.add_text_field(field, tokenizer_name="stemmed")
    builder.add_text_field("names", tokenizer_name="folded")
    builder.add_integer_field("number", indexed=True, fast=True)
    index = tantivy.Index(builder.build(), folder)
    stem, fold = register_analysers(index)
    writer = index.writer(64_000_000, 1)
    for one in documents:
        row = tantivy.Document()
        row.add_integer("number", one.number)
        for field in ("title", "body", "names"):
            text = getattr(one, field)
            if text:
                row.add_text(field, text)
                if field != "names":
                    row.add_text("text", text)
        writer.add_document(row)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return Fields(index, stem, fold)


def abstracts(chooser: random.Random, year: int = YEAR) -> list[Document]:
    papers = [p for p in read_acl(DATA / "acl-anthology") if p.year == year and p.abstract]
    chosen = chooser.sample(papers, PAPERS)
    return [
        Document(number=at, title=paper.title, body=paper.abstract)
        for at, paper in enumerate(chosen)
    ]


def questions(documents: Sequence[Document], chooser: random.Random) -> list[tuple[str, set[str]]]:
    holding: dict[str, set[str]] = defaultdict(set)
    for one in documents:
        for word in set(re.findall(r"[a-z]{5,}", f"{one.title} {one.body}".lower())):
            holding[word].add(str(one.number))
    words = sorted(w for w, ids in holding.items() if OF_A_WORD[0] <= len(ids) <= OF_A_WORD[1])
    found: list[tuple[str, set[str]]] = []
    while len(found) < PAIRS:
        first, second = chooser.sample(words, 2)
        both = holding[first] & holding[second]
        if OF_BOTH[0] <= len(both) <= OF_BOTH[1]:
            found.append((f"papers that use {first} and {second}", both))
    return found


def main() -> None:
    chooser = random.Random(SEED)
    documents, queries, judged = read_cranfield(DATA / "cranfield")
    relevant: dict[str, dict[str, int]] = defaultdict(dict)
    for query, document, _ in judged:
        if int(query) % 2:
            relevant[query][document] = 1
    odd = {name: text for name, text in queries.items() if name in relevant}
    papers = abstracts(chooser)
    asked = questions(papers, chooser)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        cranfield, anthology = build(documents, first), build(papers, second)
        rows, per_query = [], {}
        for name, weights in ARMS.items():
            lists = {key: cranfield.search(text, weights, 100) for key, text in odd.items()}
            per_query[name] = gains(lists, relevant)
            found = [
                len(both & set(anthology.search(text, weights, 10))) / len(both)
                for text, both in asked
            ]
            titles = [
                anthology.search(one.title, weights, 1) == [str(one.number)]
                for one in papers[:TITLES]
            ]
            rows.append(
                {
                    "fields": name,
                    "taken": dict(weights) == WEIGHTS,
                    "cranfield odd, nDCG@10 x 100": round(
                        100 * float(np.mean(list(per_query[name].values()))), 2
                    ),
                    "against title + body": difference(per_query[name], per_query["title + body"]),
                    "two words, recall@10 x 100": round(100 * float(np.mean(found)), 1),
                    "own title first, x 100": round(100 * float(np.mean(titles)), 1),
                }
            )
            print(rows[-1], flush=True)
    counts = {"queries": len(odd), "questions": len(asked), "papers": len(papers)}
    write_report(
        "word_fields",
        {**counts, "arms": rows},
        spread="paired bootstrap over queries, 95 %, 10,000 draws",
    )


if __name__ == "__main__":
    main()
