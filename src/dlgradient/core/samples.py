"""Samples: the calls that an operation declares for its generated tests.

A maker, ``m``, makes operands: ``m.real(3, 2)`` is a float64 array of that shape;
``m.complex(...)`` and ``m.positive(...)`` are similar. The name of the operation seeds the values.
They lie well inside the domain, and are distinct, so that finite differences make sense. Kinks and
ties are separate cases (``kink=True``), whose values the author writes. Samples are made only when
a test needs them.

The samples of one operation are in its declaration. Functions here make those that many operations
share: `anywhere`, `positive`, `inside` of one operand, `pairs`, `real_pairs` of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import ShapeMismatchError

__all__ = [
    "Case",
    "Error",
    "Errors",
    "Maker",
    "Samples",
    "anywhere",
    "away",
    "case",
    "inside",
    "mismatch",
    "pairs",
    "positive",
    "real_pairs",
]


class Case(NamedTuple):
    """One call: operands, static parameters, and what the tests may expect of it.

    Attributes
    ----------
    args : tuple
        Operands.
    params : dict
        Keyword arguments.
    kink : bool
        Whether the operation is not differentiable here; then there is no comparison with
        differences.
    gradient : dict or None
        At a kink, the documented cotangents for a cotangent of ones, by the names of the operands.
        Every operand with a derivative has one; an operand that is a sequence has a sequence.
    """

    args: tuple[Any, ...]
    params: dict[str, Any]
    kink: bool
    gradient: Mapping[str, Any] | None


def case(
    *args: Any,
    kink: bool = False,
    gradient: Mapping[str, Any] | None = None,
    **params: Any,
) -> Case:
    """Return a `Case`; other keywords are parameters of the operation.

    See Also
    --------
    dlgradient.testing.sample_cases : the samples of an operation

    Examples
    --------
    >>> case([-1.0, 0.0], kink=True, gradient={"x": [-1, 0]}).gradient
    {'x': [-1, 0]}
    """
    return Case(args, params, kink, gradient)


class Error(NamedTuple):
    """One wrong call, and its error.

    Attributes
    ----------
    case : Case
        The call.
    error : type
        Class of the error.
    match : str
        A regular expression for its message.
    """

    case: Case
    error: type[Exception]
    match: str


class Maker:
    """Makes the arrays of samples reproducibly.

    Parameters
    ----------
    seed : int
        Seed of the generator.

    Attributes
    ----------
    rng : numpy.random.Generator
        For anything else.

    Notes
    -----
    Methods get the sizes of an array, and none for a number:

    * ``real(3)``: of both signs, with absolute values from 0.3 to 1.9;
    * ``positive(3)``: from 0.3 to 1.9;
    * ``inside(3)``: of both signs, with absolute values from 0.14 to 0.9;
    * ``between(low, high, 3)``: between two numbers, all different;
    * ``complex(3)``: with absolute values from 0.3 to 1.9, away from the axes;
    * ``bools(3)``: logical values.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def between(self, low: float, high: float, *shape: int) -> Array:
        """Distinct float64 values strictly between `low` and `high`, shuffled."""
        size = int(np.prod(shape, dtype=int))
        steps = (np.arange(size) + self.rng.uniform(0.25, 0.75, size)) / max(size, 1)
        values = low + (high - low) * steps
        self.rng.shuffle(values)
        return values.reshape(shape)

    def real(self, *shape: int) -> Array:
        """Values of both signs, away from zero."""
        values = self.between(0.3, 1.9, *shape)
        signs: Array = self.rng.choice([-1.0, 1.0], size=shape)
        return values * signs

    def positive(self, *shape: int) -> Array:
        """Values between 0.3 and 1.9."""
        return self.between(0.3, 1.9, *shape)

    def inside(self, *shape: int) -> Array:
        """Values between -0.9 and 0.9, away from zero."""
        return self.real(*shape) * 0.47

    def complex(self, *shape: int) -> Array:
        """Complex values of modulus between 0.3 and 1.9, away from the axes."""
        moduli = self.between(0.3, 1.9, *shape)
        turns: Array = np.exp(1j * self.between(0.3, 1.2, *shape))
        quarters: Array = self.rng.choice([1, 1j, -1, -1j], size=shape)
        return moduli * turns * quarters

    def bools(self, *shape: int) -> Array:
        """Random booleans."""
        chosen: Array = self.rng.random(shape) < 0.5
        return chosen


Samples: TypeAlias = Callable[[Maker], list[Case]]
Errors: TypeAlias = Callable[[Maker], list[Error]]


def anywhere(m: Maker) -> list[Case]:
    """One operand that may be any number, real or complex."""
    return [case(m.real(3)), case(m.real()), case(m.real(2, 0)), case(m.complex(2, 2))]


def positive(m: Maker) -> list[Case]:
    """One operand that is positive, or complex and away from the axes."""
    return [case(m.positive(3)), case(m.positive()), case(m.positive(2, 0)), case(m.complex(2, 2))]


def inside(m: Maker) -> list[Case]:
    """One operand with modulus less than one, real or complex."""
    return [case(m.inside(3)), case(m.inside()), case(m.inside(0)), case(m.complex(2) * 0.4)]


def real_pairs(m: Maker) -> list[Case]:
    """Two real operands: of equal shapes, broadcast, with a number, empty."""
    return [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), m.real(2, 2)),
        case(m.real(3), 2.5),
        case(-1.5, m.real(3)),
        case(m.real(), m.real()),
        case(m.real(0, 2), m.real(2)),
    ]


def pairs(m: Maker) -> list[Case]:
    """Two operands, as in `real_pairs`, and complex ones."""
    return [
        *real_pairs(m),
        case(m.complex(3), m.complex(3)),
        case(m.complex(2, 1), m.real(3)),
        case(m.real(2), 1.5 - 0.5j),
        case(1.5 - 0.5j, m.real()),
    ]


def away(samples: Samples, distance: Callable[..., Array]) -> Samples:
    """Draw samples until no `distance` of their operands is below 0.05 in size.

    It is the distance from a jump or a tie, which differences must not reach.
    """

    def drawn(m: Maker) -> list[Case]:
        while True:
            cases = samples(m)
            least = [np.min(np.abs(distance(*c.args)), initial=1.0) for c in cases]
            if min(least) > 0.05:
                return cases

    return drawn


def mismatch(m: Maker) -> list[Error]:
    """Two operands whose shapes do not broadcast."""
    wrong = case(m.real(3), m.real(2))
    return [Error(wrong, ShapeMismatchError, r"shape \(3,\) float64; \w+: shape \(2,\)")]
