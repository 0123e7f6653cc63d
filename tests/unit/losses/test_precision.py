"""Short numbers are widened before a loss is taken."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import info_nce
from broadsheet.losses.precision import in_full_precision


def _pair() -> tuple[Tensor, Tensor]:
    generator = SeedTree(1).torch()
    return torch.randn(16, 64, generator=generator), torch.randn(16, 64, generator=generator)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_numbers_are_widened(dtype: torch.dtype) -> None:
    x, y = (part.to(dtype) for part in _pair())
    found = info_nce(x, y)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, info_nce(x.float(), y.float()), rtol=0, atol=0)


def test_autocast_does_not_reach_a_loss() -> None:
    x, y = _pair()
    expected = info_nce(x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ y.T).dtype == torch.bfloat16
        torch.testing.assert_close(info_nce(x, y), expected, rtol=0, atol=0)


def test_float64_and_other_arguments_stay() -> None:
    @in_full_precision
    def kinds(x: Tensor, count: int, *, mask: Tensor) -> tuple[torch.dtype, int, torch.dtype]:
        return x.dtype, count, mask.dtype

    found = kinds(torch.zeros(1, dtype=torch.float64), 3, mask=torch.zeros(1, dtype=torch.bool))
    assert found == (torch.float64, 3, torch.bool)
