"""Torch blocks, one per file: encoders, poolings, recurrent layers, experts."""
