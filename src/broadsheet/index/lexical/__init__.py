"""Word indexes in memory, numpy only: BM25 as Lucene computes it, and learned impacts.

Both use one postings engine. They are exact and deterministic, made for experiments and
baselines; the application's own words index is `index.words`.
"""
