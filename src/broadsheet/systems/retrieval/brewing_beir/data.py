"""What a row searches, and what trained rows learn from.

Nothing that is tested is trained on: training pairs are papers of the Anthology without its last
year, and none that is, or holds a near copy of, a text of any test set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import default_cache, write_atomically
from broadsheet.core.seeds import SeedTree
from broadsheet.data.beir import read_beir, read_cranfield
from broadsheet.data.files import find, json_lines
from broadsheet.data.heldout import held_out_texts, split_papers
from broadsheet.data.leaks import remove_leaks
from broadsheet.data.paper_pairs import title_abstract_pairs
from broadsheet.data.papers import read_acl, trainable
from broadsheet.data.records import RetrievalSet, TextPair
from broadsheet.nn.pretrained import load_backbone
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.brewing_beir.recipe import LEXICAL, PUBLIC, Recipe
from broadsheet.systems.retrieval.brewing_beir.world import made_papers, made_set, made_tokenizer

#: Abstracts of the held-out year that are searched, and titles that ask; the same for all rows.
ACL_DOCUMENTS, ACL_QUERIES = 500, 500
_CHOICE = SeedTree(20261123)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSet:
    """A set that a row is measured on.

    Args:
        name: In the report.
        retrieval: Documents, queries, judgements.
        fields: Title and text of each document, for BM25 over fields; empty where there is no
            title apart from the text.
    """

    __test__ = False

    name: str
    retrieval: RetrievalSet
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowData:
    """All that a row reads.

    Args:
        tests: What it is measured on.
        training: Pairs (title, abstract); empty for rows that don't train.
        tokenizer: Of the encoder; None for rows without one.
    """

    tests: tuple[TestSet, ...]
    training: tuple[TextPair, ...] = ()
    tokenizer: Tokenizer | None = None

    def digest(self) -> str:
        """Return a hash of all tests, which names what was measured on them."""
        found = hashlib.sha256()
        for test in self.tests:
            parts = (test.name, test.retrieval.documents, test.retrieval.queries)
            found.update(repr((*parts, test.retrieval.qrels, test.fields)).encode())
        return found.hexdigest()[:12]


def read_data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> RowData:
    """Read the sets of a recipe.

    Raises:
        BadInput: A set is missing or broken.
    """
    if recipe.sets == ("made",):
        return _made(recipe)
    tests = tuple(read_test(name, recipe, _inputs(workspace)) for name in recipe.sets)
    if recipe.kind in LEXICAL:
        return RowData(tests=tests)
    start = recipe.encoder.start
    _, tokenizer = load_backbone(start, default_cache() / "backbones", workspace.progress)
    tokenizer.no_padding()
    training = training_pairs(workspace)[: recipe.pairs] if recipe.trained else ()
    return RowData(tests=tests, training=training, tokenizer=tokenizer)


def read_test(name: str, recipe: Recipe, folder: Path) -> TestSet:
    """Read one test set, or its development part when `recipe.dev`.

    Any other name than cranfield and acl is a folder in the layout of BEIR: `beir/<name>` or
    `<name>` in the folder of data sets.

    Raises:
        BadInput: It is missing or broken.
    """
    if name == "cranfield":
        half = read_cranfield(folder, "odd" if recipe.dev else "even")
        return TestSet(name=name, retrieval=half, fields=_fields(folder / name, "id"))
    if name == "acl":
        return TestSet(name=name, retrieval=acl_set(folder, dev=recipe.dev))
    place = next((p for p in (folder / "beir" / name, folder / name) if p.is_dir()), None)
    if place is None:
        raise BadInput(
            f"no folder of {name} in the layout of BEIR",
            received=folder / "beir" / name,
            hint="docs/guide/leaderboard.md says where the sets come from",
        )
    split = {"nfcorpus": "dev", "scifact": "train"}.get(name, "dev") if recipe.dev else "test"
    return TestSet(name=name, retrieval=read_beir(place, split), fields=_fields(place, "_id"))


def acl_set(folder: Path, *, dev: bool = False) -> RetrievalSet:
    """Return papers of the held-out year: each title asks for its abstract.

    The development part takes as many other papers from the years of training.
    """
    train, test = split_papers(read_acl(folder))
    pairs = title_abstract_pairs(train if dev else test)
    order = _CHOICE.child("acl", "dev" if dev else "test").numpy().permutation(len(pairs))
    chosen = [pairs[place] for place in order[:ACL_DOCUMENTS]]
    asking = chosen[:ACL_QUERIES]
    return RetrievalSet(
        {pair.id: pair.b for pair in chosen},
        {f"t-{pair.id}": pair.a for pair in asking},
        {f"t-{pair.id}": {pair.id: 1} for pair in asking},
    )


def training_pairs(workspace: Workspace) -> tuple[TextPair, ...]:
    """Return titles and abstracts without leaks, shuffled once for all seeds.

    Which ones are clean is kept in a file, as finding leaks takes long.

    Raises:
        BadInput: A data set is missing.
    """
    folder = _inputs(workspace)
    path = workspace.shared / f"pairs-{_stamp(folder)}.json"
    if not path.is_file():
        clean = [[pair.id, pair.a, pair.b] for pair in _clean_pairs(folder)]
        write_atomically(path, json.dumps(clean).encode())
    kept = [TextPair(*row) for row in json.loads(path.read_text(encoding="utf-8"))]
    return tuple(kept[place] for place in _CHOICE.child("pairs").numpy().permutation(len(kept)))


def _clean_pairs(folder: Path) -> tuple[TextPair, ...]:
    train, _ = split_papers(trainable(read_acl(folder)))
    tested = [text for texts in held_out_texts(folder).values() for text in texts]
    blank = Recipe(arm="", kind="bm25")
    for name in PUBLIC:
        found = read_test(name, blank, folder).retrieval
        tested += [*found.documents.values(), *found.queries.values()]
    return remove_leaks(title_abstract_pairs(train), tested).kept


def _stamp(folder: Path) -> str:
    """Return a name of the files that training pairs are made from, by their sizes."""
    names = ("acl-anthology", "cranfield", *(f"beir/{name}" for name in PUBLIC))
    files = sorted(path for name in names for path in (folder / name).rglob("*") if path.is_file())
    facts = [(str(path.relative_to(folder)), path.stat().st_size) for path in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def _fields(place: Path, key: str) -> dict[str, dict[str, str]]:
    path = find(place, "corpus.jsonl")
    rows = (data for _, data in json_lines(path))
    return {
        str(data[key]): {"title": data.get("title") or "", "text": data.get("text") or ""}
        for data in rows
    }


def _made(recipe: Recipe) -> RowData:
    papers = made_papers(recipe.made, _CHOICE.child("made"))
    half = len(papers) // 2
    test = made_set(papers[:half])
    # Queries have names of their own: one that is also a document would be removed from its run.
    renamed = replace(
        test,
        queries={f"t-{key}": text for key, text in test.queries.items()},
        qrels={f"t-{key}": gains for key, gains in test.qrels.items()},
    )
    fields = {pair.id: {"title": pair.a.split()[0], "text": pair.b} for pair in papers[:half]}
    return RowData(
        tests=(TestSet(name="made", retrieval=renamed, fields=fields),),
        training=papers[half:] if recipe.trained else (),
        tokenizer=made_tokenizer(papers, recipe.encoder.vocab),
    )


def _inputs(workspace: Workspace) -> Path:
    if workspace.inputs is None:
        raise BadInput(
            "this preset needs data sets", hint="--inputs FOLDER, or BROADSHEET_DATA=FOLDER"
        )
    return workspace.inputs
