"""Distilled sentence embedding: a student whose vectors answer for a slow cross-encoder."""
