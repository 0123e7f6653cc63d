"""metrics.jsonl: one line of means every few steps, cut back when a run resumes earlier."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from broadsheet.core.paths import write_atomically

NAME = "metrics.jsonl"


class MetricsFile:
    """Means of metrics, as lines of a file and in memory.

    Args:
        folder: Where metrics.jsonl lies; None keeps the lines in memory only.

    Example:
        >>> metrics = MetricsFile(None)
        >>> metrics.add({"loss": 1.0})
        >>> metrics.add({"loss": 2.0})
        >>> metrics.write(2)
        >>> metrics.rows
        [{'step': 2, 'loss': 1.5}]
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / NAME if folder else None
        self.rows: list[Mapping[str, float]] = []
        #: Sum and count of each metric since the last line.
        self.sums: dict[str, tuple[float, int]] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Count the metrics of one step."""
        for name, value in values.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + value, count + 1)

    def write(self, step: int) -> None:
        """Append the means since the last line."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        row = {"step": step, **means}
        self.sums = {}
        self.rows.append(row)
        if self._path:
            with self._path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")

    def cut(self, step: int) -> None:
        """Read the file and drop what a kill left behind: later lines, and half a line."""
        if self._path is None or not self._path.is_file():
            return
        self.rows = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                break
            if row["step"] <= step:
                self.rows.append(row)
        text = "".join(json.dumps(row) + "\n" for row in self.rows)
        write_atomically(self._path, text.encode())
