"""A step of a recurrent layer, from the products to the states and back, in one pass over memory.

The products have made the arguments of the gates, of which those of sigmoids are negated. In a row
for each sequence, the gates follow each other, and so do the cotangents of arguments. All other
arrays have a block for each gate. Sigmoid and tanh are those of `maths`. All else is in NumPy's
order and without fused multiplications. So from the same gates, the pass back has the bits of
NumPy's.

No array is read and written. So the last vector of a row may begin before the end of the one before
it, and there are no single numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from dlgradient.native.code import ELEMENTS, Function, Register, vector
from dlgradient.native.compiler import Compiled, compiled
from dlgradient.native.machine import machine
from dlgradient.native.maths import sigmoid_of_negative, tanh

__all__ = ["gru_back", "gru_forward", "lanes_of", "lstm_back", "lstm_forward"]


def lanes_of(char: str, units: int) -> int:
    """Return how long vectors are: a power of two, and at most as many as there are units."""
    return int(min(machine().lanes(ELEMENTS[char]), 1 << (units.bit_length() - 1)))


class _Places:
    """The vectors of a step, one at a time.

    Attributes
    ----------
    kind : str
        The type of a vector.
    state : Register
        Where it is in a state.
    """

    def __init__(self, f: Function, char: str, lanes: int) -> None:
        self._f, self._lanes = f, lanes
        self.kind = vector(ELEMENTS[char], lanes)
        self._batch, self._units = f.integer("batch"), f.integer("units")

    @contextmanager
    def each(self) -> Iterator[None]:
        """Repeat the lines of a block for each vector."""
        f, n = self._f, self._units
        with f.loop(0, self._batch) as row, f.loop(0, n, self._lanes) as i:
            last = n - self._lanes
            at = f.choose(i < last, i, last)
            self.state, self._row = row * n + at, at
            self._begin = row * n
            yield

    def block(self, k: int) -> Register:
        """Return where it is in blocks of gates."""
        return self._batch * self._units * k + self.state

    def gate(self, k: int, count: int) -> Register:
        """Return where it is in rows of so many gates."""
        return self._begin * count + self._units * k + self._row


@cache
def lstm_forward(char: str, lanes: int) -> Compiled:
    """Return ``f(before, z, gates, cell, hidden, batch, units)``.

    The gates are candidate, input, forget and output, and then the tanh of the cell state.
    """
    f = Function("lstm_forward")
    before, z, gates = map(f.address, ("before", "z", "gates"))
    cell, hidden = f.address("cell"), f.address("hidden")
    places = _Places(f, char, lanes)
    with places.each():
        candidate, i, forget, o = (
            function(f, f.load(places.kind, z, places.gate(k, 4)))
            for k, function in enumerate((tanh, *[sigmoid_of_negative] * 3))
        )
        c = forget * f.load(places.kind, before, places.state) + i * candidate
        squashed = tanh(f, c)
        for k, gate in enumerate((candidate, i, forget, o, squashed)):
            f.store(gate, gates, places.block(k))
        f.store(c, cell, places.state)
        f.store(o * squashed, hidden, places.state)
    return compiled(f)


@cache
def lstm_back(char: str, lanes: int) -> Compiled:
    """Return ``f(before, gates, dh, dc, dz, dc_before, batch, units)``.

    `dh` and `dc` are the cotangents of the states after the step. It writes those of the arguments
    of the gates to `dz`, and that of the cell state before the step to `dc_before`.
    """
    f = Function("lstm_back")
    before, gates, dh, dc = map(f.address, ("before", "gates", "dh", "dc"))
    dz, dc_before = f.address("dz"), f.address("dc_before")
    places = _Places(f, char, lanes)
    kind = places.kind
    with places.each():
        candidate, i, forget, o, squashed = (f.load(kind, gates, places.block(k)) for k in range(5))
        one = f.constant(1, kind)
        of_h = f.load(kind, dh, places.state)
        of_c = f.load(kind, dc, places.state) + (one - squashed * squashed) * o * of_h
        cotangents = (
            (one - candidate * candidate) * i * of_c,
            (i - i * i) * candidate * of_c,
            (forget - forget * forget) * f.load(kind, before, places.state) * of_c,
            (o - o * o) * squashed * of_h,
        )
        for k, cotangent in enumerate(cotangents):
            f.store(cotangent, dz, places.gate(k, 4))
        f.store(of_c * forget, dc_before, places.state)
    return compiled(f)


@cache
def gru_forward(char: str, lanes: int) -> Compiled:
    """Return ``f(before, z, inputs, gates, hidden, batch, units)``.

    The gates are what the hidden state contributes to the candidate, reset, update and candidate.
    """
    f = Function("gru_forward")
    before, z, inputs = map(f.address, ("before", "z", "inputs"))
    gates, hidden = f.address("gates"), f.address("hidden")
    places = _Places(f, char, lanes)
    kind = places.kind
    with places.each():
        s, *arguments = (f.load(kind, z, places.gate(k, 3)) for k in range(3))
        reset, update = (sigmoid_of_negative(f, a) for a in arguments)
        candidate = tanh(f, f.load(kind, inputs, places.state) + reset * s)
        for k, gate in enumerate((s, reset, update, candidate)):
            f.store(gate, gates, places.block(k))
        h = f.load(kind, before, places.state)
        f.store(candidate + (h - candidate) * update, hidden, places.state)
    return compiled(f)


@cache
def gru_back(char: str, lanes: int) -> Compiled:
    """Return ``f(before, gates, dh, dz, through, batch, units)``.

    `dh` is the cotangent of the state after the step. It writes those of the four blocks to `dz`,
    and to `through` what passes the update gate.
    """
    f = Function("gru_back")
    before, gates, dh = map(f.address, ("before", "gates", "dh"))
    dz, through = f.address("dz"), f.address("through")
    places = _Places(f, char, lanes)
    kind = places.kind
    with places.each():
        s, reset, update, candidate = (f.load(kind, gates, places.block(k)) for k in range(4))
        one = f.constant(1, kind)
        of_h = f.load(kind, dh, places.state)
        moved = f.load(kind, before, places.state) - candidate
        of_candidate = (one - candidate * candidate) * (one - update) * of_h
        cotangents = (
            reset * of_candidate,
            (reset - reset * reset) * s * of_candidate,
            (update - update * update) * moved * of_h,
            of_candidate,
        )
        for k, cotangent in enumerate(cotangents):
            f.store(cotangent, dz, places.gate(k, 4))
        f.store(update * of_h, through, places.state)
    return compiled(f)
