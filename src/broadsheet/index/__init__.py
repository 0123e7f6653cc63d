"""Indexes over numbered documents: words (tantivy), vectors (exact), attributes and predicates.

Everything here is derived from the store and can be rebuilt from it at any time. A document is
named by its `number`, a small integer that the store gives a work once and never reuses.
"""
