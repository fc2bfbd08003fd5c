"""Sizes at which a faster method begins: every tuning constant of the library.

Each has a unit, and names the row of `benchmarks/` that justifies it. They change the time and
the memory that a function takes, never its result beyond rounding.
"""

from __future__ import annotations

__all__ = ["COPY_BYTES", "PRODUCT_MULTIPLICATIONS", "THREAD_BYTES"]

# Bytes of a raw operand. Up to this size a trace copies what a caller might still change; a larger
# array that owns its memory is locked instead. Rows: overhead (a lock costs more than a small copy)
# and memory (a large copy is never freed before the trace ends).
COPY_BYTES = 1 << 16

# Bytes of one operand. From here on a transcendental function is computed on all cores; below,
# starting a thread costs more than it saves. Row: elementwise.
THREAD_BYTES = 1 << 19

# Multiplications of a matrix product. From here on it is cut into a block for each core, once
# kernels are cut at all. Row: transformer.
PRODUCT_MULTIPLICATIONS = 1 << 23
