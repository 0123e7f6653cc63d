"""Heads that copy a fact from a long text into the answer."""
