"""Long lists in pages."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import URL

from broadsheet.core.errors import UsageError

#: The furthest page that is served: nobody reads further, and machines have the twins.
LAST_PAGE = 500


def page_number(number: int) -> int:
    """Check a page number.

    Raises:
        UsageError: There is no such page.
    """
    if not 1 <= number <= LAST_PAGE:
        raise UsageError("no such page", received=number, hint=f"1 to {LAST_PAGE}")
    return number


@dataclass(frozen=True, slots=True)
class Pages:
    """Where a page stands in a list, and the addresses beside it.

    Args:
        url: The address asked for.
        number: Of this page, from 1.
        size: Items on a page.
        total: Items in all.
    """

    url: URL
    number: int
    size: int
    total: int

    @property
    def offset(self) -> int:
        """Return how many items come before this page."""
        return (self.number - 1) * self.size

    @property
    def count(self) -> int:
        """Return how many pages there are."""
        return max(1, -(-self.total // self.size))

    @property
    def previous(self) -> str:
        """Return the address of the page before, or ""."""
        return self._address(self.number - 1) if self.number > 1 else ""

    @property
    def next(self) -> str:
        """Return the address of the page after, or ""."""
        last = min(self.count, LAST_PAGE)
        return self._address(self.number + 1) if self.number < last else ""

    def _address(self, number: int) -> str:
        url = self.url.include_query_params(page=number)
        return f"{url.path}?{url.query}"
