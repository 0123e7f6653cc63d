"""Live sources: the arXiv API and the Hugging Face daily list, asked politely.

`fetch` asks day by day, newest first, and keeps what it gets at once, so that any interruption
loses nothing. A source that fails never raises: its report says why, and it is left alone until
the time written in `home/fetch/`. Nothing here is ever called while a page is being served.
"""

from broadsheet.papers.live.catalogue import LIVE_SOURCES
from broadsheet.papers.live.client import Limits
from broadsheet.papers.live.fetching import fetch
from broadsheet.papers.live.report import FetchReport, SourceReport
from broadsheet.papers.live.status import SourceStatus, source_status

__all__ = [
    "LIVE_SOURCES",
    "FetchReport",
    "Limits",
    "SourceReport",
    "SourceStatus",
    "fetch",
    "source_status",
]
