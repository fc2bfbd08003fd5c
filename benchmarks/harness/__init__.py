"""How the benchmarks measure, compare and report. It knows no row: those are in ``rows``."""
