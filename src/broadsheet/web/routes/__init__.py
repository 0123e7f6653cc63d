"""Routes, one module per noun. Each view turns a question into an `Answer`."""
