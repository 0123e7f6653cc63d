"""Ways to make one vector of a row's token states, one per file."""
