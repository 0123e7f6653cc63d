"""Foundations that every other layer may import: errors, clock, paths, progress.

Importing this package costs next to nothing: standard library only.
"""
