"""2D Matryoshka sentence embeddings: one encoder, cut in depth and in size when it serves."""
