"""A step of a recurrent layer, from the products to the states and back, in one pass over memory.

The products have made the arguments of the gates, in blocks of as many numbers as a state has. The
arguments of sigmoids are negated. Forward, each block is overwritten by its gate. Sigmoid and tanh
are those of `maths`. All else is in NumPy's order and without fused multiplications. So from the
same gates, the pass back has the bits of NumPy's.
"""

from __future__ import annotations

from functools import cache

from dlgradient.native.code import ELEMENTS, Function, Register
from dlgradient.native.compiler import Compiled, compiled
from dlgradient.native.maths import sigmoid_of_negative, tanh
from dlgradient.native.rows import along

__all__ = ["lstm_back", "lstm_forward"]


@cache
def lstm_forward(char: str) -> Compiled:
    """Return ``f(gates, before, cell, hidden, size)``.

    The blocks of `gates` are candidate, input, forget and output. The tanh of the cell state is
    written after them.
    """
    f = Function("lstm_forward")
    gates, before, cell, hidden = map(f.address, ("gates", "before", "cell", "hidden"))
    size = f.integer("size")

    def apply(at: Register, kind: str) -> None:
        places = [size * k + at for k in range(5)]
        candidate = tanh(f, f.load(kind, gates, places[0]))
        i, forget, o = (sigmoid_of_negative(f, f.load(kind, gates, p)) for p in places[1:4])
        c = forget * f.load(kind, before, at) + i * candidate
        squashed = tanh(f, c)
        for gate, place in zip((candidate, i, forget, o, squashed), places, strict=True):
            f.store(gate, gates, place)
        f.store(c, cell, at)
        f.store(o * squashed, hidden, at)

    along(f, ELEMENTS[char], size, apply)
    return compiled(f)


@cache
def lstm_back(char: str) -> Compiled:
    """Return ``f(gates, before, dh, dc, dz, size)``.

    `dh` and `dc` are the cotangents of the states after the step. It writes those of the arguments
    of the gates to `dz`, and that of the cell state before the step to `dc`.
    """
    f = Function("lstm_back")
    gates, before, dh, dc, dz = map(f.address, ("gates", "before", "dh", "dc", "dz"))
    size = f.integer("size")

    def apply(at: Register, kind: str) -> None:
        places = [size * k + at for k in range(5)]
        candidate, i, forget, o, squashed = (f.load(kind, gates, p) for p in places)
        one = f.constant(1, kind)
        of_h = f.load(kind, dh, at)
        of_c = f.load(kind, dc, at) + (one - squashed * squashed) * o * of_h
        cotangents = (
            (one - candidate * candidate) * i * of_c,
            (i - i * i) * candidate * of_c,
            (forget - forget * forget) * f.load(kind, before, at) * of_c,
            (o - o * o) * squashed * of_h,
        )
        for cotangent, place in zip(cotangents, places[:4], strict=True):
            f.store(cotangent, dz, place)
        f.store(of_c * forget, dc, at)

    along(f, ELEMENTS[char], size, apply)
    return compiled(f)
