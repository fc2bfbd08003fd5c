"""Each channel times a factor plus a term, limited to an interval, in one pass over memory.

The operations are those of NumPy in the same order, without a fused multiplication, so results have
the bits of NumPy's. NaN stays NaN.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dlgradient.core.sizes import NATIVE_THREAD_BYTES
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array
from dlgradient.native.code import ELEMENTS, Function, Register
from dlgradient.native.compiler import Compiled, address_of, compiled
from dlgradient.native.rows import along

__all__ = ["affine"]


def affine(
    x: Array, factors: Array, terms: Array, interval: tuple[float, float], out: Array
) -> None:
    """Write the results for an array of shape (batch, channels, run) to `out`, which may be x.

    All arrays are contiguous, and of one dtype, float32 or float64; `factors` and `terms` have an
    element for each channel.
    """
    run = _kernel(x.dtype.char)
    limits = np.array(interval, x.dtype)
    addresses = [address_of(a) for a in (x, factors, terms, limits, out)]
    batch, channels, length = x.shape

    def work(rows: slice) -> None:
        run(*addresses, channels, length, rows.start, rows.stop)

    in_blocks(work, batch * channels, split=x.nbytes >= NATIVE_THREAD_BYTES)


@cache
def _kernel(char: str) -> Compiled:
    """Return ``f(x, factors, terms, limits, out, channels, length, first, last)``.

    A row is a channel of an observation, from `first` until before `last`.
    """
    f = Function("affine")
    x = f.address("x", shared=True)
    factors, terms, limits = map(f.address, ("factors", "terms", "limits"))
    out = f.address("out", shared=True)
    channels, length = f.integer("channels"), f.integer("length")
    element = ELEMENTS[char]
    low, high = f.load(element, limits, 0), f.load(element, limits, 1)
    with f.loop(f.integer("first"), f.integer("last")) as row:
        factor = f.load(element, factors, row % channels)
        term = f.load(element, terms, row % channels)
        source, target = (f.at(array, row * length, element) for array in (x, out))

        def apply(at: Register, kind: str) -> None:
            lowest, highest, times, plus = (f.spread(a, kind) for a in (low, high, factor, term))
            y = f.load(kind, source, at) * times + plus
            y = f.choose(y < lowest, lowest, y)
            f.store(f.choose(y > highest, highest, y), target, at)

        along(f, element, length, apply)
    return compiled(f)
