"""Semantic Representation and Inference for NLP: three parts of a thesis as one system."""
