"""Cards: what a system is, whose it is, what its paper claims and on what terms (card.toml)."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broadsheet.core.errors import BadInput, NotFound

Wing = Literal[
    "text",
    "sequences",
    "reading",
    "retrieval",
    "vision_language",
    "multimodal_evaluation",
    "brain",
    "video",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Code(_Strict):
    """The authors' or another public implementation."""

    url: str
    licence: str
    note: str = ""


class Claim(_Strict):
    """One statement that our experiment can hold or not hold.

    Args:
        id: Short name, unique in the card.
        text: The statement, in words.
        metric: What is measured, as in the report's measurements.
        expected: The claimed side and margin, such as ">= 10" or "within 2".
        source: Where the statement comes from: the paper, or our expectation.
    """

    id: str
    text: str
    metric: str
    expected: str
    source: str = "paper"


class DataSet(_Strict):
    """A data set that the system reads, and the terms it comes under."""

    name: str
    licence: str
    url: str = ""
    use: Literal["train", "test", "train and test"]
    ships: bool = Field(default=False, description="whether anything trained on it may be shipped")


class Card(_Strict):
    """What a reader has to know of a system before its numbers."""

    slug: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    wing: Wing
    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str = ""
    url: str = ""
    summary: str = Field(description="one sentence, our words")
    code: tuple[Code, ...] = ()
    claims: tuple[Claim, ...]
    data: tuple[DataSet, ...]
    simplified: tuple[str, ...] = ()
    decided: tuple[str, ...] = Field(
        default=(), description="where sources disagree or recall was checked: what we chose"
    )
    serves: str = Field(default="", description="what it does in the application, if anything")


def read_card(path: Path) -> Card:
    """Read a card.toml.

    Raises:
        BadInput: It is no card; the message names the field.
    """
    try:
        return Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"the card is not TOML: {error}", received=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"the card's field {place}: {first['msg']}", received=path) from None


def systems_folder() -> Path:
    """Return the folder that holds the systems: <wing>/<slug>/card.toml."""
    return Path(str(files("broadsheet"))) / "systems"


def all_cards() -> tuple[Card, ...]:
    """Read the cards of all systems, ordered by wing and slug; imports no system."""
    paths = sorted(systems_folder().glob("*/*/card.toml"))
    return tuple(read_card(path) for path in paths)


def find_card(slug: str) -> Card:
    """Return the card of one system.

    Raises:
        NotFound: No system has this slug.
    """
    cards = {card.slug: card for card in all_cards()}
    if slug not in cards:
        raise NotFound("no such system", received=slug, hint="one of " + ", ".join(sorted(cards)))
    return cards[slug]
