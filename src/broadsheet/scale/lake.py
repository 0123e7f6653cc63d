"""The lake: documents' vectors and attributes in a Lance data set, local or in an object store.

Columns: `number` int64, `vector` fixed-size list of float32, `number_<name>` int64 (null where
there is none), `terms_<name>` list of strings. Every write makes a version; a build reads one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from broadsheet.core.errors import BadInput, NotFound, SourceError
from broadsheet.core.optional import require
from broadsheet.scale.rows import MISSING, Attributes, Labels, Numbers, Rows

_NUMBER, _TERMS = "number_", "terms_"


def _arrow() -> Any:
    return require("pyarrow", extra="scale", why="the lake of vectors")


def _lance() -> Any:
    return require("lance", extra="scale", why="the lake of vectors")


def to_batch(rows: Rows) -> Any:
    """Return rows as a record batch of pyarrow."""
    arrow = _arrow()
    flat = arrow.array(np.ascontiguousarray(rows.vectors, dtype=np.float32).reshape(-1))
    columns: dict[str, Any] = {
        "number": arrow.array(rows.numbers.astype(np.int64, copy=False)),
        "vector": arrow.FixedSizeListArray.from_arrays(flat, rows.vectors.shape[1]),
    }
    for name, column in sorted(rows.attributes.numbers.items()):
        columns[_NUMBER + name] = arrow.array(column, mask=column == MISSING)
    for name, labels in sorted(rows.attributes.labels.items()):
        values = arrow.array(labels.values, type=arrow.string()).take(arrow.array(labels.codes))
        starts = arrow.array(labels.starts.astype(np.int32))
        columns[_TERMS + name] = arrow.ListArray.from_arrays(starts, values)
    return arrow.RecordBatch.from_pydict(columns)


def from_batch(batch: Any) -> Rows:
    """Return a record batch that `to_batch` made, or the lake gave, as rows."""
    count, vector = batch.num_rows, batch.column("vector")
    attributes = Attributes(
        {
            name.removeprefix(_TERMS): _labels(batch.column(name))
            for name in batch.schema.names
            if name.startswith(_TERMS)
        },
        {
            name.removeprefix(_NUMBER): _integers(batch.column(name))
            for name in batch.schema.names
            if name.startswith(_NUMBER)
        },
    )
    flat = vector.flatten().to_numpy(zero_copy_only=False)
    return Rows(
        numbers=batch.column("number").to_numpy(zero_copy_only=False),
        vectors=flat.reshape(count, vector.type.list_size),
        attributes=attributes,
    )


def _integers(column: Any) -> Numbers:
    filled: Numbers = column.fill_null(MISSING).to_numpy(zero_copy_only=False)
    return filled


def _labels(column: Any) -> Labels:
    coded = column.flatten().dictionary_encode()
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(column)), lengths)
    named = coded.dictionary.to_pylist()
    values = sorted(named)
    place = {value: index for index, value in enumerate(values)}
    renamed = np.array([place[value] for value in named], dtype=np.int32)
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return Labels.of_pairs(values, len(column), rows, renamed[codes] if len(codes) else codes)


class Lake:
    """One version of a lake.

    Args:
        uri: A folder, or an address of an object store such as "s3://bucket/papers.lance".
        version: Which version; None for the newest.
        options: Settings of the object store, as Lance takes them.

    Raises:
        NotFound: There is no lake, or no such version.
        UsageError: Lance is not installed.

    Example:
        >>> Lake.create("papers.lance", [])
        Traceback (most recent call last):
        broadsheet.core.errors.BadInput: a lake needs a block of rows. Received: papers.lance
    """

    def __init__(
        self, uri: str, version: int | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        lance = _lance()
        # Workers have working folders of their own: a relative path would mean another place there.
        self.uri = uri if "://" in uri else os.path.abspath(uri)
        self.options = dict(options or {})
        try:
            self._data = lance.dataset(uri, version=version, storage_options=self.options or None)
        except (ValueError, OSError):
            name = uri if version is None else f"{uri}, version {version}"
            raise NotFound("there is no lake", received=name, hint="Lake.create") from None
        self.version = int(self._data.version)
        self.dim = int(self._data.schema.field("vector").type.list_size)

    @classmethod
    def create(
        cls,
        uri: str,
        blocks: Iterable[Rows],
        *,
        options: Mapping[str, str] | None = None,
        rows_per_file: int = 1 << 20,
    ) -> Lake:
        """Write a new lake block by block.

        Args:
            uri: Where; nothing may be there.
            blocks: Rows with the same attributes in every block.
            options: Settings of the object store.
            rows_per_file: The unit of parallel reading later.

        Raises:
            BadInput: There is a lake already, or there are no blocks.
        """
        _write(uri, blocks, "create", options, rows_per_file)
        return cls(uri, options=options)

    def append(self, blocks: Iterable[Rows], *, rows_per_file: int = 1 << 20) -> Lake:
        """Add rows; return the version that has them."""
        _write(self.uri, blocks, "append", self.options, rows_per_file)
        return Lake(self.uri, options=self.options)

    def delete(self, numbers: Sequence[int]) -> Lake:
        """Remove documents; return the version without them."""
        if numbers:
            listed = ", ".join(str(int(number)) for number in numbers)
            _lance().dataset(self.uri, storage_options=self.options or None).delete(
                f"number in ({listed})"
            )
        return Lake(self.uri, options=self.options)

    def __len__(self) -> int:
        return int(self._data.count_rows())

    def fragments(self) -> list[tuple[int, int]]:
        """Return each fragment's id and number of rows."""
        return [(int(f.fragment_id), int(f.count_rows())) for f in self._data.get_fragments()]

    def batches(self, fragment: int, *, block: int) -> Iterator[Any]:
        """Yield the rows of a fragment in record batches of pyarrow."""
        yield from self._data.get_fragment(fragment).to_batches(batch_size=block)

    def blocks(self, *, block: int = 16_384) -> Iterator[Rows]:
        """Yield all rows in blocks."""
        for fragment, _ in self.fragments():
            for batch in self.batches(fragment, block=block):
                yield from_batch(batch)

    def column(self, name: str) -> Numbers:
        """Return the documents' numbers ("number") or an integer attribute of all rows.

        Raises:
            NotFound: There is no such attribute.
        """
        field = name if name == "number" else _NUMBER + name
        if field not in self._data.schema.names:
            raise NotFound("the lake has no such integer attribute", received=name)
        return _integers(self._data.to_table(columns=[field]).column(field).combine_chunks())

    def sample(self, places: Numbers) -> Any:
        """Return the vectors at some places, counted from 0 over all rows; places ascend.

        Shape:
            [len(places), dim], float32.
        """
        taken = self._data.take(places.tolist(), columns=["vector"]).column("vector")
        flat = taken.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(places), self.dim)


def _write(
    uri: str,
    blocks: Iterable[Rows],
    mode: str,
    options: Mapping[str, str] | None,
    rows_per_file: int,
) -> None:
    batches = (to_batch(rows) for rows in blocks)
    first = next(batches, None)
    if first is None:
        raise BadInput("a lake needs a block of rows", received=uri)

    def all_batches() -> Iterator[Any]:
        yield first
        yield from batches

    reader = _arrow().RecordBatchReader.from_batches(first.schema, all_batches())
    try:
        _lance().write_dataset(
            reader,
            uri,
            mode=mode,
            max_rows_per_file=rows_per_file,
            storage_options=dict(options or {}) or None,
        )
    except (ValueError, OSError) as error:
        if "already exists" in str(error):
            raise BadInput("there is a lake already", received=uri, hint="Lake.append") from None
        raise SourceError("the lake can't be written", received=f"{uri}: {error}") from error
