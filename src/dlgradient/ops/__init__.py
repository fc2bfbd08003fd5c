"""Array functions, each in one block: kernel, format family, rule and samples.

Importing this package fills the table of operations. Names and signatures are those of the
array-API standard. With raw arrays only, a function is its NumPy kernel.
"""

from dlgradient.ops import (
    accumulate,
    arithmetic,
    bitwise,
    casting,
    choice,
    complex,
    create,
    cumulative,
    exponential,
    fft,
    index,
    join,
    linalg,
    logical,
    moments,
    permute,
    powers,
    ranges,
    reduce,
    rounding,
    search,
    shape,
    take,
    trigonometry,
)

__all__ = [
    "accumulate",
    "arithmetic",
    "bitwise",
    "casting",
    "choice",
    "complex",
    "create",
    "cumulative",
    "exponential",
    "fft",
    "index",
    "join",
    "linalg",
    "logical",
    "moments",
    "permute",
    "powers",
    "ranges",
    "reduce",
    "rounding",
    "search",
    "shape",
    "take",
    "trigonometry",
]
