"""The one clock. `BROADSHEET_NOW` freezes it, so that every build can be repeated."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

from broadsheet.core.errors import UsageError


def now() -> datetime:
    """Return the current time in UTC, or the frozen time of `BROADSHEET_NOW` (ISO 8601).

    Raises:
        UsageError: `BROADSHEET_NOW` is set and is not an ISO 8601 time.
    """
    frozen = os.environ.get("BROADSHEET_NOW")
    if not frozen:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(frozen)
    except ValueError:
        raise UsageError(
            "BROADSHEET_NOW is not a time", received=frozen, hint="2025-09-02T08:00:00+00:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def today() -> date:
    """Return today's date in UTC."""
    return now().date()


def timestamp() -> str:
    """Return the current time as ISO 8601 with seconds, e.g. `2025-09-02T08:00:00+00:00`."""
    return now().isoformat(timespec="seconds")
