"""Logarithms of probabilities: entropy terms, logistic functions, log-sum-exp; Lambert's W."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.samples import Error, case
from dlgradient.core.types import AxisLike, Operand, Value
from dlgradient.errors import ComplexValueError, InvalidArgumentError
from dlgradient.ops.arithmetic import multiply
from dlgradient.ops.choice import maximum, where
from dlgradient.ops.exponential import exp, log, log1p
from dlgradient.ops.logical import equal, greater, isfinite, less_equal, logical_and
from dlgradient.ops.reduce import max as max_
from dlgradient.ops.reduce import spread, sum
from dlgradient.ops.shape import squeeze
from dlgradient.ops.special.shared import above, of_scipy, pairs, refused, unit
from dlgradient.rules import derived, elementwise, general

__all__ = [
    "entr",
    "kl_div",
    "lambertw",
    "log_expit",
    "logit",
    "logsumexp",
    "rel_entr",
    "xlog1py",
    "xlogy",
]


def _xlogy_x(t: Value, x: Value, y: Value) -> Value:
    # Where x is zero, so is the function for every y.
    gone = logical_and(equal(x, 0), less_equal(y, 0))
    return t * where(gone, 0, log(where(gone, 1, y)))


@elementwise(
    x=_xlogy_x,
    y=lambda t, x, y: t * where(equal(x, 0), 0, x / where(equal(x, 0), 1, y)),
    kernel=of_scipy("xlogy"),
    domain="real",
    samples=lambda m: [
        *pairs(m),
        case(
            np.zeros(2),
            np.array([0.0, 2.0]),
            kink=True,
            gradient={"x": [0, np.log(2)], "y": [0, 0]},
        ),
    ],
    errors=lambda m: refused(m, 2.0),
    reference=of_scipy("xlogy"),
)
def xlogy(x: Operand, y: Operand, /) -> Value:
    """Product x log(y), and 0 where x is 0.

    The differential is log(y) dx + x/y dy.

    Examples
    --------
    >>> dl.special.xlogy(dl.dlarray([0.0, 2.0]), [0.0, 1.0]).tolist()
    [0.0, 0.0]

    Source: SciPy ``special.xlogy``.
    """


def _xlog1py_x(t: Value, x: Value, y: Value) -> Value:
    gone = logical_and(equal(x, 0), less_equal(y, -1))
    return t * where(gone, 0, log1p(where(gone, 0, y)))


@elementwise(
    x=_xlog1py_x,
    y=lambda t, x, y: t * where(equal(x, 0), 0, x / (1 + where(equal(x, 0), 1, y))),
    kernel=of_scipy("xlog1py"),
    domain="real",
    samples=pairs,
    errors=lambda m: refused(m, 2.0),
    reference=of_scipy("xlog1py"),
)
def xlog1py(x: Operand, y: Operand, /) -> Value:
    """Product x log(1 + y), and 0 where x is 0.

    The differential is log(1 + y) dx + x/(1 + y) dy.

    Examples
    --------
    >>> dl.special.xlog1py(dl.dlarray([0.0, 2.0]), [-1.0, 0.0]).tolist()
    [0.0, 0.0]

    Source: SciPy ``special.xlog1py``.
    """


def _finite_log(x: Value, y: Value = 1.0) -> Value:
    """Logarithm of x / y, finite at 0: a probability of zero times it is zero, and not NaN."""
    return log(maximum(x, np.finfo(x.dtype).smallest_normal) / y)


@elementwise(
    x=lambda t, x: t * (-1 - _finite_log(x)),
    kernel=of_scipy("entr"),
    domain="real",
    floating=True,
    samples=above,
    reference=of_scipy("entr"),
)
def entr(x: Operand, /) -> Value:
    """Term of an entropy, -x log(x); 0 for 0, and -inf below.

    The differential is -(1 + log(x)) dx; at 0, a large finite slope.

    Examples
    --------
    >>> dl.special.entr(dl.dlarray([0.0, 0.5])).round(decimals=6).tolist()
    [0.0, 0.346574]

    Source: SciPy ``special.entr``.
    """


@elementwise(
    x=lambda t, x, y: t * (1 + _finite_log(x, y)),
    y=lambda t, x, y: t * -(x / y),
    kernel=of_scipy("rel_entr"),
    domain="real",
    samples=pairs,
    errors=lambda m: refused(m, 2.0),
    reference=of_scipy("rel_entr"),
)
def rel_entr(x: Operand, y: Operand, /) -> Value:
    """Term of a relative entropy, x log(x / y); 0 for x = 0.

    The differential is (1 + log(x / y)) dx - x/y dy; at x = 0, a large finite slope.

    Examples
    --------
    >>> dl.special.rel_entr(dl.dlarray([0.0, 1.0]), [1.0, 2.0]).round(decimals=6).tolist()
    [0.0, -0.693147]

    Source: SciPy ``special.rel_entr``.
    """


@elementwise(
    x=lambda t, x, y: t * _finite_log(x, y),
    y=lambda t, x, y: t * ((y - x) / y),
    kernel=of_scipy("kl_div"),
    domain="real",
    samples=pairs,
    errors=lambda m: refused(m, 2.0),
    reference=of_scipy("kl_div"),
)
def kl_div(x: Operand, y: Operand, /) -> Value:
    """Term of a Kullback-Leibler divergence, x log(x / y) - x + y.

    The differential is log(x / y) dx + (1 - x/y) dy.

    Examples
    --------
    >>> dl.special.kl_div(dl.dlarray([0.0, 1.0]), [1.0, 1.0]).tolist()
    [1.0, 0.0]

    Source: SciPy ``special.kl_div``.
    """


# -- logistic functions --------------------------------------------------------------------------


@elementwise(
    x=lambda t, x: t / (x * (1 - x)),
    kernel=of_scipy("logit"),
    domain="real",
    floating=True,
    samples=unit,
    reference=of_scipy("logit"),
)
def logit(x: Operand, /) -> Value:
    """Logarithm of the odds, log(x / (1 - x)), the inverse of the logistic function.

    The differential is dx / (x (1 - x)).

    Examples
    --------
    >>> dl.special.logit(dl.dlarray([0.5, 0.75])).round(decimals=6).tolist()
    [0.0, 1.098612]

    Source: SciPy ``special.logit``.
    """


def _expit(x: Value) -> Value:
    """Logistic function; of a negative number the exponential is accurate, and small."""
    small = exp(where(greater(x, 0), -x, x))
    return where(greater(x, 0), 1, small) / (1 + small)


@elementwise(
    x=lambda t, x: t * _expit(-x),
    kernel=of_scipy("log_expit"),
    domain="real",
    floating=True,
    samples=lambda m: [case(m.real(3)), case(m.real()), case(m.real(0)), case(m.real(3) * 9)],
    reference=of_scipy("log_expit"),
)
def log_expit(x: Operand, /) -> Value:
    """Logarithm of the logistic function, -log(1 + exp(-x)).

    The differential is dx / (1 + exp(x)).

    Examples
    --------
    >>> dl.special.log_expit(dl.dlarray([0.0, -1000.0])).round(decimals=6).tolist()
    [-0.693147, -1000.0]

    Source: SciPy ``special.log_expit``.
    """


# -- log-sum-exp ---------------------------------------------------------------------------------


def _shares(x: Value, out: Value, axis: AxisLike, keepdims: bool) -> Value:
    """Return the part of each element in its sum; of an infinite result, equal parts or none."""
    total = spread(out, shape=x.shape, axis=axis, keepdims=keepdims)
    same = logical_and(equal(x, total), equal(isfinite(total), False))
    return exp(where(same, 0, x - total))


def _sum_of_exponentials_x(g: Value, x: Value, out: Value, axis: AxisLike, keepdims: bool) -> Value:
    return spread(g, shape=x.shape, axis=axis, keepdims=keepdims) * _shares(x, out, axis, keepdims)


def _sum_of_exponentials_tangent(
    t: Value, x: Value, out: Value, axis: AxisLike, keepdims: bool
) -> Value:
    return sum(t * _shares(x, out, axis, keepdims), axis=axis, keepdims=keepdims)


@general(
    x=_sum_of_exponentials_x,
    jvp={"x": _sum_of_exponentials_tangent},
    format="reduce",
    domain="real",
    samples=lambda m: [
        case(m.real(3)),
        case(m.real(2, 3), axis=1),
        case(m.real(2, 3, 2), axis=(0, 2), keepdims=True),
        case(m.real(3) * 400),
        case(m.real()),
        case(m.real(0, 3), axis=1),
    ],
    errors=lambda m: [
        Error(case(m.complex(2)), ComplexValueError, "must be real"),
        Error(case(m.real(2), axis=1), InvalidArgumentError, "axis"),
    ],
    shown="logsumexp",
)
def log_sum_of_exponentials(x: Value, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Logarithm of a sum of exponentials.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
    keepdims : bool
    """
    x = np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    finite = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore", over="ignore"):
        total = np.log(np.sum(np.exp(x - finite), axis=axis, keepdims=True)) + finite
    out = total if keepdims else np.squeeze(total, axis=axis)
    return out.astype(x.dtype)[()]


