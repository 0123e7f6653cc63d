"""Citations: works written as BibTeX, RIS, CSL-JSON and a Markdown reading list.

Every writer is a pure function of the works: the same works give the same text, in the given order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from broadsheet.papers.citation.bibtex import to_bibtex
from broadsheet.papers.citation.csl import to_csl
from broadsheet.papers.citation.markdown import to_markdown
from broadsheet.papers.citation.ris import to_ris
from broadsheet.papers.model import Work

__all__ = [
    "CITATION_FORMATS",
    "CitationFormat",
    "to_bibtex",
    "to_csl",
    "to_markdown",
    "to_ris",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationFormat:
    """A way to write citations.

    Args:
        suffix: End of the address and of the file name, without the dot: "csl.json".
        label: Name shown to people.
        media_type: Value of the Content-Type header; the text is UTF-8.
        write: Turns works into text.
    """

    suffix: str
    label: str
    media_type: str
    write: Callable[[Sequence[Work]], str]

    def file_name(self, stem: str) -> str:
        """Return a safe download name: ASCII letters, digits, "-" and "_", then the suffix.

        Example:
            >>> CITATION_FORMATS["bib"].file_name("2025-09-02")
            '2025-09-02.bib'
        """
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem)
        return f"{safe[:80].strip('-') or 'papers'}.{self.suffix}"


#: Citation formats by the suffix used in addresses and by `broadsheet cite --format`.
CITATION_FORMATS: Mapping[str, CitationFormat] = {
    item.suffix: item
    for item in (
        CitationFormat(
            suffix="bib",
            label="BibTeX",
            media_type="application/x-bibtex; charset=utf-8",
            write=to_bibtex,
        ),
        CitationFormat(
            suffix="ris",
            label="RIS",
            media_type="application/x-research-info-systems; charset=utf-8",
            write=to_ris,
        ),
        CitationFormat(
            suffix="csl.json",
            label="CSL-JSON",
            media_type="application/vnd.citationstyles.csl+json; charset=utf-8",
            write=to_csl,
        ),
        CitationFormat(
            suffix="md",
            label="Markdown",
            media_type="text/markdown; charset=utf-8",
            write=to_markdown,
        ),
    )
}
