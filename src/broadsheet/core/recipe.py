"""Recipes: the settings of a run as a frozen dataclass, changed by `--set a.b=c`, with a hash."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, Union

from broadsheet.core.errors import UsageError

R = TypeVar("R")

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def override(recipe: R, changes: Mapping[str, str]) -> R:
    """Return `recipe` with some settings replaced, each read as the type of its field.

    Args:
        recipe: A frozen dataclass; its fields may be dataclasses themselves.
        changes: Dotted names to values as typed on a command line, such as
            {"train.steps": "200", "dims": "64,128"}.

    Raises:
        UsageError: No such setting, or a value that is not of the field's type.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Train:
        ...     steps: int = 100
        >>> override(Train(), {"steps": "250"})
        Train(steps=250)
    """
    for name, text in changes.items():
        recipe = _replace(recipe, name.split("."), text, name)
    return recipe


def as_json(recipe: object) -> dict[str, Any]:
    """Return a recipe as plain JSON values."""
    return _plain(recipe)  # type: ignore[no-any-return]


def recipe_hash(recipe: object) -> str:
    """Return the 12 hexadecimal digits that name a recipe: sha256 of its canonical JSON."""
    text = json.dumps(as_json(recipe), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _replace(node: R, names: list[str], text: str, whole: str) -> R:
    kinds = typing.get_type_hints(type(node)) if dataclasses.is_dataclass(node) else {}
    name, *rest = names
    if name not in kinds:
        raise UsageError(
            f"there is no setting {whole}",
            received=f"{whole}={text}",
            hint="one of " + ", ".join(kinds) if kinds else "a shorter name",
        )
    if rest:
        value = _replace(getattr(node, name), rest, text, whole)
    else:
        value = _parse(text, kinds[name], whole)
    return typing.cast(R, dataclasses.replace(typing.cast(Any, node), **{name: value}))


def _parse(text: str, kind: Any, name: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if text.lower() == "none" and type(None) in inner:
            return None
        return _parse(text, next(k for k in inner if k is not type(None)), name)
    if origin is tuple:
        return _parse_tuple(text, inner, name)
    if origin is typing.Literal:
        values = {str(value): value for value in inner}
        if text not in values:
            raise _wrong(name, text, "one of " + ", ".join(values))
        return values[text]
    if kind is bool:
        if text.lower() not in _WORDS:
            raise _wrong(name, text, "true or false")
        return _WORDS[text.lower()]
    if kind in (int, float, str):
        try:
            value = kind(text)
        except ValueError:
            raise _wrong(name, text, f"a value of type {kind.__name__}") from None
        if kind is float and not math.isfinite(value):
            raise _wrong(name, text, "a finite number")
        return value
    raise _wrong(name, text, "one of its parts: this setting has several")


def _parse_tuple(text: str, kinds: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    if typing.get_origin(kinds[0]) is tuple:
        raise _wrong(name, text, "the recipe: this setting is a list of lists")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kinds[-1] is not Ellipsis:
        if len(parts) != len(kinds):
            raise _wrong(name, text, f"{len(kinds)} values")
        return tuple(_parse(part, kind, name) for part, kind in zip(parts, kinds, strict=True))
    return tuple(_parse(part, kinds[0], name) for part in parts)


def _wrong(name: str, text: str, hint: str) -> UsageError:
    return UsageError(f"{name} can't take that value", received=text, hint=hint)
