"""One way to read a file or bytes with a source: records, facts and rejects."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.papers.model import Facts, Reject, SourceRecord
from broadsheet.papers.sources import detect, source_named
from broadsheet.papers.sources.base import Origin


@dataclass
class Reading:
    source: str
    records: list[SourceRecord] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    unparsed: list[str] = field(default_factory=list)


Read = Callable[..., Reading]


@pytest.fixture
def read() -> Read:
    """Return a function that splits and parses a path or bytes."""

    def reader(
        given: Path | bytes,
        source: str = "",
        *,
        name: str = "",
        date: str = "",
        modified: str = "",
    ) -> Reading:
        content = given if isinstance(given, bytes) else given.read_bytes()
        label = name or (given.name if isinstance(given, Path) else "bytes")
        chosen = source_named(source) if source else detect(content[:65_536], label)
        reading = Reading(chosen.name)
        origin = Origin(name=label, date=date, modified=modified)
        for item in chosen.split(io.BytesIO(content), origin):
            if isinstance(item, Reject):
                reading.rejects.append(item)
                continue
            reading.records.append(item)
            try:
                reading.facts.append(chosen.parse(item))
            except BadInput as error:
                reading.unparsed.append(error.what)
        return reading

    return reader
