"""Training and test material out of the Debian corpus: pairs and classes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from broadsheet.core.errors import UsageError
from broadsheet.data.debian import DebianPackage
from broadsheet.data.records import LabelledText, TextPair

#: Packages whose text tells nothing of what they do.
_EMPTY = re.compile(r"\b(?:transitional|dummy)\b.*\bpackage\b|\bdebug(?:ging)? symbols\b", re.I)
_OLD = "oldlibs"


def text_of(package: DebianPackage) -> str:
    """Return synopsis and description as one text."""
    return f"{package.synopsis}. {package.description}".strip()


def telling(packages: Sequence[DebianPackage]) -> tuple[DebianPackage, ...]:
    """Return the packages that say what they do: no transitional, dummy or debug packages."""
    return tuple(
        package
        for package in packages
        if package.section != _OLD and not _EMPTY.search(package.synopsis)
    )


def description_pairs(
    packages: Sequence[DebianPackage], least_words: int = 10
) -> tuple[TextPair, ...]:
    """Pair each synopsis with its long description.

    Many packages of one source share a description: each synopsis and each description is taken
    once, so that no two pairs of a batch are each other's false negatives.

    Args:
        packages: What `read_packages` returns.
        least_words: Shorter descriptions are left out.
    """
    pairs: list[TextPair] = []
    seen: set[str] = set()
    for package in telling(packages):
        keys = {package.synopsis.casefold(), package.description.casefold()}
        if len(package.description.split()) < least_words or keys & seen:
            continue
        seen |= keys
        pairs.append(TextPair(package.name, package.synopsis, package.description))
    return tuple(pairs)


def co_dependency_pairs(
    packages: Sequence[DebianPackage],
    most_dependents: int = 30,
    most_links: int = 25,
    least_together: int = 1,
) -> tuple[TextPair, ...]:
    """Pair packages that other packages ask for together (Depends or Recommends).

    Two packages of one source are never paired: their descriptions are copies of each other.

    Args:
        packages: What `read_packages` returns.
        most_dependents: Packages that more than this many others ask for (libc6) say nothing.
        most_links: Packages that ask for more than this many others (desktops) say nothing.
        least_together: How many packages must ask for both.

    Raises:
        UsageError: A limit is below 1.
    """
    if min(most_dependents, most_links, least_together) < 1:
        raise UsageError("the limits of co-dependency start at 1")
    known = {package.name: package for package in telling(packages)}
    links = {
        package.name: list(dict.fromkeys(package.depends + package.recommends))
        for package in packages
    }
    dependents = Counter(name for names in links.values() for name in names)
    together: Counter[tuple[str, str]] = Counter()
    for names in links.values():
        if len(names) > most_links:
            continue
        kept = sorted(n for n in names if n in known and dependents[n] <= most_dependents)
        together.update(
            (a, b) for a, b in combinations(kept, 2) if known[a].source != known[b].source
        )
    return tuple(
        TextPair(f"{a}|{b}", text_of(known[a]), text_of(known[b]))
        for (a, b), count in sorted(together.items())
        if count >= least_together
    )


def dependency_pairs(
    packages: Sequence[DebianPackage], most_dependents: int = 30
) -> tuple[TextPair, ...]:
    """Pair each package with what it depends on, other sources only.

    Args:
        packages: What `read_packages` returns.
        most_dependents: Packages that more than this many others depend on are left out.
    """
    known = {package.name: package for package in telling(packages)}
    dependents = Counter(name for package in packages for name in package.depends)
    pairs = [
        TextPair(f"{package.name}|{name}", text_of(package), text_of(known[name]))
        for package in known.values()
        for name in package.depends
        if name in known
        and dependents[name] <= most_dependents
        and known[name].source != package.source
    ]
    return tuple(sorted(pairs, key=lambda pair: pair.id))


def section_texts(packages: Sequence[DebianPackage], least: int = 100) -> tuple[LabelledText, ...]:
    """Label each description with the archive's section.

    Args:
        packages: What `read_packages` returns.
        least: Sections with fewer different descriptions are left out.
    """
    return _frequent(((p, p.section) for p in telling(packages) if p.section), least)


def tag_texts(
    packages: Sequence[DebianPackage], facet: str, least: int = 50
) -> tuple[LabelledText, ...]:
    """Label each description with its one debtag of a facet, such as "use" or "role".

    Packages with several tags of the facet are left out.

    Args:
        packages: What `read_packages` returns.
        facet: What stands in front of the double colon.
        least: Tags with fewer different descriptions are left out.

    Raises:
        UsageError: No package has a tag of this facet.
    """
    labelled = []
    for package in telling(packages):
        tags = [tag for tag in package.tags if tag.startswith(f"{facet}::")]
        if len(tags) == 1:
            labelled.append((package, tags[0]))
    if not labelled:
        raise UsageError("no package has a tag of this facet", received=facet, hint="role or use")
    return _frequent(iter(labelled), least)


def _frequent(
    labelled: Iterator[tuple[DebianPackage, str]], least: int
) -> tuple[LabelledText, ...]:
    """Return one text per description, of the labels that enough of them have."""
    groups: dict[str, list[LabelledText]] = defaultdict(list)
    seen: set[str] = set()
    for package, label in labelled:
        key = package.description.casefold()
        if key and key not in seen:
            seen.add(key)
            groups[label].append(LabelledText(package.name, text_of(package), label))
    kept = (item for items in groups.values() if len(items) >= least for item in items)
    return tuple(sorted(kept, key=lambda item: item.id))
