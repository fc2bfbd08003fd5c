"""Comparisons, logic and tests of floating-point values: bool results without a derivative."""

from __future__ import annotations

import operator

import numpy as np

from dlgradient.core.samples import Case, Maker, case, mismatch
from dlgradient.core.types import Operand, Value
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


def _ordered(m: Maker) -> list[Case]:
    x = m.real(2, 3)
    return [case(x, m.real(3)), case(x, x), case(m.real(), 0.5), case(m.real(0), m.real(1))]


def _pairs(m: Maker) -> list[Case]:
    z = m.complex(3)
    return [*_ordered(m), case(z, z), case(z, m.real(2, 1)), case(np.nan, m.real(2))]


def _bools(m: Maker) -> list[Case]:
    return [
        case(m.bools(2, 3), m.bools(3)),
        case(m.bools(), True),
        case(m.real(2), np.array([0.0, 1.0])),
        case(m.complex(2), np.array([0j, 1j])),
        case(m.bools(0), m.bools(1)),
    ]


def _special(m: Maker) -> list[Case]:
    special = np.array([0.0, np.nan, np.inf, -np.inf])
    return [
        case(special),
        case(np.array([1j, np.nan, complex(0, np.inf), complex(np.nan, 1)])),
        case(m.real()),
        case(m.real(0, 2)),
    ]


@constant(format="align", kernel=operator.eq, samples=_pairs, errors=mismatch, numpy=np.equal)
def equal(x: Operand, y: Operand, /) -> Value:
    """Whether two elements are equal; NaN equals nothing.

    It carries no derivative.

    Examples
    --------
    >>> dl.equal(dl.dlarray([1.0, 2.0]), 2.0)
    dlarray([False,  True])

    Source: array-API ``equal``; MATLAB ``eq``.
    """


@constant(format="align", kernel=operator.ne, samples=_pairs, errors=mismatch, numpy=np.not_equal)
def not_equal(x: Operand, y: Operand, /) -> Value:
    """Whether two elements differ; NaN differs from everything.

    It carries no derivative.

    Examples
    --------
    >>> dl.not_equal(dl.dlarray([1.0, 2.0]), 2.0)
    dlarray([ True, False])

    Source: array-API ``not_equal``; MATLAB ``ne``.
    """


@constant(
    format="align",
    kernel=operator.lt,
    domain="real",
    samples=_ordered,
    errors=mismatch,
    numpy=np.less,
)
def less(x: Operand, y: Operand, /) -> Value:
    """Whether elements of x are less than those of y.

    It carries no derivative.

    Examples
    --------
    >>> dl.less(dl.dlarray([1.0, 2.0]), 2.0)
    dlarray([ True, False])

    Source: array-API ``less``; MATLAB ``lt``.
    """


@constant(
    format="align",
    kernel=operator.le,
    domain="real",
    samples=_ordered,
    errors=mismatch,
    numpy=np.less_equal,
)
def less_equal(x: Operand, y: Operand, /) -> Value:
    """Whether elements of x are less than or equal to those of y.

    It carries no derivative.

    Examples
    --------
    >>> dl.less_equal(dl.dlarray([1.0, 2.0]), 2.0)
    dlarray([ True,  True])

    Source: array-API ``less_equal``; MATLAB ``le``.
    """


@constant(
    format="align",
    kernel=operator.gt,
    domain="real",
    samples=_ordered,
    errors=mismatch,
    numpy=np.greater,
)
def greater(x: Operand, y: Operand, /) -> Value:
    """Whether elements of x are greater than those of y.

    It carries no derivative.

    Examples
    --------
    >>> dl.greater(dl.dlarray([1.0, 2.0]), 2.0)
    dlarray([False, False])

    Source: array-API ``greater``; MATLAB ``gt``.
    """


@constant(
    format="align",
    kernel=operator.ge,
    domain="real",
    samples=_ordered,
    errors=mismatch,
    numpy=np.greater_equal,
)
def greater_equal(x: Operand, y: Operand, /) -> Value:
    """Whether elements of x are greater than or equal to those of y.

    It carries no derivative.

    Examples
    --------
    >>> dl.greater_equal(dl.dlarray([1.0, 2.0]), 2.0)
    dlarray([False,  True])

    Source: array-API ``greater_equal``; MATLAB ``ge``.
    """


@constant(
    format="align", kernel=np.logical_and, samples=_bools, errors=mismatch, numpy=np.logical_and
)
def logical_and(x: Operand, y: Operand, /) -> Value:
    """Whether both of two elements are true.

    Numbers are true if they are not zero. It carries no derivative.

    Examples
    --------
    >>> dl.logical_and(dl.dlarray([True, False]), True)
    dlarray([ True, False])

    Source: array-API ``logical_and``; MATLAB ``and``.
    """


@constant(
    format="align", kernel=np.logical_or, samples=_bools, errors=mismatch, numpy=np.logical_or
)
def logical_or(x: Operand, y: Operand, /) -> Value:
    """Whether at least one of two elements is true.

    Numbers are true if they are not zero. It carries no derivative.

    Examples
    --------
    >>> dl.logical_or(dl.dlarray([True, False]), True)
    dlarray([ True,  True])

    Source: array-API ``logical_or``; MATLAB ``or``.
    """


@constant(
    format="align", kernel=np.logical_xor, samples=_bools, errors=mismatch, numpy=np.logical_xor
)
def logical_xor(x: Operand, y: Operand, /) -> Value:
    """Whether exactly one of two elements is true.

    Numbers are true if they are not zero. It carries no derivative.

    Examples
    --------
    >>> dl.logical_xor(dl.dlarray([True, False]), True)
    dlarray([False,  True])

    Source: array-API ``logical_xor``; MATLAB ``xor``.
    """


@constant(
    format="align",
    kernel=np.logical_not,
    samples=lambda m: [case(m.bools(2, 2)), case(m.bools()), case(np.array([0.0, 2j]))],
    numpy=np.logical_not,
)
def logical_not(x: Operand, /) -> Value:
    """Whether elements are false.

    Numbers are true if they are not zero. It carries no derivative.

    Examples
    --------
    >>> dl.logical_not(dl.dlarray([True, False]))
    dlarray([False,  True])

    Source: array-API ``logical_not``; MATLAB ``not``.
    """


@constant(format="align", kernel=np.isfinite, samples=_special, numpy=np.isfinite)
def isfinite(x: Operand, /) -> Value:
    """Whether elements are finite: neither infinite nor NaN.

    Both parts of a complex element must be. It carries no derivative.

    Examples
    --------
    >>> dl.isfinite(dl.dlarray([1.0, float("inf"), float("nan")]))
    dlarray([ True, False, False])

    Source: array-API ``isfinite``; MATLAB ``isfinite``.
    """


@constant(format="align", kernel=np.isinf, samples=_special, numpy=np.isinf)
def isinf(x: Operand, /) -> Value:
    """Whether elements are infinite.

    A complex element is infinite if one of its parts is. It carries no derivative.

    Examples
    --------
    >>> dl.isinf(dl.dlarray([1.0, float("inf"), float("nan")]))
    dlarray([False,  True, False])

    Source: array-API ``isinf``; MATLAB ``isinf``.
    """


@constant(format="align", kernel=np.isnan, samples=_special, numpy=np.isnan)
def isnan(x: Operand, /) -> Value:
    """Whether elements are NaN.

    A complex element is NaN if one of its parts is. It carries no derivative.

    Examples
    --------
    >>> dl.isnan(dl.dlarray([1.0, float("inf"), float("nan")]))
    dlarray([False, False,  True])

    Source: array-API ``isnan``; MATLAB ``isnan``.
    """
