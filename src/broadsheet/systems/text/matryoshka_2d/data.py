"""Read what an arm trains and is measured on: graded sentences, package texts, a small grammar."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import default_cache, hash_file, write_atomically
from broadsheet.core.seeds import SeedTree
from broadsheet.data.debian import read_packages
from broadsheet.data.debian_pairs import description_pairs
from broadsheet.data.files import find
from broadsheet.data.records import ScoredPair, TextPair
from broadsheet.data.sick import read_sick
from broadsheet.data.sts import read_stsb
from broadsheet.nn.pretrained import load_backbone
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.matryoshka_2d.corpus import (
    Corpus,
    GradedTest,
    SearchTest,
    TokenRows,
    Training,
    graded_test,
    tokens,
)
from broadsheet.systems.text.matryoshka_2d.recipe import Recipe

#: Packages of the test and of the development part, one per source package.
TEST_PACKAGES, DEV_PACKAGES = 2000, 500
#: Splits whose pairs are taken out of training.
HELD_OUT: tuple[Literal["dev", "test"], ...] = ("dev", "test")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: Split of the Debian corpus and training of its tokenizer: the same for all seeds.
_SPLIT = SeedTree(20261123)


def read_corpus(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Corpus:
    """Return training pairs and tests of a recipe; the development parts when `recipe.dev`.

    Raises:
        BadInput: A data set is missing or broken.
    """
    readers: dict[str, Callable[[Recipe, Workspace], Corpus]] = {
        "sts": _graded_sentences,
        "debian": _package_texts,
        "grammar": _made_up,
        "nli": _triplets,
    }
    return readers[recipe.source](recipe, workspace)


def _graded_sentences(recipe: Recipe, workspace: Workspace) -> Corpus:
    folder = _inputs(workspace)
    _, tokenizer = load_backbone(recipe.start, default_cache() / "backbones", workspace.progress)
    tests = graded_tests(folder, tokenizer, recipe)
    known = {
        key
        for split in HELD_OUT
        for pair in (*read_stsb(folder, split), *read_sick(folder, split))
        for key in _keys(pair)
    }
    graded = [
        (pair, grade)
        for pairs, low in ((read_stsb(folder, "train"), 0.0), (read_sick(folder, "train"), 1.0))
        for pair, grade in ((p, (p.score - low) / (5.0 - low)) for p in pairs)
        if not known & set(_keys(pair))
    ]
    return Corpus(
        tokenizer=tokenizer,
        training=Training(
            left=tokens(tokenizer, [pair.a for pair, _ in graded], recipe.max_tokens),
            right=tokens(tokenizer, [pair.b for pair, _ in graded], recipe.max_tokens),
            gold=np.array([grade for _, grade in graded], np.float32),
            hard=TokenRows.of([]),
        ),
        graded=tests,
        searches=(),
    )


def graded_tests(folder: Path, tokenizer: Tokenizer, recipe: Recipe) -> tuple[GradedTest, ...]:
    """Return STS-B and SICK: their test parts, or the development parts when `recipe.dev`."""
    split: Literal["dev", "test"] = "dev" if recipe.dev else "test"
    most = recipe.max_tokens
    return (
        graded_test("stsb", read_stsb(folder, split), tokenizer, most),
        graded_test("sick", read_sick(folder, split), tokenizer, most),
    )


def _package_texts(recipe: Recipe, workspace: Workspace) -> Corpus:
    folder = _inputs(workspace)
    packages = find(folder, "debian/Packages", "Packages")
    texts = find(folder, "debian/Translation-en", "Translation-en")
    digest = hash_file(packages) + hash_file(texts) + f"|{recipe.shape.vocab}|{recipe.max_tokens}|1"
    kept = workspace.shared / f"debian-{hashlib.sha256(digest.encode()).hexdigest()[:12]}"
    if not kept.with_suffix(".npz").is_file():
        _keep_packages(kept, package_pairs(packages, texts), recipe)
    tokenizer = Tokenizer.from_file(str(kept.with_suffix(".json")))
    with np.load(kept.with_suffix(".npz"), allow_pickle=False) as stored:
        rows = {
            name: TokenRows(stored[f"{name}/flat"], stored[f"{name}/starts"])
            for name in ("train/a", "train/b", "dev/a", "dev/b", "test/a", "test/b")
        }
    part = "dev" if recipe.dev else "test"
    return Corpus(
        tokenizer=tokenizer,
        training=_pairs(rows["train/a"], rows["train/b"]),
        graded=graded_tests(folder, tokenizer, recipe),
        searches=(SearchTest("debian", rows[f"{part}/a"], rows[f"{part}/b"]),),
    )


def package_pairs(packages: Path, texts: Path) -> tuple[TextPair, ...]:
    """Return synopsis and description of one package per source, in an order that says nothing.

    Packages of one source describe each other, so that only one may be in a test or in training.
    """
    read = read_packages(packages, texts)
    source = {package.name: package.source for package in read}
    first: dict[str, TextPair] = {}
    for pair in description_pairs(read):
        first.setdefault(source[pair.id], pair)
    ordered = sorted(first.values(), key=lambda pair: pair.id)
    order = _SPLIT.child("packages").numpy().permutation(len(ordered))
    return tuple(ordered[place] for place in order)


def _keep_packages(path: Path, pairs: Sequence[TextPair], recipe: Recipe) -> None:
    """Train the tokenizer on the training part and keep all parts as ids."""
    ends = (TEST_PACKAGES, TEST_PACKAGES + DEV_PACKAGES)
    parts = {"test": pairs[: ends[0]], "dev": pairs[ends[0] : ends[1]], "train": pairs[ends[1] :]}
    if not parts["train"]:
        raise BadInput(
            "too few packages", received=len(pairs), hint="the whole main area of a release"
        )
    corpus = [f"{pair.a} {pair.b}" for pair in parts["train"]]
    tokenizer = train_wordpiece(corpus, recipe.shape.vocab)
    arrays = {}
    for part, chosen in parts.items():
        for side, texts in (("a", [p.a for p in chosen]), ("b", [p.b for p in chosen])):
            rows = tokens(tokenizer, texts, recipe.max_tokens)
            arrays[f"{part}/{side}/flat"] = rows.flat
            arrays[f"{part}/{side}/starts"] = rows.starts
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path.with_suffix(".json"), tokenizer.to_str().encode())
    write_atomically(path.with_suffix(".npz"), buffer.getvalue())


def train_wordpiece(texts: Sequence[str], vocab: int) -> Tokenizer:
    """Train an uncased WordPiece tokenizer with BERT's special tokens; [PAD] is 0."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a token, no secret
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ends
    )
    return tokenizer


