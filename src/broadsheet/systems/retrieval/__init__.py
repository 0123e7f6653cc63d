"""Systems that search."""
