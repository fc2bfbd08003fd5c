"""How the benchmarks measure, compare and report; the rows are in ``rows``."""
