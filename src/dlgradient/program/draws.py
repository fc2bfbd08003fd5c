"""Random numbers in a program: each call draws new ones, in the order of the recorded call.

A draw is a line without operands, whose parameter is the generator itself. So the numbers are those
of an eager call with the generator in the same state, and the generator is left in the same state.
For that a program must have all draws of a call. It is checked after the call: a copy of the
generator, from its state before, draws what the lines draw, and must end in the same state. A
generator that the watch of the function has not met, as one that is made in the call, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pickle import dumps
from typing import Any

import numpy as np

from dlgradient.core.calls import make_node, wrap
from dlgradient.core.declaration import Declaration, Op
from dlgradient.core.graph import Node
from dlgradient.core.trace import Trace
from dlgradient.core.types import Array, Params, Shape, Value

__all__ = ["DRAW", "Draws", "generators_of", "rewind", "state_of"]


def _uniform(*, generator: np.random.Generator, shape: Shape, dtype: type) -> Array:
    return generator.random(shape, dtype)


DRAW = Op(Declaration(function=_uniform, kind="constant", format="new"))


def state_of(generator: np.random.Generator) -> bytes:
    """Return the state of a generator, to be compared."""
    return dumps(generator.bit_generator.state)


def generators_of(draws: Iterable[Params]) -> list[np.random.Generator]:
    """Return the generators of draws, each once, from their parameters."""
    return list({id(params["generator"]): params["generator"] for params in draws}.values())


class Draws:
    """The draws of a recorded call.

    Attributes
    ----------
    nodes : list of Node
    handed : list of numpy.random.Generator
        Generators that code of the user got, and may have drawn from.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.handed: list[np.random.Generator] = []
        self._before: dict[int, tuple[bytes, Any]] = {}

    def draw(
        self, generator: np.random.Generator, shape: Shape, dtype: type, trace: Trace
    ) -> Value:
        """Return random numbers from 0 to 1, which a line of the program will draw anew."""
        if id(generator) not in self._before:
            state = generator.bit_generator.state
            self._before[id(generator)] = dumps(state), state
        value = generator.random(shape, dtype)
        params = {"generator": generator, "shape": shape, "dtype": dtype}
        node = make_node(DRAW, (), (), params, trace, value)
        self.nodes.append(node)
        return wrap(value, node, None)

    def generators(self) -> list[np.random.Generator]:
        """Return the generators, in the order of their first draw."""
        return generators_of([node.params for node in self.nodes])

    def are_all(self, generator: np.random.Generator, before: bytes) -> bool:
        """Return whether a generator was used for these draws only, since it had a state."""
        first, state = self._before[id(generator)]
        if first != before:
            return False
        bits = type(generator.bit_generator)()
        bits.state = state
        copy = np.random.Generator(bits)
        for node in self.nodes:
            if node.params["generator"] is generator:
                copy.random(node.params["shape"], node.params["dtype"])
        return state_of(copy) == state_of(generator)


def rewind(states: Sequence[tuple[np.random.Generator, Any]]) -> None:
    """Set generators back to states that they had."""
    for generator, state in states:
        generator.bit_generator.state = state
