"""What to bear in mind about each verdict, filled with the numbers behind it."""

from __future__ import annotations

from typing import Protocol


class Means(Protocol):
    """Gives the mean over seeds of what an arm was measured with."""

    def mean(self, arm: str, dataset: str, metric: str = "pk") -> float:
        """Return one number."""
        ...


_SETS = (("abstracts", "csabstruct"), ("pages", "manual pages"))
_ALL = "stp+tc+nsp"


def reasons_of(table: Means) -> dict[str, str]:
    """Return a sentence for each claim."""
    found: dict[str, str] = {}
    for short, dataset in _SETS:
        pk = {
            name: table.mean(f"{short} {name}", dataset)
            for name in ("stp", "stp+tc", "stp+nsp", _ALL, "c=1", "c=2", "c=4", "tagger")
        }
        topics = {
            name: table.mean(f"{short} {name}", dataset, "topic macro-F1")
            for name in ("tc", _ALL, "c=2", "tagger")
        }
        found[f"{short}_multi"] = (
            f"Pk {pk['stp']:.1f} with STP alone, {pk['stp+tc']:.1f} with TC, "
            f"{pk['stp+nsp']:.1f} with NSP, {pk[_ALL]:.1f} with both."
        )
        found[f"{short}_local"] = (
            f"Pk {pk[_ALL]:.1f} without context, {pk['c=1']:.1f}, {pk['c=2']:.1f} and "
            f"{pk['c=4']:.1f} with 1, 2 and 4 sentences on each side; macro-F1 of topics "
            f"{topics[_ALL]:.1f} without, {topics['c=2']:.1f} with 2."
        )
        found[f"{short}_tagger"] = (
            f"the tagger reads the whole document: Pk {pk['tagger']:.1f}, macro-F1 of topics "
            f"{topics['tagger']:.1f}; it knows where in the document a sentence stands."
        )
        found[f"{short}_tiling"] = (
            f"TextTiling {_rival(table, short, dataset, 'TextTiling'):.1f}, C99 "
            f"{_rival(table, short, dataset, 'C99'):.1f}, cosine drop "
            f"{_rival(table, short, dataset, 'cosine drop'):.1f}, no boundary at all "
            f"{_rival(table, short, dataset, 'no boundary'):.1f}; rivals were tuned on the same "
            "development documents."
        )
        found[f"{short}_tc"] = (
            f"macro-F1 {topics['tc']:.1f} with TC alone, {topics[_ALL]:.1f} with all tasks."
        )
    found["siamese"] = (
        f"Pk {table.mean('abstracts tuned', 'csabstruct'):.1f} read apart, "
        f"{table.mean('abstracts cross', 'csabstruct'):.1f} read together; both learn from 200 "
        "abstracts with the same steps."
    )
    for short, dataset in (("wiki", "wiki sections"), ("choi", "choi")):
        found[f"{short}_tiling"] = (
            f"Pk {table.mean(f'{short} stp+nsp', dataset):.1f} learned, TextTiling "
            f"{_rival(table, short, dataset, 'TextTiling'):.1f}, C99 "
            f"{_rival(table, short, dataset, 'C99'):.1f}, C99 on the same vectors "
            f"{_rival(table, short, dataset, 'C99 on vectors'):.1f}, cosine drop "
            f"{_rival(table, short, dataset, 'cosine drop'):.1f}."
        )
    return found


def _rival(table: Means, short: str, dataset: str, name: str) -> float:
    return table.mean(f"{short} rivals", f"{dataset}: {name}")
