"""From a recipe to modules with fresh weights."""

from __future__ import annotations

from torch import nn

from broadsheet.core.seeds import SeedTree
from broadsheet.nn.blocks import initialise
from broadsheet.nn.poolings.top_layers import TopLayersConcatPooling
from broadsheet.systems.text.distilled_sentence_embedding.heads import make_head
from broadsheet.systems.text.distilled_sentence_embedding.model import (
    CrossEncoder,
    LibraryClassifier,
    Student,
    make_encoder,
)
from broadsheet.systems.text.distilled_sentence_embedding.recipe import EncoderSettings, Recipe
from broadsheet.systems.text.distilled_sentence_embedding.tasks import Tasks


def make_student(recipe: Recipe, tasks: Tasks, seeds: SeedTree) -> Student:
    """Return a student with fresh weights."""
    encoder = make_encoder(recipe.encoder, seeds.child("encoder").torch())
    pooling = TopLayersConcatPooling(recipe.top, recipe.skip_cls)
    width = pooling.pooled_width(recipe.encoder.width)
    projection = None
    if recipe.projection:
        projection = nn.Linear(width, recipe.projection, bias=False)
        initialise(projection, seeds.child("projection").torch(), std=width**-0.5)
    head = make_head(
        recipe.head,
        recipe.projection or width,
        recipe.hidden,
        tasks.logits,
        seeds.child("head").torch(),
        tasks.symmetric,
    )
    return Student(encoder, pooling, head, recipe.encoder.frozen, projection)


def make_teacher(recipe: Recipe, tasks: Tasks, seeds: SeedTree) -> CrossEncoder | LibraryClassifier:
    """Return a cross-encoder with fresh weights; a binary task gets two logits."""
    settings = recipe.teacher
    logits = tasks.logits + sum(task.kind == "binary" for task in tasks.tasks)
    if settings.readout == "library":
        return _library_classifier(settings.encoder, logits)
    encoder = make_encoder(settings.encoder, seeds.child("encoder").torch())
    return CrossEncoder(
        encoder,
        settings.readout,
        settings.hidden,
        logits,
        seeds.child("head").torch(),
        settings.encoder.frozen,
    )


def _library_classifier(settings: EncoderSettings, logits: int) -> LibraryClassifier:
    from transformers import BertConfig, BertForSequenceClassification

    sizes = BertConfig(
        vocab_size=settings.vocab,
        hidden_size=settings.width,
        num_hidden_layers=settings.depth,
        num_attention_heads=settings.heads,
        intermediate_size=settings.hidden,
        max_position_embeddings=settings.max_tokens,
    )
    sizes.num_labels = logits
    return LibraryClassifier(BertForSequenceClassification(sizes))
