"""Records and readers of data sets; what may be trained on and what must be left out."""
