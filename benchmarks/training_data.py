"""What there is to train on, under which licences, and what the test sets take out of it.

python benchmarks/training_data.py --debian FOLDER [--documents /usr/share/doc]

FOLDER holds Packages and Translation-en of Debian's main archive (docs/guide/data.md); the other
data sets are read from BROADSHEET_DATA. --documents is where packages keep their copyright files.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from _report import DATA, write_report
from broadsheet.core.seeds import SeedTree
from broadsheet.data.debian import DebianPackage, read_debian
from broadsheet.data.debian_licences import count_licences
from broadsheet.data.debian_pairs import (
    co_dependency_pairs,
    dependency_pairs,
    description_pairs,
    section_texts,
    tag_texts,
)
from broadsheet.data.heldout import held_out_texts, split_papers
from broadsheet.data.leaks import Cleaned, LeakIndex, remove_leaks, remove_pair_leaks
from broadsheet.data.paper_pairs import (
    keyword_pairs,
    shared_keyword_pairs,
    title_abstract_pairs,
    venue_pairs,
)
from broadsheet.data.papers import Paper, read_acl, read_daily, trainable
from broadsheet.data.records import ScoredPair
from broadsheet.data.sick import read_sick
from broadsheet.data.sts import read_sts_year, read_stsb

T = TypeVar("T")
COPYLEFT = re.compile(r"GPL|LPGL|MPL")  # One file misspells its licence.
YEARS = (2012, 2013, 2014, 2015)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result and the CPU seconds it took."""
    begun = time.process_time()
    result = work()
    return result, round(time.process_time() - begun, 2)


def debian_counts(packages: Sequence[DebianPackage]) -> dict[str, Any]:
    """Count packages, pairs and classes."""
    pairs, pairs_s = timed(lambda: description_pairs(packages))
    together, together_s = timed(lambda: co_dependency_pairs(packages))
    sections = section_texts(packages)
    return {
        "packages": len(packages),
        "with a description": sum(bool(package.description) for package in packages),
        "words of descriptions": sum(len(package.description.split()) for package in packages),
        "synopsis and description pairs": len(pairs),
        "pairs_cpu_s": pairs_s,
        "co-dependency pairs": len(together),
        "co-dependency pairs, two packages ask for both": len(
            co_dependency_pairs(packages, least_together=2)
        ),
        "co_dependency_cpu_s": together_s,
        "dependency pairs": len(dependency_pairs(packages)),
        "texts with a section": len(sections),
        "sections": len({item.label for item in sections}),
        "texts with one tag": {
            facet: len(tag_texts(packages, facet))
            for facet in ("role", "use", "field", "implemented-in", "works-with")
        },
    }


def paper_counts(papers: Sequence[Paper]) -> dict[str, Any]:
    """Count licences and pairs."""
    free = trainable(papers)
    return {
        "papers": len(papers),
        "licences": dict(Counter(paper.licence for paper in papers)),
        "title and abstract, free": len(title_abstract_pairs(free)),
        "same venue, free": len(venue_pairs(free, SeedTree(7))),
        "key words, free": len(keyword_pairs(free)),
        "key words, experiments": len(keyword_pairs(papers)),
        "shared key words, experiments": len(shared_keyword_pairs(papers)),
    }


def removed(cleaned: Cleaned[Any]) -> dict[str, int]:
    """Return a row of the table."""
    return {**cleaned.removed, "kept": len(cleaned.kept)}


def leak_counts(
    packages: Sequence[DebianPackage], acl: Sequence[Paper], daily: Sequence[Paper]
) -> dict[str, Any]:
    """Remove test texts from each training set."""
    years = [p for year in YEARS for part in read_sts_year(DATA, year).values() for p in part]
    tests = [text for texts in held_out_texts(DATA).values() for text in texts]
    tests += [text for pair in years for text in (pair.a, pair.b)]
    index, index_s = timed(lambda: LeakIndex(tests))
    rest, _ = split_papers([*acl, *daily])
    pairs = title_abstract_pairs(trainable(rest))
    cleaned, papers_s = timed(lambda: remove_leaks(pairs, index))
    debian, debian_s = timed(lambda: remove_leaks(description_pairs(packages), index))
    own: list[ScoredPair] = [*read_stsb(DATA, "dev"), *read_stsb(DATA, "test")]
    return {
        "test texts": len(tests),
        "index_cpu_s": index_s,
        "papers": removed(cleaned) | {"cpu_s": papers_s},
        "debian": removed(debian) | {"cpu_s": debian_s},
        "STS-B train, by sentence": removed(remove_leaks(read_stsb(DATA, "train"), index)),
        "SICK train, by sentence": removed(remove_leaks(read_sick(DATA, "train"), index)),
        "STS-B train, by pair": removed(remove_pair_leaks(read_stsb(DATA, "train"), own)),
        "SICK train, by pair": removed(
            remove_pair_leaks(read_sick(DATA, "train"), read_sick(DATA, "test"))
        ),
        "STS-B train, pairs of STS 2012 to 2015": removed(
            remove_pair_leaks(read_stsb(DATA, "train"), years)
        ),
    }


def main() -> None:
    """Count everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--debian", type=Path, required=True)
    parser.add_argument("--documents", type=Path, default=Path("/usr/share/doc"))
    chosen = parser.parse_args()
    packages, packages_s = timed(lambda: read_debian(chosen.debian))
    acl, acl_s = timed(lambda: read_acl(DATA))
    daily, daily_s = timed(lambda: read_daily(DATA))
    licences = count_licences(chosen.documents)
    results = {
        "debian": {"read_cpu_s": packages_s, **debian_counts(packages)},
        "debian licences": {
            "copyright files": licences.files,
            "readable by machine": licences.readable,
            "licence of debian/control": licences.licences,
            "licence found": sum(licences.licences.values()),
            "copyleft without a choice": sum(
                count
                for name, count in licences.licences.items()
                if COPYLEFT.search(name) and " or " not in name
            ),
        },
        "acl": {"read_cpu_s": acl_s, **paper_counts(acl)},
        "daily": {"read_cpu_s": daily_s, **paper_counts(daily)},
        "leaks": leak_counts(packages, acl, daily),
    }
    write_report("training_data", results, spread="counts are exact; each CPU time is of one run")


if __name__ == "__main__":
    main()
