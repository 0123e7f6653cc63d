"""Soups: averages of the weights of several runs, which cost no more to run than one.

Source: Model soups (arXiv 2203.05482).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from broadsheet.core.errors import BadInput

#: Names to tensors, as `Module.state_dict` gives them.
StateDict = Mapping[str, Tensor]


def average_weights(
    states: Sequence[StateDict], shares: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """Return the weighted mean of some state dicts (a uniform soup without `shares`).

    Sums are taken in float64 and rounded once; tensors of integers must be the same everywhere.

    Args:
        states: Of modules of one shape, as a rule trained from one start.
        shares: One for each, any positive scale; they may be negative for a task vector as long
            as their sum is not 0.

    Raises:
        BadInput: Nothing to average, other names or shapes, or shares that don't fit.

    Example:
        >>> one, other = {"w": torch.tensor([0.0])}, {"w": torch.tensor([4.0])}
        >>> average_weights([one, other], shares=[1, 3])["w"].item()
        3.0
    """
    factors = [1.0] * len(states) if shares is None else [float(share) for share in shares]
    if not states or len(factors) != len(states) or not sum(factors):
        raise BadInput(
            "a soup needs states, and one share for each",
            received=f"{len(states)} states, shares {shares}",
        )
    total = sum(factors)
    first = states[0]
    for state in states[1:]:
        _check_alike(first, state)
    return {
        name: _mean([state[name] for state in states], [factor / total for factor in factors], name)
        for name in first
    }


def greedy_soup(
    states: Sequence[StateDict], score: Callable[[StateDict], float]
) -> tuple[dict[str, Tensor], tuple[int, ...]]:
    """Return the soup that grows by one state at a time as long as the score does not fall.

    Args:
        states: Candidates of one shape.
        score: Higher is better; on held-out data, never on a test set.

    Returns:
        The soup, and the positions in `states` of what is in it, the best first.

    Raises:
        BadInput: See `average_weights`.

    Source:
        Model soups (arXiv 2203.05482), recipe 1.

    Example:
        >>> states = [{"w": torch.tensor(value)} for value in (1.0, 5.0, 9.0)]
        >>> soup, taken = greedy_soup(states, lambda state: -abs(state["w"].item() - 6.5))
        >>> taken, soup["w"].item()
        ((1, 2), 7.0)
    """
    alone = [score(state) for state in states]
    order = sorted(range(len(states)), key=lambda position: -alone[position])
    taken = order[:1]
    best = alone[order[0]] if order else 0.0
    for position in order[1:]:
        reached = score(average_weights([states[item] for item in (*taken, position)]))
        if reached >= best:
            taken.append(position)
            best = reached
    return average_weights([states[item] for item in taken]), tuple(taken)


def _check_alike(one: StateDict, other: StateDict) -> None:
    if one.keys() != other.keys():
        odd = sorted(one.keys() ^ other.keys())
        raise BadInput("the states have other names", received=", ".join(odd[:5]))
    for name, tensor in one.items():
        if tensor.shape != other[name].shape or tensor.dtype != other[name].dtype:
            shapes = f"{name}: {tuple(tensor.shape)}, {tuple(other[name].shape)}"
            raise BadInput("the states have tensors of other shapes or types", received=shapes)


def _mean(tensors: Sequence[Tensor], factors: Sequence[float], name: str) -> Tensor:
    first = tensors[0]
    if not first.is_floating_point():
        if any(not torch.equal(first, tensor) for tensor in tensors[1:]):
            raise BadInput("integers can't be averaged and differ", received=name)
        return first.clone()
    total = torch.zeros_like(first, dtype=torch.float64)
    for tensor, factor in zip(tensors, factors, strict=True):
        total += tensor.double() * factor
    return total.to(first.dtype)
