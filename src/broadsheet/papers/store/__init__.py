"""The store of one library: records verbatim, works merged from them, rejects and editions."""

from broadsheet.papers.store.results import Added, Change, Counts, StoredRecord
from broadsheet.papers.store.state import canonical_state
from broadsheet.papers.store.store import STORE_FILE, Store

__all__ = [
    "STORE_FILE",
    "Added",
    "Change",
    "Counts",
    "Store",
    "StoredRecord",
    "canonical_state",
]
