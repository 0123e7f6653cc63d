"""Local topic segmentation: two neighbouring sentences, three light heads (arXiv 2301.01935)."""
