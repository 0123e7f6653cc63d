"""From a template and its values to an answer with an ETag."""

from __future__ import annotations

import hashlib
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from broadsheet.papers import tex
from broadsheet.web.drawing.scales import number_text


def make_environment() -> Environment:
    """Return the template environment: everything is escaped, an unknown name is an error."""
    environment = Environment(
        loader=PackageLoader("broadsheet.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        tex=typeset,
        long_day=long_day,
        short_day=short_day,
        count=count,
        quoted=quoted,
        signed=signed,
        number=number_text,
        figure=lambda value: f"{value:.2f}",
    )
    environment.globals.update(asset=asset_address, address=address)
    return environment


@lru_cache(maxsize=4096)
def typeset(raw: str) -> Markup:
    """Return text with TeX as safe HTML; `papers.tex` has escaped and sanitised it."""
    return Markup(tex.to_html(raw))  # noqa: S704 - the one place where HTML is trusted


def long_day(day: str) -> str:
    """Spell a date out, as far as it is known.

    Example:
        >>> long_day("2025-09-02"), long_day("2022-12"), long_day("2022")
        ('Tuesday, 2 September 2025', 'December 2022', '2022')
    """
    if len(day) == 10:
        moment = date.fromisoformat(day)
        return f"{moment:%A}, {moment.day} {moment:%B %Y}"
    if len(day) == 7:
        return f"{date.fromisoformat(day + '-01'):%B %Y}"
    return day


def short_day(day: str) -> str:
    """Write a date shortly, as far as it is known.

    Example:
        >>> short_day("2025-09-02"), short_day("2022-12")
        ('2 Sep 2025', 'Dec 2022')
    """
    if len(day) == 10:
        moment = date.fromisoformat(day)
        return f"{moment.day} {moment:%b %Y}"
    if len(day) == 7:
        return f"{date.fromisoformat(day + '-01'):%b %Y}"
    return day


def count(number: int, noun: str = "", plural: str = "") -> str:
    """Write a number with thousands marked, and its noun in the right form.

    Example:
        >>> count(1184, "paper"), count(1, "paper"), count(2, "entry", "entries"), count(1234)
        ('1,184 papers', '1 paper', '2 entries', '1,234')
    """
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def signed(value: float) -> str:
    """Write a number with its sign and a true minus.

    Example:
        >>> signed(0.25), signed(-1.0), signed(0)
        ('+0.25', '−1', '0')
    """
    text = f"{abs(value):.3g}"
    if value == 0 or text == "0":
        return "0"
    return ("+" if value > 0 else "−") + text


def quoted(part: str) -> str:
    """Quote a value for one part of a path, slashes included."""
    return quote(part, safe="")


def address(path: str, **parameters: object) -> str:
    """Return a path with those parameters that are not empty.

    Example:
        >>> address("/search", q="a b", mode="", page=2)
        '/search?q=a+b&page=2'
    """
    kept = {name: value for name, value in parameters.items() if value not in ("", None)}
    return f"{path}?{urlencode(kept)}" if kept else path


@lru_cache(maxsize=64)
def asset_address(name: str) -> str:
    """Return the address of a static file, with a version that changes when the file does."""
    data = (files("broadsheet.web") / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(data).hexdigest()[:10]}"


def respond(request: Request, body: bytes, media_type: str, status: int = 200) -> Response:
    """Return the body with its ETag, or an empty 304 when the reader already has it."""
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"ETag": etag}
    if status == 200 and _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, status_code=status, media_type=media_type, headers=headers)


def _has(if_none_match: str, etag: str) -> bool:
    strong = etag.removeprefix("W/")
    candidates = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return strong in candidates or "*" in candidates


def render(environment: Environment, template: str, values: dict[str, Any]) -> bytes:
    """Draw a template."""
    return environment.get_template(template).render(values).encode()
