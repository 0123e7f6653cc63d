"""What is read: paired texts with their tokens and teacher vectors, and the four tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from broadsheet.core.errors import UsageError
from broadsheet.core.paths import default_home
from broadsheet.core.seeds import SeedTree
from broadsheet.data.beir import read_cranfield
from broadsheet.data.heldout import held_out_texts
from broadsheet.data.leaks import LeakIndex, remove_leaks
from broadsheet.data.papers import Paper, read_acl, read_daily, trainable
from broadsheet.data.records import RetrievalSet, ScoredPair
from broadsheet.data.sick import read_sick
from broadsheet.data.sts import read_stsb
from broadsheet.data.wordnet import read_wordnet
from broadsheet.runtime.encoder import Encoder, load_encoder
from broadsheet.runtime.models import model_folder
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.broadsheet_embed.corpus import (
    Corpus,
    choose_synsets,
    gloss_pairs,
    grammar_pairs,
    join,
    paper_pairs,
)
from broadsheet.systems.text.broadsheet_embed.recipe import Recipe
from broadsheet.systems.text.broadsheet_embed.teacher import VectorStore, centred

#: The corpus is the same for every seed; seeds differ in order, dropout and draws of pairs.
_CORPUS = SeedTree(0).child("broadsheet_embed", "corpus")
_TRAIN_UNTIL = 2019
_GATE_YEAR, _TEST_YEAR = 2021, 2022
_QUERIES = 500
_DOCUMENTS = 2_000


@dataclass(frozen=True, slots=True)
class Tests:
    """The data sets that no text was trained on."""

    sts: dict[str, tuple[ScoredPair, ...]]
    retrieval: dict[str, RetrievalSet]

    def texts(self) -> list[str]:
        """Return every different text of every test."""
        texts = [text for pairs in self.sts.values() for pair in pairs for text in (pair.a, pair.b)]
        for task in self.retrieval.values():
            texts += [*task.documents.values(), *task.queries.values()]
        return list(dict.fromkeys(texts))


@dataclass(frozen=True, slots=True)
class Data:
    """Everything of one arm.

    Args:
        corpus: Texts and pairs.
        ids: Tokens of each text, cut, without padding.
        teacher: The teacher's vectors [texts, D], or None.
        counts: Occurrences of each token in the texts, [vocabulary].
        tests: Test sets.
        gate: A retrieval sample that is no test: what an export may not lose on.
    """

    corpus: Corpus
    ids: tuple[np.ndarray, ...]
    teacher: Tensor | None
    counts: Tensor
    tests: Tests
    gate: RetrievalSet


def read_data(
    recipe: Recipe, tokenizer: Tokenizer | None, workspace: Workspace, *, special: bool
) -> Data:
    """Read the corpus and the tests, and compute what the teacher says (kept on disk).

    Without a tokenizer (a rival, which is not trained) only the tests are read.
    """
    tests = grammar_tests() if recipe.corpus.source == "grammar" else real_tests(workspace)
    if tokenizer is None:
        return Data(Corpus((), {}), (), None, torch.zeros(0), tests, tests.retrieval["ACL"])
    corpus = _corpus(recipe, tests, workspace)
    ids = tokens_of(tokenizer, corpus.texts, recipe.max_tokens, special=special)
    counts = np.bincount(np.concatenate(ids), minlength=tokenizer.get_vocab_size())
    teacher = None
    if recipe.corpus.teacher != "none":
        encoder = installed_encoder(recipe.corpus.teacher)
        path = workspace.shared / "teacher" / f"{encoder.version.replace('@', '-')}.npz"
        store = VectorStore(path, encoder.encode)
        teacher = torch.from_numpy(centred(store.vectors(corpus.texts, workspace.progress)))
    gate = tests.retrieval["ACL"]
    if recipe.corpus.source == "real":
        gate = title_search(_acl(workspace, _GATE_YEAR), queries=250, documents=500)
    return Data(corpus, ids, teacher, torch.from_numpy(counts).float(), tests, gate)


def tokens_of(
    tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, *, special: bool
) -> tuple[np.ndarray, ...]:
    """Return the token ids of each text, at least one each."""
    own = Tokenizer.from_str(tokenizer.to_str())
    own.no_padding()
    own.enable_truncation(max_tokens)
    items = own.encode_batch_fast(list(texts), add_special_tokens=special)
    return tuple(np.array(item.ids or [0], dtype=np.int64) for item in items)


def installed_encoder(name: str) -> Encoder:
    """Return an encoder of the application's models folder.

    Raises:
        UsageError: It is not installed.
    """
    folder = model_folder(default_home(), name)
    if not folder.is_dir():
        raise UsageError(
            f"the model {name} is not installed",
            received=folder,
            hint=f"broadsheet model install {name}",
        )
    return load_encoder(folder, threads=1)


def real_tests(workspace: Workspace) -> Tests:
    """Return STS-B test, SICK test, Cranfield's even queries and ACL titles of 2022."""
    folder = _inputs(workspace)
    return Tests(
        sts={"STS-B": read_stsb(folder, "test"), "SICK": read_sick(folder, "test")},
        retrieval={
            "Cranfield": read_cranfield(folder / "cranfield", queries="even"),
            "ACL": title_search(_acl(workspace, _TEST_YEAR)),
        },
    )


