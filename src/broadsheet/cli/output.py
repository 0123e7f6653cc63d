"""Printing answers: columns in a terminal, TSV when piped, JSON on request."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

SCHEMA_VERSION = 1

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_SPECIAL = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; a terminal shows only the columns in `shown` (all when empty)."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    shown: tuple[str, ...] = ()


def emit(data: object, table: Table, *, as_json: bool) -> None:
    """Print an answer to standard output in the form that fits where it goes.

    Args:
        data: What `--json` prints under "data"; dataclasses become objects.
        table: What a terminal and a pipe get.
        as_json: Print JSON.
    """
    if as_json:
        _write(_to_json(data))
    elif sys.stdout.isatty():
        from broadsheet.cli.columns import table_in_columns

        shown = table.shown or table.columns
        places = [table.columns.index(name) for name in shown]
        rows = [[_on_screen(row[place]) for place in places] for row in table.rows]
        _write(table_in_columns(shown, rows))
    else:
        _write(to_tsv(table))


def emit_fields(data: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing: a name and a value a line; TSV with the header `field`, `value`."""
    if as_json:
        _write(_to_json(data))
        return
    rows = [(key, value) for key, value in data.items() if value not in ("", None, (), [], {})]
    if not sys.stdout.isatty():
        _write(to_tsv(Table(("field", "value"), rows)))
        return
    from broadsheet.cli.columns import fields_in_columns

    _write(fields_in_columns([(key, _on_screen(value)) for key, value in rows]))


def emit_text(text: str, data: object, *, as_json: bool) -> None:
    """Print ready-made text (a citation), or `data` as JSON."""
    _write(_to_json(data) if as_json else text if text.endswith("\n") else text + "\n")


def note(sentence: str) -> None:
    """Tell the reader something that is not part of the answer, on standard error."""
    sys.stderr.write(_CONTROL.sub(" ", sentence) + "\n")


def to_tsv(table: Table) -> str:
    r"""Return lossless TSV with a header: tab, newline, backslash and controls are escaped.

    Example:
        >>> to_tsv(Table(("id", "title"), [("a", "two\tcells")]))
        'id\ttitle\na\ttwo\\tcells\n'
    """
    lines = ["\t".join(table.columns)]
    lines += ["\t".join(_escape(_plain(cell)) for cell in row) for row in table.rows]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], f"\\x{ord(found[0]):02x}"), text)


def _plain(value: object, *, short: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if short else repr(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}={_plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(_plain(item) for item in value)
    return str(value)


def _to_json(data: object) -> str:
    document = {"schema_version": SCHEMA_VERSION, "data": data}
    indent = 2 if sys.stdout.isatty() else None
    return json.dumps(document, ensure_ascii=False, indent=indent, default=_jsonable) + "\n"


def _jsonable(value: Any) -> object:
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _write(text: str) -> None:
    sys.stdout.write(text)


def _on_screen(value: object) -> str:
    return _CONTROL.sub(" ", _plain(value, short=True))
