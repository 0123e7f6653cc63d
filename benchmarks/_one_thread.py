"""Import this first: one thread for every numeric library that is loaded afterwards."""

import os

for _name in (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "LANCE_CPU_THREADS",
):
    os.environ.setdefault(_name, "1")
# LanceDB hangs with one thread for input and output; it writes a warning for every search.
os.environ.setdefault("LANCE_LOG", "error")
