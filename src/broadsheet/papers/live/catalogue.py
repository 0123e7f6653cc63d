"""The live sources there are."""

from broadsheet.papers.live.arxiv import ArxivApi
from broadsheet.papers.live.huggingface import HuggingFaceDaily
from broadsheet.papers.live.source import LiveSource

#: In the order they are asked.
LIVE_SOURCES: tuple[LiveSource, ...] = (HuggingFaceDaily(), ArxivApi())
