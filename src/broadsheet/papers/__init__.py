"""The Daily Papers domain: records in, works, search, trending and dated editions out."""