def _acl(workspace: Workspace, year: int) -> list[Paper]:
    papers = read_acl(_inputs(workspace) / "acl-anthology")
    return [paper for paper in papers if paper.year == year and paper.abstract]


def title_search(
    papers: Sequence[Paper], queries: int = _QUERIES, documents: int = _DOCUMENTS
) -> RetrievalSet:
    """Return the task of finding a paper's abstract by its title; drawn once, the same for all."""
    order = _CORPUS.child("acl").numpy().permutation(len(papers))[:documents]
    chosen = [papers[i] for i in order]
    return RetrievalSet(
        documents={p.id: " ".join(p.abstract.split()[:128]) for p in chosen},
        queries={f"q-{p.id}": p.title for p in chosen[:queries]},
        qrels={f"q-{p.id}": {p.id: 1} for p in chosen[:queries]},
    )


def grammar_tests() -> Tests:
    """Return small tests over the grammar of the smoke preset."""
    pairs = grammar_pairs(24, _CORPUS.child("grammar-test"))
    scored = tuple(
        ScoredPair(id=f"{i}-{j}", a=pairs[i][0], b=pairs[j][1], score=5.0 if i == j else 0.0)
        for i in range(8)
        for j in (i, i + 8)
    )
    return Tests(
        sts={"STS-B": scored, "SICK": scored},
        retrieval={
            name: RetrievalSet(
                documents={f"d{i}": b for i, (_, b) in enumerate(pairs)},
                queries={f"q{i}": a for i, (a, _) in enumerate(pairs)},
                qrels={f"q{i}": {f"d{i}": 1} for i in range(len(pairs))},
            )
            for name in ("Cranfield", "ACL")
        },
    )


def _corpus(recipe: Recipe, tests: Tests, workspace: Workspace) -> Corpus:
    settings = recipe.corpus
    if settings.source == "grammar":
        return join({"grammar": grammar_pairs(settings.papers, _CORPUS.child("grammar"))})
    folder = _inputs(workspace)
    papers = [p for p in read_acl(folder / "acl-anthology") if p.year <= _TRAIN_UNTIL]
    papers += read_daily(folder / "hf-daily-papers")
    usable = [(p.title, p.abstract) for p in trainable(papers) if len(p.abstract) >= 120]
    glosses = choose_synsets(
        read_wordnet(wordnet_folder(folder)), settings.glosses, _CORPUS.child("wordnet")
    )
    known = (text for texts in held_out_texts(folder).values() for text in texts)
    held_out = LeakIndex([*tests.texts(), *known])  # the tests cut abstracts: both forms count
    pairs = {
        "papers": paper_pairs(usable[: settings.papers], settings.window_words, _CORPUS),
        "wordnet": gloss_pairs(glosses),
    }
    return join(
        {
            source: list(remove_leaks(items, held_out, texts=tuple).kept)
            for source, items in pairs.items()
        }
    )


def wordnet_folder(inputs: Path) -> Path:
    """Return the folder of WordNet's dictionary: beside the data sets, or the system's own."""
    beside = inputs / "wordnet"
    return beside if beside.is_dir() else Path("/usr/share/wordnet")


def _inputs(workspace: Workspace) -> Path:
    if workspace.inputs is None:
        raise UsageError("this preset reads data sets", hint="--data FOLDER or BROADSHEET_DATA")
    return workspace.inputs
