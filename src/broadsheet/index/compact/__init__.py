"""The compact index: vectors in clusters, 1-bit and 8-bit codes, searched under any filter."""

from broadsheet.index.compact.layout import Bits
from broadsheet.index.compact.planner import Plan
from broadsheet.index.compact.segment import Built, Found, Segment, build_segment

__all__ = ["Bits", "Built", "Found", "Plan", "Segment", "build_segment"]
