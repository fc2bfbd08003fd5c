"""Comparisons, logic and tests of floating-point values: bool results, which carry no derivative."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dlgradient.ops.samples import case
from dlgradient.rules import constant

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]


def _ordered(m: Any) -> list[Any]:
    x = m.real(2, 3)
    return [case(x, m.real(3)), case(x, x), case(m.real(), 0.5), case(m.real(0), m.real(1))]


def _pairs(m: Any) -> list[Any]:
    z = m.complex(3)
    return [*_ordered(m), case(z, z), case(z, m.real(2, 1)), case(np.nan, m.real(2))]


def _bools(m: Any) -> list[Any]:
    return [
        case(m.bools(2, 3), m.bools(3)),
        case(m.bools(), True),
        case(m.real(2), np.array([0.0, 1.0])),
        case(m.bools(0), m.bools(1)),
    ]


def _special(m: Any) -> list[Any]:
    special = np.array([0.0, np.nan, np.inf, -np.inf])
    return [case(special), case(special * 1j), case(m.real()), case(m.real(0, 2))]


@constant(labels="align", kernel=operator.eq, samples=_pairs, numpy=np.equal)
def equal(x: Any, y: Any, /) -> Any:
    """Whether elements are equal."""


@constant(labels="align", kernel=operator.ne, samples=_pairs, numpy=np.not_equal)
def not_equal(x: Any, y: Any, /) -> Any:
    """Whether elements differ."""


@constant(labels="align", kernel=operator.lt, samples=_ordered, numpy=np.less)
def less(x: Any, y: Any, /) -> Any:
    """Whether elements of ``x`` are less than those of ``y``."""


@constant(labels="align", kernel=operator.le, samples=_ordered, numpy=np.less_equal)
def less_equal(x: Any, y: Any, /) -> Any:
    """Whether elements of ``x`` are less than or equal to those of ``y``."""


@constant(labels="align", kernel=operator.gt, samples=_ordered, numpy=np.greater)
def greater(x: Any, y: Any, /) -> Any:
    """Whether elements of ``x`` are greater than those of ``y``."""


@constant(labels="align", kernel=operator.ge, samples=_ordered, numpy=np.greater_equal)
def greater_equal(x: Any, y: Any, /) -> Any:
    """Whether elements of ``x`` are greater than or equal to those of ``y``."""


@constant(labels="align", kernel=np.logical_and, samples=_bools, numpy=np.logical_and)
def logical_and(x: Any, y: Any, /) -> Any:
    """Logical and, elementwise."""


@constant(labels="align", kernel=np.logical_or, samples=_bools, numpy=np.logical_or)
def logical_or(x: Any, y: Any, /) -> Any:
    """Logical or, elementwise."""


@constant(labels="align", kernel=np.logical_xor, samples=_bools, numpy=np.logical_xor)
def logical_xor(x: Any, y: Any, /) -> Any:
    """Whether exactly one of two elements is true."""


@constant(
    labels="align",
    kernel=np.logical_not,
    samples=lambda m: [case(m.bools(2, 2)), case(m.bools()), case(np.array([0.0, 2.0]))],
    numpy=np.logical_not,
)
def logical_not(x: Any, /) -> Any:
    """Logical not, elementwise."""


@constant(labels="align", kernel=np.isfinite, samples=_special, numpy=np.isfinite)
def isfinite(x: Any, /) -> Any:
    """Whether elements are finite."""


@constant(labels="align", kernel=np.isinf, samples=_special, numpy=np.isinf)
def isinf(x: Any, /) -> Any:
    """Whether elements are infinite."""


@constant(labels="align", kernel=np.isnan, samples=_special, numpy=np.isnan)
def isnan(x: Any, /) -> Any:
    """Whether elements are not a number."""
