"""Losses, one per file: contrastive, ranking, Matryoshka, distillation."""