@derived(
    samples=lambda m: [
        case(m.real(3)),
        case(m.real(2, 3), axis=1),
        case(m.real(2, 3), axis=0, keepdims=True),
        case(m.real(2, 3), axis=1, b=2.0),
    ],
    errors=lambda m: [Error(case(m.complex(2)), ComplexValueError, "must be real")],
    reference=lambda x, **params: _reference(x, **params),
    domain="real",
)
def logsumexp(
    x: Operand, /, axis: AxisLike = None, *, b: Operand = None, keepdims: bool = False
) -> Value:
    """Logarithm of a sum of exponentials, log Σᵢ exp(xᵢ), without overflow.

    The gradient is the softmax.

    Parameters
    ----------
    x : array
        Real.
    axis : int or tuple of int, optional
        Dimensions to sum over; by default all.
    b : array, optional
        Factors of the exponentials.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    dlgradient.logaddexp : of two arrays
    dlgradient.log_softmax : logarithm of softmax, accurate

    Examples
    --------
    >>> dl.special.logsumexp(dl.dlarray([1000.0, 1000.0])).round(decimals=4)
    dlarray(1000.6931)

    Source: SciPy ``special.logsumexp``; PyTorch ``logsumexp``.
    """
    if b is None:
        return log_sum_of_exponentials(x, axis=axis, keepdims=keepdims)
    largest = max_(x, axis=axis, keepdims=True)
    largest = where(isfinite(largest), largest, 0)
    total = log(sum(multiply(b, exp(x - largest)), axis=axis, keepdims=True)) + largest
    return total if keepdims else squeeze(total, axis=axis)


def _reference(x: Value, **params: Any) -> Value:
    from scipy import special

    return special.logsumexp(x, **params)


# -- Lambert's W ---------------------------------------------------------------------------------


@elementwise(
    x=lambda t, out: t * (exp(-out) / (1 + out)),
    samples=lambda m: [
        case(m.positive(3)),
        case(m.complex(3)),
        case(m.complex(2), k=-1),
        case(m.positive()),
        case(m.positive(0)),
    ],
    reference=of_scipy("lambertw"),
)
def lambertw(x: Operand, /, k: int = 0) -> Value:
    """Branches of Lambert's W function, the w of w exp(w) = x; complex.

    The differential is exp(-w) / (1 + w) dx.

    Parameters
    ----------
    x : array
        Real or complex.
    k : int
        The branch, a constant.

    See Also
    --------
    xlogy : product x log(y)

    Examples
    --------
    >>> dl.real(dl.special.lambertw(dl.dlarray([0.0, np.e]))).round(decimals=6).tolist()
    [0.0, 1.0]

    Source: SciPy ``special.lambertw``; MATLAB ``lambertw``.
    """
    from scipy import special

    kind = np.result_type(x, np.complex64)
    return np.asarray(special.lambertw(x, k)).astype(kind)[()]
