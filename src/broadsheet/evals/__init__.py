"""Evaluators: what an encoder is worth on a data set."""
