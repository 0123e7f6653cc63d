"""Filtered nearest-neighbour search: the methods of a field side by side."""
