"""Why claims of the laptop preset came out as they did, in one sentence each; see README.md."""

from __future__ import annotations

from collections.abc import Mapping

#: Claim id to reason; written after the runs, never changing a verdict.
REASONS: Mapping[str, str] = {}
