"""How many layers to run: one check for all encoders."""

from __future__ import annotations

from broadsheet.core.errors import BadInput


def layers_to_run(layers: int | None, depth: int) -> int:
    """Return the number of layers to run; None means all.

    Raises:
        BadInput: It is negative, or more than there are.

    Example:
        >>> layers_to_run(None, 6), layers_to_run(2, 6)
        (6, 2)
    """
    if layers is None:
        return depth
    if not 0 <= layers <= depth:
        raise BadInput(
            "the encoder has no such layer", received=layers, hint=f"a number from 0 to {depth}"
        )
    return layers
