"""How the benchmarks measure, compare and report; the work itself is in ``rows``."""
