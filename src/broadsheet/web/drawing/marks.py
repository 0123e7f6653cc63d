"""What a drawing is made of: marks with a class for the style sheet; a template writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Colours of the style sheet (.s0, .s1, ...); later series repeat them with another dash.
COLOURS = 6

#: Size of the letters in a drawing, and the mean width of one, in the drawing's own units.
LETTER = 13.0
LETTER_WIDTH = 7.0

#: Dashes of the first, second, third round through the colours.
_DASHES = ("", "6 4", "2 3")
_SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One SVG element.

    Args:
        tag: Its name: line, rect, path or text.
        style: Its classes.
        place: Its attributes.
        text: Letters of a text.
        title: What a pointer resting on it shows.
    """

    tag: str
    style: str
    place: dict[str, str | float]
    text: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A finished drawing.

    Args:
        width: Of its view box; the page scales it.
        height: Of its view box.
        label: What it shows, for those who do not see it.
        marks: Elements, in the order drawn.
    """

    width: float
    height: float
    label: str
    marks: tuple[Mark, ...]


def text_width(text: str) -> float:
    """Return about how wide a text is drawn."""
    return len(text) * LETTER_WIDTH


def shortened(text: str, width: float) -> str:
    """Cut a text that would be drawn wider than `width`.

    Example:
        >>> shortened("a long name of a series", 80)
        'a long nam…'
    """
    room = max(2, int(width / LETTER_WIDTH))
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def line(style: str, x1: float, y1: float, x2: float, y2: float) -> Mark:
    """Return a straight line."""
    place: dict[str, str | float] = {
        "x1": _short(x1),
        "y1": _short(y1),
        "x2": _short(x2),
        "y2": _short(y2),
    }
    return Mark(tag="line", style=style, place=place)


def path(style: str, d: str, title: str = "") -> Mark:
    """Return a path."""
    return Mark(tag="path", style=style, place={"d": d}, title=title)


def rect(style: str, x: float, y: float, width: float, height: float, title: str = "") -> Mark:
    """Return a rectangle."""
    place: dict[str, str | float] = {
        "x": _short(x),
        "y": _short(y),
        "width": _short(max(width, 0.0)),
        "height": _short(max(height, 0.0)),
    }
    return Mark(tag="rect", style=style, place=place, title=title)


def letters(style: str, x: float, y: float, text: str, anchor: str = "start") -> Mark:
    """Return a text; `anchor` is start, middle or end."""
    place: dict[str, str | float] = {"x": _short(x), "y": _short(y), "text-anchor": anchor}
    return Mark(tag="text", style=style, place=place, text=text)


def joined(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through points."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def curve(series: int, points: Sequence[tuple[float, float]]) -> Mark:
    """Return the broken line of a series."""
    place: dict[str, str | float] = {"d": joined(points)}
    if dash := _DASHES[series // COLOURS % len(_DASHES)]:
        place["stroke-dasharray"] = dash
    return Mark(tag="path", style=f"curve {series_class(series)}", place=place)


def point(series: int, x: float, y: float, title: str, size: float = 4.5) -> Mark:
    """Return the marker of a series: each has a shape of its own besides its colour."""
    shape = _SHAPES[series % len(_SHAPES)]
    style = f"{'ring' if shape == 'ring' else 'point'} {series_class(series)}"
    return path(style, outline(shape, x, y, size), title)


def series_class(series: int) -> str:
    """Return the class that colours a series."""
    return f"s{series % COLOURS}"


def outline(shape: str, x: float, y: float, r: float) -> str:
    """Return the path of a marker's shape around a point, `r` its half width."""
    at, s = f"{_short(x)} {_short(y)}", _short
    if shape == "square":
        return f"M{s(x - r)} {s(y - r)}h{s(2 * r)}v{s(2 * r)}h{s(-2 * r)}z"
    if shape == "triangle":
        return f"M{s(x)} {s(y - 1.2 * r)}l{s(1.2 * r)} {s(2.1 * r)}h{s(-2.4 * r)}z"
    if shape == "diamond":
        return f"M{s(x)} {s(y - 1.3 * r)}l{s(1.3 * r)} {s(1.3 * r)}l{s(-1.3 * r)} {s(1.3 * r)}" + (
            f"l{s(-1.3 * r)} {s(-1.3 * r)}z"
        )
    if shape == "cross":
        a, b = r * 0.45, r * 1.15
        return (
            f"M{s(x - a)} {s(y - b)}h{s(2 * a)}v{s(b - a)}h{s(b - a)}v{s(2 * a)}h{s(a - b)}"
            f"v{s(b - a)}h{s(-2 * a)}v{s(a - b)}h{s(a - b)}v{s(-2 * a)}h{s(b - a)}z"
        )
    half = f"a{s(r)} {s(r)} 0 1 0 "
    return f"M{at}m{s(-r)} 0{half}{s(2 * r)} 0{half}{s(-2 * r)} 0z"


def _short(value: float) -> float:
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded
