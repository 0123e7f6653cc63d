"""Why claims of the laptop preset came out as they did, in one sentence each; see README.md."""

from __future__ import annotations

from collections.abc import Mapping

_ALREADY = (
    "shallow layers of this encoder are good without it: the ordinary encoder finds more after"
    " layer 2 than after layer 6, so there was nothing to win"
)

#: Claim id to reason; written after the runs, never changing a verdict.
REASONS: Mapping[str, str] = {
    "minilm-n2-base": "a gain of about 9 points; with 48 steps it was 2, so a longer training may"
    " well pass 10",
    "minilm-n2-mse": "a gain of about 10 points, but five seeds leave 8 inside the interval",
    "minilm-price": "about 1.6 points are lost; five seeds can't exclude 2",
    "minilm-d32-2dmse": "about .9 points are lost, at the very margin",
    "minilm-d32-mse": "short vectors of Matryoshka alone look .9 better; five seeds"
    " can't exclude 0",
    "debian-n2-base": _ALREADY,
    "debian-n2-mse": _ALREADY,
    "debian-n3-base": _ALREADY,
    "debian-price": "the price is about 1.2 points; too few seeds to exclude 2",
    "debian-d32-2dmse": "the effect is on the claimed side; its interval is wide because sizes are"
    " drawn at random in 40 steps",
    "debian-dedicated": _ALREADY + ", for a dedicated model neither",
}
