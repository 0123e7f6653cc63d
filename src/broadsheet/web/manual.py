"""What the help page says, as data: keys, query language, formats."""

from __future__ import annotations

#: Keys and what they do; the script holds the same ones, a test compares them.
KEYS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("j",), "next paper"),
    (("k",), "previous paper"),
    (("o",), "open the paper (Enter does too)"),
    (("v",), "open its source"),
    (("e",), "why it stands here"),
    (("h",), "edition or page before"),
    (("l",), "edition or page after"),
    (("/",), "search"),
    (("t",), "theme: system, light, dark"),
    (("g", "d"), "today's edition"),
    (("g", "w"), "week"),
    (("g", "m"), "month"),
    (("g", "c"), "calendar"),
    (("g", "t"), "trending"),
    (("g", "n"), "new"),
    (("g", "s"), "search page"),
    (("g", "y"), "systems"),
    (("g", "b"), "leaderboard"),
    (("g", "h"), "help"),
    (("?",), "this list"),
)

#: Pieces of the query language, with an example each.
LANGUAGE: tuple[tuple[str, str], ...] = (
    ("late interaction", "words; papers with more and rarer of them come first"),
    ('"mixture of experts"', "a phrase: the words side by side"),
    ("retriev*", "a word that begins like this"),
    ("-vision", "leaves out what matches; works before phrases and filters too"),
    ("cat:cs.CL,cs.IR", "a filter; commas mean or, several filters mean and"),
    ("year:2023..2025", "a range; 2023.. and ..2025 are open at one end"),
    ("sim:2401.00001", "papers with a text like this one's"),
)

#: Suffixes of addresses and what they give.
FORMATS: tuple[tuple[str, str], ...] = (
    (".json", "data, with a version of its shape; described in /openapi.json"),
    (".atom", "a feed"),
    (".rss", "a feed"),
    (".feed.json", "a feed in JSON"),
    (".bib", "BibTeX"),
    (".ris", "RIS, for reference managers"),
    (".csl.json", "CSL-JSON, for Zotero and pandoc"),
    (".md", "a reading list in Markdown"),
)
