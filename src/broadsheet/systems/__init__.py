"""The systems: each paper as a folder <wing>/<slug>, all under one contract."""
