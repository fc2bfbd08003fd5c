"""Samples: the inputs an operation declares for the tests that are made from the table.

An operation names operands by a maker, ``m``: ``m.real(3, 2)`` is a float64 array of that shape,
``m.complex(...)``, ``m.positive(...)`` and so on. Values are drawn from a generator seeded by the
operation's name, lie well inside the domain, and are distinct, so that finite differences are
meaningful; kinks and ties are cases of their own (``kink=True``), whose values the author writes
out. Making samples costs nothing until a test asks for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Case", "Maker", "case"]


class Case(NamedTuple):
    """One call: operands, static parameters, and what the tests may expect of it.

    Attributes
    ----------
    args : tuple
        Operands.
    params : dict
        Keyword arguments.
    kink : bool
        Whether the operation is not differentiable here: finite differences are not compared.
    gradient : tuple or None
        At a kink, the documented cotangent of each operand for a cotangent of ones.
    """

    args: tuple[Any, ...]
    params: dict[str, Any]
    kink: bool
    gradient: tuple[Any, ...] | None


def case(
    *args: Any, kink: bool = False, gradient: tuple[Any, ...] | None = None, **params: Any
) -> Case:
    """Return a `Case`; keywords other than its own are static parameters."""
    return Case(args, params, kink, gradient)


class Maker:
    """Makes the arrays of samples, reproducibly.

    Parameters
    ----------
    seed : int
        Seed of the generator.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def between(self, low: float, high: float, *shape: int) -> Any:
        """Distinct float64 values strictly between `low` and `high`, shuffled."""
        size = int(np.prod(shape, dtype=int))
        steps = (np.arange(size) + self.rng.uniform(0.25, 0.75, size)) / max(size, 1)
        values = low + (high - low) * steps
        self.rng.shuffle(values)
        return values.reshape(shape)

    def real(self, *shape: int) -> Any:
        """Values of both signs, away from zero."""
        values = self.between(0.3, 1.9, *shape)
        return values * self.rng.choice([-1.0, 1.0], size=shape)

    def positive(self, *shape: int) -> Any:
        """Values between 0.3 and 1.9."""
        return self.between(0.3, 1.9, *shape)

    def inside(self, *shape: int) -> Any:
        """Values between -0.9 and 0.9, away from zero."""
        return self.real(*shape) * 0.47

    def complex(self, *shape: int) -> Any:
        """Complex values of modulus between 0.3 and 1.9, away from the axes."""
        return (
            self.between(0.3, 1.9, *shape)
            * np.exp(1j * self.between(0.3, 1.2, *shape))
            * (self.rng.choice([1, 1j, -1, -1j], size=shape))
        )

    def bools(self, *shape: int) -> Any:
        """Random booleans."""
        return self.rng.random(shape) < 0.5