_SLOTS = (
    ("small", "large", "old", "red"),
    ("dog", "cat", "bird", "horse"),
    ("sees", "follows", "likes", "paints"),
    ("green", "quiet", "young", "bright"),
    ("house", "river", "garden", "road"),
)


def _made_up(recipe: Recipe, workspace: Workspace) -> Corpus:
    """Return sentences of a grammar; a pair's grade is how many of five words it shares."""
    words = [*SPECIAL, "the", "a", *(word for slot in _SLOTS for word in slot)]
    level = models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]")  # noqa: S106
    tokenizer = Tokenizer(level)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    draw = _SPLIT.child("grammar").numpy()
    pairs = [_pair(f"g{number}", draw) for number in range(96)]
    twins = [TextPair(p.id, _sentence(c, "the"), _sentence(c, "a")) for p, c in pairs]
    train, test = [pair for pair, _ in pairs[:48]], [pair for pair, _ in pairs[48:]]
    most = recipe.max_tokens
    if recipe.loss == "mnr":
        training = _pairs(*(tokens(tokenizer, side, most) for side in _sides(twins[:48])))
    else:
        left, right = (tokens(tokenizer, side, most) for side in _sides(train))
        gold = np.array([pair.score for pair in train], np.float32)
        training = Training(left, right, gold, TokenRows.of([]))
    a, b = (tokens(tokenizer, side, most) for side in _sides(twins[48:]))
    return Corpus(
        tokenizer=tokenizer,
        training=training,
        graded=tuple(graded_test(name, test, tokenizer, most) for name in ("stsb", "sick")),
        searches=(SearchTest("debian", a, b),) if recipe.loss == "mnr" else (),
    )


def _pair(name: str, draw: np.random.Generator) -> tuple[ScoredPair, tuple[int, ...]]:
    first = tuple(int(number) for number in draw.integers(0, 4, len(_SLOTS)))
    keep = draw.random(len(_SLOTS)) < draw.random()
    second = tuple(
        one if same else int(draw.integers(0, 4)) for one, same in zip(first, keep, strict=True)
    )
    shared = sum(one == other for one, other in zip(first, second, strict=True))
    sentences = _sentence(first, "the"), _sentence(second, "the")
    return ScoredPair(name, *sentences, shared / len(_SLOTS)), first


def _sentence(choice: Sequence[int], article: str) -> str:
    adjective, noun, verb, second, place = (
        slot[number] for slot, number in zip(_SLOTS, choice, strict=True)
    )
    return f"{article} {adjective} {noun} {verb} {article} {second} {place}"


def _sides(pairs: Sequence[ScoredPair | TextPair]) -> tuple[list[str], list[str]]:
    return [pair.a for pair in pairs], [pair.b for pair in pairs]


def _triplets(recipe: Recipe, workspace: Workspace) -> Corpus:
    """Return NLI triplets (sent0, sent1, hard_neg), with STS-B and SICK as tests."""
    folder = _inputs(workspace)
    path = find(folder, "nli_for_simcse.csv", "nli/nli_for_simcse.csv")
    tokenizer = Tokenizer.from_file(str(find(folder, "bert-base-uncased/tokenizer.json")))
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = ("sent0", "sent1", "hard_neg")
    if not rows or not all(rows[0].get(name) for name in columns):
        raise BadInput("no NLI triplets", received=path, hint="columns " + ", ".join(columns))
    left, right, hard = (
        tokens(tokenizer, [row[name] for row in rows], recipe.max_tokens) for name in columns
    )
    return Corpus(
        tokenizer=tokenizer,
        training=Training(left, right, np.empty(0, np.float32), hard),
        graded=graded_tests(folder, tokenizer, recipe),
        searches=(),
    )


def _pairs(left: TokenRows, right: TokenRows) -> Training:
    return Training(left, right, np.empty(0, np.float32), TokenRows.of([]))


def _keys(pair: ScoredPair) -> tuple[str, str]:
    a, b = (" ".join(text.lower().split()) for text in (pair.a, pair.b))
    return f"{a}\t{b}", f"{b}\t{a}"


def _inputs(workspace: Workspace) -> Path:
    return workspace.inputs or workspace.shared / "data"
