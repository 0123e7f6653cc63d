"""Systems of the wing reading: outlines, segments, claims, and the heads that copy."""
