"""Why claims of the laptop preset came out as they did, in one sentence each; see README.md."""

from __future__ import annotations

from collections.abc import Mapping

_SHORT = (
    "48 steps draw each shallow layer about ten times: the sign is the paper's, the training too"
    " short (after 240 steps, pilot seed and development part: +10 at 2 layers, +14 at 3)"
)
_ALREADY = (
    "shallow layers of this encoder are good without it: the ordinary encoder finds more after"
    " layer 2 than after layer 6, so there was nothing to win"
)

#: Claim id to reason; written after the runs, never changing a verdict.
REASONS: Mapping[str, str] = {
    "minilm-n2-base": _SHORT,
    "minilm-n2-mse": _SHORT,
    "minilm-n3-base": "seeds differ in which layers were drawn how often; " + _SHORT,
    "minilm-price": "the price is about 2.6 points, nearly all of it on SICK; too few seeds to"
    " place it on one side of 2",
    "minilm-d32-2dmse": "about 2.3 points are lost, as at full size; too few seeds to exclude 1",
    "minilm-d32-mse": "no difference that 48 steps and 5 seeds can show",
    "debian-n2-base": _ALREADY,
    "debian-n2-mse": _ALREADY,
    "debian-n3-base": _ALREADY,
    "debian-price": "the price is about 1 point; too few seeds to exclude 2",
    "debian-d32-2dmse": "the effect is on the claimed side; its interval is wide because sizes are"
    " drawn at random in 40 steps",
    "debian-dedicated": _ALREADY + ", for a dedicated model neither",
}
