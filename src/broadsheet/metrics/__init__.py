"""Metrics and significance in numpy: ranking, correlation, classification, clustering."""
