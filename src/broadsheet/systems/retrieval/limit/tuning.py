"""Can a small encoder learn the task? From other worlds of the same kind, and from the test itself.

Legend: B questions of a step, N people of a world, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.paths import default_cache
from broadsheet.core.seeds import SeedTree
from broadsheet.data.limit import read_attributes
from broadsheet.data.records import RetrievalSet
from broadsheet.losses.contrastive import similarities
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import load_backbone
from broadsheet.nn.sentence import SentenceEncoder, TokenBatch
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.retrieval.limit.attributes import OWN_ATTRIBUTES
from broadsheet.systems.retrieval.limit.generator import LimitGenerator, LimitSettings
from broadsheet.systems.retrieval.limit.recipe import FinetuneSettings, Recipe
from broadsheet.systems.retrieval.limit.retrievers import recall_at
from broadsheet.systems.retrieval.limit.tasks import Task

_TEST = "tuning test world"
#: BERT's uncased vocabulary, which the backbones share.
_VOCABULARY = 30_522


@dataclass(frozen=True, slots=True, eq=False)
class TokenWorld:
    """A world as tokens: people, questions, and who answers what.

    Args:
        people: N rows.
        questions: Rows, one per question.
        answers_QN: True where a person answers.
    """

    people: TokenBatch
    questions: TokenBatch
    answers_QN: Tensor

    @classmethod
    def of(cls, world: RetrievalSet, sentence: SentenceEncoder) -> TokenWorld:
        """Return the tokens of a world, people in ascending order of their names."""
        names = sorted(world.documents)
        rows = [[judged.get(name, 0) > 0 for name in names] for judged in world.qrels.values()]
        return cls(
            sentence.tokenise([world.documents[name] for name in names]),
            sentence.tokenise(list(world.queries.values())),
            torch.tensor(rows),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TuningData:
    """Training worlds, the test world, and the table that the encoder starts from.

    Args:
        worlds: Of the arm's split; empty when nothing is trained.
        test: Texts and answers that are measured.
        table_VD: First token vectors; None draws them.
        tokenizer: Of all texts.
    """

    worlds: tuple[RetrievalSet, ...]
    test: Task
    table_VD: Tensor | None
    tokenizer: Tokenizer


def make_encoder(settings: FinetuneSettings, seeds: SeedTree) -> Transformer:
    """Return a fresh encoder of the arm's size."""
    vocabulary = _VOCABULARY if settings.start else own_tokenizer().get_vocab_size()
    shape = TransformerShape(
        vocab=vocabulary,
        width=settings.width,
        depth=settings.depth,
        heads=settings.heads,
        hidden=4 * settings.width,
        max_tokens=settings.max_tokens,
    )
    return Transformer(shape, seeds.child("weights").torch())


