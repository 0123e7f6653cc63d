"""The bundled sample: the forty papers of one Daily Papers page, 2 September 2025.

Titles, authors, arXiv ids and dates are facts; each summary is our own (see LICENSE.txt).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

#: The day on which the page listed these papers.
SAMPLE_DAY = "2025-09-02"


def sample_path() -> Path:
    """Return the file of the sample, JSON lines that `ingest` reads like any other.

    Example:
        >>> sample_path().name
        'papers.jsonl'
    """
    return Path(str(resources.files("broadsheet.papers.sample") / "papers.jsonl"))
