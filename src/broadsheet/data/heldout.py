"""What nothing that is shipped has seen: the test sets on which encoders are compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from broadsheet.data.beir import read_cranfield
from broadsheet.data.papers import Paper, read_acl
from broadsheet.data.sick import read_sick
from broadsheet.data.sts import read_stsb

#: Papers of the Anthology of this year are a test of title against abstract.
ACL_TEST_YEAR = 2022


def split_papers(papers: Sequence[Paper]) -> tuple[tuple[Paper, ...], tuple[Paper, ...]]:
    """Return papers for training and for the test: the Anthology's of the test year.

    A paper that is in the test and came from another source too is still in the first part;
    `remove_leaks` with `held_out_texts` takes it out.
    """
    test = tuple(p for p in papers if p.id.startswith("acl:") and p.year == ACL_TEST_YEAR)
    chosen = {paper.id for paper in test}
    return tuple(paper for paper in papers if paper.id not in chosen), test


def held_out_texts(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return all texts of the test sets, by name: STS-B and SICK, Cranfield, the ACL's 2022.

    The dev split of STS-B is held out too, as settings may be chosen on it. Of Cranfield all
    documents and questions count.

    Args:
        folder: The folder of all data sets.

    Raises:
        BadInput: One of the sets is missing or broken.
    """
    judged = {
        "stsb-dev": read_stsb(folder, "dev"),
        "stsb-test": read_stsb(folder, "test"),
        "sick-test": read_sick(folder, "test"),
    }
    texts = {
        name: tuple(text for pair in pairs for text in (pair.a, pair.b))
        for name, pairs in judged.items()
    }
    cranfield = read_cranfield(folder)
    texts["cranfield"] = (*cranfield.documents.values(), *cranfield.queries.values())
    _, papers = split_papers(read_acl(folder))
    texts[f"acl-{ACL_TEST_YEAR}"] = tuple(
        text for paper in papers for text in (paper.title, paper.abstract) if text
    )
    return texts
