"""One hash over all that is true in a store, to compare two of them."""

from __future__ import annotations

import hashlib

from broadsheet.papers.model import canonical_json
from broadsheet.papers.store.store import Store


def canonical_state(store: Store) -> str:
    """Return the sha256 over works, records and editions.

    Equal for two stores that took in the same records in the same order at the same (frozen)
    times, however the work was cut into batches, interrupted, moved, exported or restored.
    Revisions are left out: they count changes, and those depend on the batches.
    """
    digest = hashlib.sha256()

    def put(*values: object) -> None:
        digest.update(canonical_json(values) + b"\n")

    for number, work_id, content, merged_into in store.work_states():
        put("work", number, work_id, content, merged_into)
    for record in store.all_records():
        put(
            "record",
            record.sequence,
            record.source,
            record.key,
            record.sha256.hex(),
            hashlib.sha256(record.raw).hexdigest(),
            dict(record.context),
            record.origin,
            record.offset,
            record.ingested_at,
        )
    for day, printing, sha256 in store.edition_days():
        document = store.get_edition(day, printing) or b""
        put("edition", day, printing, sha256, hashlib.sha256(document).hexdigest())
    return digest.hexdigest()
