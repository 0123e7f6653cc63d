"""Predicates evaluated inside the timing, by the application's own attribute store."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from _filtered_arms import Arm, Asked, Ours
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.compact import Bits
from broadsheet.systems.retrieval.filtered_ann.interface import documents

#: Documents made at a time: a million at once would take gigabytes.
_TOGETHER = 100_000


class Evaluation:
    """Gives each arm its filter and the CPU seconds that takes, each predicate as if it were new.

    Args:
        attributes: Of the rows.
        arms: All arms; one index of ours needs the attributes in its order.
    """

    def __init__(self, attributes: Attributes, arms: list[Arm]) -> None:
        self._store = AttributeStore()
        for begin in range(0, attributes.rows, _TOGETHER):
            rows = range(begin, min(begin + _TOGETHER, attributes.rows))
            self._store = self._store.apply(documents(attributes, rows))
        orders = [arm.order for arm in arms if isinstance(arm, Ours)]
        self._ordered = self._store.in_order(orders[0]) if orders else None

    def __call__(self, arm: Arm, asked: Asked) -> tuple[Any, float]:
        if arm.evaluates:
            return arm.prepare(asked), 0.0
        if isinstance(arm, Ours) and self._ordered is not None:
            self._ordered._known.clear()  # what was asked before must not help
            begun = time.thread_time()
            chosen = self._ordered.selection(asked.predicate)
            spent = time.thread_time() - begun
            if isinstance(chosen, np.ndarray):
                return chosen, spent
            if chosen.count == chosen.size:
                return None, spent
            if isinstance(chosen, Bits):
                return chosen, spent
            return Bits(chosen.words, chosen.size, chosen.count), spent
        self._store._by_number._known.clear()
        begun = time.thread_time()
        mask = self._store.mask(asked.predicate)
        handle = arm.prepare(Asked(asked.predicate, mask))
        return handle, time.thread_time() - begun
