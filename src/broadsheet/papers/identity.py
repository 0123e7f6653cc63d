"""Identifiers: their normal forms, and the keys by which two records are one work."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import b32encode

_ARXIV_NEW = re.compile(r"(?<![\d.])(\d{4}\.\d{4,5})(?:v(\d+))?(?![\d])", re.ASCII)
_ARXIV_OLD = re.compile(
    r"(?<![a-z-])([a-z][a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(\d+))?(?!\d)", re.ASCII
)
_DOI = re.compile(r"10\.\d{4,9}/\S+", re.ASCII)
_ARXIV_DOI = re.compile(r"10\.48550/arxiv\.(.+)", re.IGNORECASE | re.ASCII)
_ARXIV_PREFIX = re.compile(
    r"^(?:oai:arxiv\.org:|arxiv:|(?:https?://)?(?:www\.|export\.|de\.)?arxiv\.org/"
    r"(?:abs|pdf|html|format|src)/)",
    re.IGNORECASE | re.ASCII,
)


def parse_arxiv_id(text: str) -> tuple[str, int] | None:
    """Read an arXiv identifier in any of its forms.

    Accepts the bare id, `arXiv:`, `oai:arXiv.org:` and addresses, new scheme (`0704.0001`,
    `2401.00001`) and old (`hep-th/9901001`, `math.GT/0309136`), with or without a version.

    Returns:
        The id without version, and the version (0 when none is given); None when `text` is not one.

    Example:
        >>> parse_arxiv_id("https://arxiv.org/pdf/2401.00001v2.pdf")
        ('2401.00001', 2)
        >>> parse_arxiv_id("math.GT/0309136v1")
        ('math/0309136', 1)
    """
    bare = _ARXIV_PREFIX.sub("", text.strip()).removesuffix(".pdf")
    match = _ARXIV_NEW.fullmatch(bare)
    if match and 1 <= int(match[1][2:4]) <= 12:
        return match[1], int(match[2] or 0)
    match = _ARXIV_OLD.fullmatch(bare)
    if match and 1 <= int(match[1].split("/")[1][2:4]) <= 12:
        archive, number = match[1].split("/")
        return f"{archive.split('.')[0]}/{number}", int(match[2] or 0)
    return None


def normalise_doi(text: str) -> str:
    """Return the DOI in lower case without address prefix, or "" when there is none.

    Example:
        >>> normalise_doi("https://doi.org/10.18653/V1/2022.ACL-long.12")
        '10.18653/v1/2022.acl-long.12'
    """
    match = _DOI.search(text.strip())
    return match[0].lower().rstrip(".,;") if match else ""


def arxiv_id_of_doi(doi: str) -> str:
    """Return the arXiv id inside a DOI that arXiv issued (`10.48550/arXiv.X`), else ""."""
    match = _ARXIV_DOI.fullmatch(doi.strip())
    parsed = parse_arxiv_id(match[1]) if match else None
    return parsed[0] if parsed else ""


def normalise_title(plain_title: str) -> str:
    """Return the comparison form of a title that is already plain text: letters and digits only.

    Example:
        >>> normalise_title("Gecko: On Metrics, Prompts!")
        'geckoonmetricsprompts'
    """
    folded = unicodedata.normalize("NFKC", plain_title).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    return "".join(char for char in decomposed if char.isalnum())


def normalise_name(family: str) -> str:
    """Return the comparison form of a family name: ASCII-folded letters only."""
    return normalise_title(family)


def family_name(full: str) -> str:
    """Guess the family name in a printed name: the part before a comma, else the last word.

    Example:
        >>> family_name("Ana Garcia, Jr."), family_name("Turing, Alan"), family_name("Ada Lovelace")
        ('Garcia', 'Turing', 'Lovelace')
    """
    head, _, tail = full.partition(",")
    if tail.strip() and tail.strip().rstrip(".").casefold() not in {"jr", "sr", "ii", "iii", "iv"}:
        return head.strip()
    words = head.split()
    return words[-1] if words else ""


def work_id_for(key: str) -> str:
    """Return the work id that a match key gives rise to: 12 base32 characters (60 bits).

    Example:
        >>> work_id_for("arxiv:2401.00001")
        'goraye7deoyn'
    """
    digest = hashlib.sha256(key.encode()).digest()
    return b32encode(digest)[:12].decode().lower()
