"""The training loop, its checkpoints, and the bridge to sentence-transformers."""
