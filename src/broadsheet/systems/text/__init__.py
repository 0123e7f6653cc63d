"""Systems of the wing text: embeddings of sentences and documents."""
