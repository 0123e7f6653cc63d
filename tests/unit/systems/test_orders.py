"""Orders: which arms and seeds, what they would take, how they are launched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.optional import available
from broadsheet.systems.launching import Launch, check_launch, parse_launch
from broadsheet.systems.matrix import Order, dry_run, parse_changes, run
from broadsheet.systems.registry import choose_arms, choose_preset, choose_seeds


def order(**changes: Any) -> Order:
    return Order(**({"slug": "toy", "preset": "smoke"} | changes))


def test_arms_keep_the_order_of_the_preset(toy: Any) -> None:
    preset = toy.presets()["smoke"]
    assert [recipe.arm for recipe in choose_arms(preset, ["b", "a"])] == ["a", "b"]
    assert [recipe.arm for recipe in choose_arms(preset, ["b"], {"steps": "7"})] == ["b"]
    assert choose_arms(preset, ["b"], {"steps": "7"})[0].steps == 7
    with pytest.raises(UsageError, match="one of a, b"):
        choose_arms(preset, ["c"])
    with pytest.raises(UsageError, match="name of an arm"):
        choose_arms(preset, [], {"arm": "x"})
    with pytest.raises(UsageError, match="one of smoke"):
        choose_preset(toy, "huge")


def test_seeds_are_the_preset_s_first_or_the_pilot(toy: Any) -> None:
    preset = toy.presets()["smoke"]
    assert choose_seeds(preset) == (1, 2)
    assert choose_seeds(preset, 1) == (1,)
    assert choose_seeds(preset, pilot=True) == (0,)
    with pytest.raises(UsageError, match="1 to 2"):
        choose_seeds(preset, 3)


@pytest.mark.parametrize("words", [("steps",), ("=3",), ("a=1", "a=2")])
def test_a_change_has_a_name_and_a_value_once(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        parse_changes(words)
    assert parse_changes(("a=b=c",)) == {"a": "b=c"}


def test_a_dry_run_counts_without_memory_and_writes_nothing(toy: Any, tmp_path: Path) -> None:
    plan = dry_run(order(launch="torchrun:2", changes=("steps=9",), runs=tmp_path / "runs"))
    first, _ = plan.plans
    assert (first.parameters, first.trainable, first.steps) == (12, 12, 9)
    assert first.weights_mb == pytest.approx(48e-6)
    assert first.optimiser_mb == pytest.approx(144e-6)
    assert first.activations_mb == pytest.approx(2 * 4 * 2 * 4 * 8 / 1e6)
    assert "4 x 8 positions" in first.assumption
    assert plan.launch == (
        "broadsheet systems run toy --preset smoke --set steps=9 --launch torchrun:2"
    )
    assert plan.underneath.startswith("torchrun --standalone --nproc-per-node=2")
    assert not (tmp_path / "runs").exists()


def test_an_arm_that_is_not_trained_needs_its_weights_only(toy: Any) -> None:
    [plan] = dry_run(order(arms=("b",), changes=("steps=0",))).plans
    assert (plan.trainable, plan.optimiser_mb, plan.activations_mb) == (0, 0.0, 0.0)
    assert plan.memory_mb == plan.weights_mb > 0


def test_what_can_t_be_built_is_said_in_the_plan(toy: Any, monkeypatch: Any) -> None:
    def build(recipe: Any, seeds: Any) -> Any:
        raise BadInput("no weights here")

    monkeypatch.setattr(toy, "build", build)
    first, _ = dry_run(order()).plans
    assert first.parameters is None
    assert "no weights here" in first.assumption


@pytest.mark.parametrize("text", ["torchrun", "torchrun:0", "ray:-1", "mpi:4", "ray:2:3"])
def test_another_way_to_launch_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="torchrun:8 or --launch ray:4"):
        parse_launch(text)


def test_launches_are_read_and_ray_s_absence_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert parse_launch("") is None
    assert parse_launch("ray:4") == Launch("ray", 4)
    monkeypatch.setattr(
        "broadsheet.core.optional.available", lambda module: module != "ray" and available(module)
    )
    with pytest.raises(UsageError, match=r"broadsheet\[scale\]"):
        check_launch(Launch("ray", 4))
    check_launch(Launch("torchrun", 4))


def test_several_devices_and_several_jobs_exclude_each_other(toy: Any, tmp_path: Path) -> None:
    from broadsheet.core.progress import Silent

    with pytest.raises(UsageError, match="--jobs 1"):
        run(order(launch="torchrun:2", parallel=2, runs=tmp_path), Silent(), print)
    with pytest.raises(BadInput, match="no such folder"):
        run(order(inputs=tmp_path / "none", runs=tmp_path), Silent(), print)
