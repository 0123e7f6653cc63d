"""Cut XML into verbatim elements, without trusting it.

The cutter looks for tags only, so that damage in one element costs that element and not the rest,
and offsets are exact. Document types are refused before anything is parsed, which rules out entity
bombs; each element is then parsed alone, by lxml with entities, DTD and network off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from lxml import etree

from broadsheet.core.errors import BadInput

#: Longest element that is cut out.
ELEMENT_LIMIT = 8 << 20
_CHUNK = 1 << 18
_LONGEST_TAG = 16 << 10
_TAG = re.compile(
    rb"<(?P<end>/?)(?P<name>[A-Za-z_][\w.-]*+(?::[\w.-]++)?+)"
    rb"(?P<rest>(?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+')*+)>"
)
#: What is passed over: its beginning and its end.
_PASSED = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>"))
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY", b"<!ELEMENT")
_ATTRIBUTE = re.compile(r"""([\w.:-]{1,60})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)')""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag met in the stream.

    Args:
        name: Its name with prefix, or "!" for a document type or entity declaration.
        kind: "start", "end" or "empty".
        source: The tag itself.
        start: Byte offset of its first byte in the stream.
        end: Byte offset behind its last byte.
    """

    name: str
    kind: str
    source: bytes
    start: int
    end: int

    @property
    def attributes(self) -> dict[str, str]:
        """Return the attributes, with entities as they stand."""
        text = self.source[:_LONGEST_TAG].decode("utf-8", "replace")
        return {match[1]: match[2] or match[3] or "" for match in _ATTRIBUTE.finditer(text)}


class Cutter:
    """A stream of XML, read once, that remembers bytes from a marked place on.

    Args:
        stream: The bytes; read in pieces of a quarter of a megabyte.
        limit: Most bytes that are kept.
    """

    def __init__(self, stream: BinaryIO, limit: int = ELEMENT_LIMIT) -> None:
        self.limit = limit
        self._stream = stream
        self.beginning = b""  # The first bytes, to say what this is when it isn't XML.
        self._buffer = b""
        self._start = 0  # Offset in the stream of the buffer's first byte.
        self._at = 0  # Where in the buffer to look next.
        self._kept = -1  # Offset in the stream from which bytes are kept, or -1.
        self._ended = False

    @property
    def position(self) -> int:
        """Return how far the stream has been looked at, in bytes."""
        return self._start + self._at

    def keep_from(self, offset: int) -> None:
        """Keep the bytes from `offset` (of the tag just met, or later) for `kept`; -1 for none."""
        self._kept = offset

    def kept(self, end: int) -> bytes | None:
        """Return the bytes from the kept place to `end`; None when there are over `limit`."""
        if self._kept < 0 or end - self._kept > self.limit:
            return None
        return self._buffer[self._kept - self._start : end - self._start]

    def tags(self) -> Iterator[Tag]:
        """Yield tags in order; comments, CDATA and instructions are passed over."""
        while self._seek(b"<"):
            if self._pass_over():
                continue
            start = self._start + self._at
            if self._buffer[self._at : self._at + 9].upper().startswith(_DECLARATIONS):
                self._at += 2
                yield Tag(name="!", kind="start", source=b"", start=start, end=start)
                continue
            match = _TAG.match(self._buffer, self._at)
            if match is None:
                short = len(self._buffer) - self._at <= _LONGEST_TAG
                if not (short and self._more()):
                    self._at += 1
                continue
            self._at = match.end()
            kind = "end" if match["end"] else "empty" if match["rest"].endswith(b"/") else "start"
            yield Tag(
                name=match["name"].decode("ascii", "replace"),
                kind=kind,
                source=match[0],
                start=start,
                end=self.position,
            )

    def _seek(self, mark: bytes) -> bool:
        """Go to the next `mark`; False when there is none."""
        while (found := self._buffer.find(mark, self._at)) < 0:
            self._at = max(self._at, len(self._buffer) - len(mark) + 1)
            if not self._more():
                self._at = len(self._buffer)
                return False
        self._at = found
        return True

    def _pass_over(self) -> bool:
        """Go behind a comment or the like that begins here; False when none does."""
        while len(self._buffer) - self._at < 9 and self._more():
            pass
        for first, last in _PASSED:
            if self._buffer.startswith(first, self._at):
                self._at += len(first)
                if self._seek(last):
                    self._at += len(last)
                return True
        return False

    def _more(self) -> bool:
        """Read on; drop what is neither kept nor still to be looked at."""
        if self._ended:
            return False
        if self.position - self._kept > self.limit + _CHUNK:
            self._kept = -1
        keep = self._at
        if self._kept >= 0:
            keep = min(keep, max(self._kept - self._start, 0))
        chunk = self._stream.read(_CHUNK)
        self._ended = not chunk
        self.beginning = self.beginning or chunk[:500]
        self._buffer = self._buffer[keep:] + chunk
        self._start += keep
        self._at -= keep
        return not self._ended


def parse_fragment(raw: bytes, root: str = "") -> Any:
    """Parse one element alone; `root` is the start tag it stood in, for its name spaces.

    Raises:
        BadInput: It isn't well-formed, or nests too deep.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    name = re.match(r"<([\w:.-]+)", root)
    closing = f"</{name[1]}>" if name else ""
    try:
        whole = root.encode() + raw + closing.encode()
        tree = etree.fromstring(whole, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())[:150]
        raise BadInput(f"broken XML ({reason})") from None
    element = tree[0] if root and len(tree) else tree
    if any(node.tag is etree.Entity for node in element.iter()):
        raise BadInput("broken XML (an entity that is not declared)")
    return element