def read_tuning(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> TuningData:
    """Make the test world, and the worlds of the arm's split from the other half of the things."""
    settings = recipe.finetune
    own = recipe.worlds.source == "own" or workspace.inputs is None
    attributes = OWN_ATTRIBUTES if own else read_attributes(workspace.inputs)  # type: ignore[arg-type]
    order = seeds.child("halves").numpy().permutation(len(attributes))
    half = len(attributes) // 2
    tested, trained = ([attributes[i] for i in part] for part in (order[:half], order[half:]))
    test = _world(tested, settings, seeds.child("test"))
    table_VD, tokenizer = _start(settings)
    made: Sequence[RetrievalSet] = ()
    if settings.split == "test":
        made = (test,)
    elif settings.split == "train":
        made = [_world(trained, settings, seeds.child("train", i)) for i in range(settings.worlds)]
    asked = {key: (text,) for key, text in test.queries.items()}
    return TuningData(
        worlds=tuple(made),
        test=Task(_TEST, test, asked),
        table_VD=table_VD,
        tokenizer=tokenizer,
    )


def sentence_of_arm(
    encoder: Transformer, settings: FinetuneSettings, tokenizer: Tokenizer
) -> SentenceEncoder:
    """Return the encoder with its pooling and tokenizer."""
    return SentenceEncoder(encoder, MeanPooling(), tokenizer, settings.max_tokens)


def start_from_table(encoder: Transformer, table_VD: Tensor | None) -> None:
    """Put the token vectors of a backbone into a fresh encoder."""
    if table_VD is not None:
        with torch.no_grad():
            encoder.embeddings.words.weight.copy_(table_VD)


def loss_function(
    encoder: Transformer, data: TuningData, recipe: Recipe, seeds: SeedTree
) -> Callable[[int], Tensor]:
    """Return the loss of a step: questions of one world against all of its people."""
    settings = recipe.finetune
    sentence = sentence_of_arm(encoder, settings, data.tokenizer)
    worlds = [TokenWorld.of(world, sentence) for world in data.worlds]

    def loss_at(step: int) -> Tensor:
        world = worlds[step % len(worlds)]
        rng = seeds.child("batch", step).numpy()
        count = min(settings.batch, len(world.questions))
        chosen = torch.from_numpy(rng.permutation(len(world.questions))[:count])
        asked = TokenBatch(world.questions.ids_BL[chosen], world.questions.mask_BL[chosen])
        logits_BN = similarities(sentence(asked), sentence(world.people)) / settings.temperature
        return multi_positive(logits_BN, world.answers_QN[chosen])

    return loss_at


def multi_positive(logits_BN: Tensor, answers_BN: Tensor) -> Tensor:
    """Return InfoNCE with several right candidates, each row divided by their number.

    Shape:
        logits_BN, bool answers_BN -> scalar.
    """
    each_BN = F.log_softmax(logits_BN.float(), dim=1).masked_fill(~answers_BN, 0.0)
    return -(each_BN.sum(dim=1) / answers_BN.sum(dim=1)).mean()


def measure_tuning(
    encoder: Transformer, data: TuningData, settings: FinetuneSettings
) -> list[Observation]:
    """Return recall@2 and recall@10 on the test world."""
    sentence = sentence_of_arm(encoder, settings, data.tokenizer)
    names = sorted(data.test.data.documents)
    query_QD = sentence.encode(list(data.test.data.queries.values()))
    document_ND = sentence.encode([data.test.data.documents[name] for name in names])
    found = []
    for depth in (2, 10):
        recall_Q = recall_at(query_QD @ document_ND.T, data.test, names, depth)
        found.append(
            Observation(
                dataset=_TEST,
                metric=f"recall@{depth}",
                unit="x100",
                value=100.0 * float(recall_Q.mean()),
                n=len(recall_Q),
                items={"score": recall_Q},
            )
        )
    return found


def own_tokenizer() -> Tokenizer:
    """Return a tokenizer of words that stand in our own list, and of letters for names.

    Example:
        >>> own_tokenizer().encode("Ab likes figs.").tokens
        ['a', '##b', 'likes', 'figs', '[UNK]']
    """
    words = ["[PAD]", "[UNK]", "who", "likes", "and", *OWN_ATTRIBUTES]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    places = {word: place for place, word in enumerate(dict.fromkeys([*words, *letters]))}
    places |= {f"##{letter}": len(places) + i for i, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.WordPiece(places, unk_token="[UNK]"))  # noqa: S106 - a token
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _world(attributes: Sequence[str], settings: FinetuneSettings, seeds: SeedTree) -> RetrievalSet:
    sizes = LimitSettings(
        documents=settings.documents,
        queries=settings.queries,
        min_items=settings.min_items,
        pattern="dense",
    )
    return LimitGenerator(attributes, sizes).make(seeds)


def _start(settings: FinetuneSettings) -> tuple[Tensor | None, Tokenizer]:
    """Return the backbone's token vectors along their first principal axes, and its tokenizer."""
    if not settings.start:
        return None, own_tokenizer()
    encoder, tokenizer = load_backbone(settings.start, default_cache() / "backbones")
    embeddings = encoder.model.get_submodule("embeddings.word_embeddings")
    words_VE = next(embeddings.parameters()).detach().double().numpy()
    centred_VE = words_VE - words_VE.mean(axis=0)
    _, axes_EE = np.linalg.eigh(centred_VE.T @ centred_VE)
    reduced_VD = centred_VE @ axes_EE[:, ::-1][:, : settings.width]
    return torch.from_numpy(reduced_VD / reduced_VD.std() * 0.05).float(), tokenizer
