"""Columns in a terminal: narrow ones keep their width, long texts share what is left."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

#: Columns of long texts; they are shortened when a line would not fit.
_LONG = {"title", "authors", "reason", "description", "detail", "summary", "abstract", "origin"}
_LONG |= {"hint", "venue", "excerpt", "address"}
_RIGHT = {"rank", "score", "papers", "behind", "records", "megabytes", "offset", "new", "known"}
_RIGHT |= {
    "works",
    "joined",
    "merged",
    "changed",
    "rejected",
    "days_behind",
    "days_done",
    "new_works",
}
#: This column is printed whole, below its row.
_BELOW = "why"
_GAP = "  "
_LEAST = 8


def table_in_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns under a header, no line wider than the terminal."""
    width = shutil.get_terminal_size().columns
    side = [place for place, name in enumerate(names) if name != _BELOW]
    widths = _widths(names, rows, side, width)

    def line(cells: Sequence[str]) -> str:
        parts = [_fit(cells[place], widths[place], names[place] in _RIGHT) for place in side]
        return _GAP.join(parts).rstrip()

    lines = [_bold(line(names))]
    for row in rows:
        lines.append(line(row))
        below = row[names.index(_BELOW)] if _BELOW in names else ""
        lines += _wrap(below, width, " " * 6)
    return "\n".join(lines) + "\n"


def fields_in_columns(fields: Sequence[tuple[str, str]]) -> str:
    """Return names and values side by side; long values are wrapped, not shortened."""
    width = shutil.get_terminal_size().columns
    widest = max((len(name) for name, _ in fields), default=0)
    lines = []
    for name, value in fields:
        first, *rest = _wrap(value, width, " " * (widest + len(_GAP))) or [""]
        head = _bold(name) + " " * (widest - len(name)) + _GAP
        lines += [head + first.lstrip(), *rest]
    return "\n".join(lines) + "\n"


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, len(indent) + 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _widths(
    names: Sequence[str], rows: Sequence[Sequence[str]], side: Sequence[int], width: int
) -> dict[int, int]:
    natural = {
        place: max(cell_len(row[place]) for row in (names, *rows)) if rows else len(names[place])
        for place in side
    }
    long = [place for place in side if names[place] in _LONG]
    room = width - len(_GAP) * (len(side) - 1) - sum(natural[p] for p in side if p not in long)
    weight = {place: 2 if names[place] == "title" else 1 for place in long}
    left = sum(weight.values())
    for place in sorted(long, key=lambda item: natural[item] / weight[item]):
        share = room * weight[place] // left
        natural[place] = min(natural[place], max(share, _LEAST))
        room -= natural[place]
        left -= weight[place]
    return natural


def _fit(text: str, width: int, right: bool) -> str:
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - size) + text if right else text + " " * (width - size)


def _bold(text: str) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return text if plain else f"\x1b[1m{text}\x1b[0m"
