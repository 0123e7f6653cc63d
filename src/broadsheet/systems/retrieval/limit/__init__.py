"""LIMIT: what a single vector per text can and cannot rank, and what that means for search."""
