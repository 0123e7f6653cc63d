"""A few hundred of the inputs that `benchmarks/fuzz_parsers.py` reads by the hundred thousand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from broadsheet.papers.model import Reject

PROGRAM = Path(__file__).resolve().parents[4] / "benchmarks" / "fuzz_parsers.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_parsers", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_parsers"] = module
    spec.loader.exec_module(module)
    return module


def test_damaged_inputs_neither_crash_nor_hang(fuzz: ModuleType) -> None:
    tally = fuzz.run(seed=1, first=0, last=500)
    assert tally.failures == []
    assert tally.records > 100
    assert tally.rejects > 100
    assert {key.split()[0] for key in tally.inputs} == set(fuzz.FORMATS)


def test_inputs_are_a_function_of_the_seed(fuzz: ModuleType) -> None:
    bases = fuzz.seeds()
    assert fuzz.make(3, 5, bases) == fuzz.make(3, 5, bases)
    assert fuzz.make(3, 5, bases) != fuzz.make(4, 5, bases)


def test_the_check_can_fail(fuzz: ModuleType) -> None:
    with pytest.raises(AssertionError, match="without its place"):
        fuzz._check_reject(Reject(origin="x", offset=11, unit="byte", reason="r"), size=9)
    with pytest.raises(AssertionError, match="without its place"):
        fuzz._check_reject(Reject(origin="", offset=0, unit="byte", reason="r"), size=9)
