"""Activations with kinks: relu and its relatives.

At a kink the gradient is the subgradient of minimum norm: 0 for `relu`, else the smaller slope.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import labelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.formats import merge
from dlgradient.core.kinds import number
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.sizes import NATIVE_RELU_ELEMENTS
from dlgradient.core.types import Array, Format, NonNegative, Operand, Value
from dlgradient.core.values import WEAK_SCALARS, as_value
from dlgradient.errors import FormatClashError, FormatError, InvalidArgumentError
from dlgradient.native.switch import uses_native
from dlgradient.nn.shared.arguments import (
    as_array,
    channel_axis,
    described,
    finished,
    floating,
    format_of,
    formatted,
    is_formatted,
)
from dlgradient.ops.choice import clip, minimum, where, where_kernel
from dlgradient.ops.exponential import exp
from dlgradient.ops.logical import equal, greater, greater_equal, less, logical_and
from dlgradient.ops.shape import reshape
from dlgradient.rules import constant, derived, elementwise

__all__ = ["clippedrelu", "elu", "hardsigmoid", "leakyrelu", "prelu", "relu", "selu"]

_SLOPE = number(fix="a learnable slope is the second operand of prelu")


def _shapes(m: Maker) -> list[Case]:
    return [case(m.real(3)), case(m.real()), case(m.real(2, 3)), case(m.real(2, 0))]


# -- relu ----------------------------------------------------------------------------------------


def _where_positive_x(t: Value, y: Value) -> Value:
    return where_positive(t, y)


def _where_positive(x: Array, y: Array) -> Value:
    if not _compiles(x, y):
        return where_kernel(np.greater(y, 0), x, 0)
    from dlgradient.native.formula import compute

    out = np.empty_like(x)
    compute(lambda x, y: (y.where_above(0, x, 0),), [x, y], [out])
    return out


def _compiles(x: Array, y: Array) -> bool:
    return (
        type(x) is np.ndarray
        and type(y) is np.ndarray
        and (x.shape, x.dtype) == (y.shape, y.dtype)
        and x.flags.c_contiguous
        and y.flags.c_contiguous
        and x.size > 0
        and uses_native(x.dtype, pays=x.size >= NATIVE_RELU_ELEMENTS)
    )


@elementwise(
    x=_where_positive_x,
    kernel=_where_positive,
    masks=True,
    shown="relu",
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.complex(2, 3), m.real(2, 3)),
        case(m.real(), m.real()),
        case(m.real(0), m.real(0)),
        # Elements that are not chosen may be NaN or infinite.
        case(np.array([np.nan, np.inf, 1, 2]), np.array([-1.0, -2, 3, 2])),
    ],
    reference=lambda x, y: np.where(y > 0, x, 0),
)
def where_positive(x: Operand, y: Operand, /) -> Value:
    """Elements of x where y is above 0, else 0: the cotangent of `relu`, whose result y is."""


@elementwise(
    x=lambda t, out: where_positive(t, out),
    domain="real",
    floating=True,
    masks=True,
    samples=lambda m: [
        *_shapes(m),
        case(np.array([-1.0, 0, 2]), kink=True, gradient={"x": [0, 0, 1]}),
    ],
    reference=lambda x: (x > 0) * np.where(np.isfinite(x), x, 0),
)
def relu(x: Operand, /) -> Value:
    """Rectified linear unit, elementwise: max(x, 0); `complexrelu` is for complex values.

    The gradient is 1 above 0, else 0. Only the result is saved for it.

    Examples
    --------
    >>> dl.relu(dl.dlarray([-1.0, 0.5]))
    dlarray([0. , 0.5])

    Source: MATLAB ``relu``.
    """
    return np.maximum(x, 0)


@constant(
    domain="real",
    format="align",
    shown="leakyrelu",
    samples=lambda m: [case(m.real(3), scale=s) for s in (0.1, -1.0, 0.0, 3.0)],
)
def leaky_slope(x: Operand, /, *, scale: float) -> Value:
    """Derivative of `leakyrelu`: 1 above 0, `scale` below, the nearest to zero of both at 0."""
    if 0 < scale <= 1:  # the same, and several times as fast as a choice
        return np.maximum(np.greater(x, 0).astype(x.dtype), scale)
    one = x.dtype.type(1)
    return np.where(x > 0, one, np.where(x < 0, one * scale, one * min(max(scale, 0), 1)))[()]


@elementwise(
    x=lambda t, x, scale: t * leaky_slope(x, scale=scale),
    domain="real",
    floating=True,
    samples=lambda m: [
        *_shapes(m),
        case(m.real(3), scale=0.2),
        case(m.real(3), scale=-0.5),
        case(np.array([-1.0, 0, 2]), scale=0.1, kink=True, gradient={"x": [0.1, 0.1, 1]}),
        case(np.array([-1.0, 0, 2]), scale=3, kink=True, gradient={"x": [3, 1, 1]}),
        case(np.array([-1.0, 0, 2]), scale=-1, kink=True, gradient={"x": [-1, 0, 1]}),
    ],
    errors=lambda m: [
        Error(case(m.real(2), scale=m.real(2)), InvalidArgumentError, "scale.*prelu"),
    ],
    reference=lambda x, scale=0.01: np.where(x > 0, x, scale * x),
)
def leakyrelu(x: Operand, /, scale: Annotated[float, _SLOPE] = 0.01) -> Value:
    """Leaky rectified linear unit, elementwise: x above 0, scale x below.

    At 0 the gradient is the slope between `scale` and 1 that is nearest to zero, usually `scale`.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    scale : float
        Slope below 0. If it is traced, this is `prelu`.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Raises
    ------
    ComplexValueError
        If `x` is complex.
    InvalidArgumentError
        If `scale` is no finite number.

    See Also
    --------
    relu : rectified linear unit
    prelu : rectified linear unit with a learnable slope
    elu : exponential linear unit

    Examples
    --------
    >>> dl.leakyrelu(dl.dlarray([-1.0, 0.5]))
    dlarray([-0.01,  0.5 ])

    Source: MATLAB ``leakyrelu``.
    """
    if 0 <= scale <= 1:
        return np.maximum(x, x * scale)
    return np.where(x > 0, x, x * scale)[()]


@elementwise(
    x=lambda t, out, ceiling: where(logical_and(greater(out, 0), less(out, ceiling)), t, 0),
    domain="real",
    floating=True,
    masks=True,
    samples=lambda m: [
        case(m.real(4), ceiling=1.0),
        case(m.real(), ceiling=1),
        case(m.real(2, 0), ceiling=1.0),
        case(np.array([-1.0, 0, 2, 3, 4]), ceiling=3, kink=True, gradient={"x": [0, 0, 1, 0, 0]}),
    ],
    errors=lambda m: [
        Error(case(m.real(2), ceiling=-1), InvalidArgumentError, "ceiling.*at least 0.*-1"),
    ],
    reference=lambda x, ceiling: np.clip(x, 0, ceiling),
)
def clippedrelu(x: Operand, /, ceiling: NonNegative) -> Value:
    """Clipped rectified linear unit, elementwise: min(max(x, 0), ceiling).

    The gradient is 1 strictly between 0 and `ceiling`, else 0. Only the result is saved for it.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    ceiling : float
        Largest value of the result.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Raises
    ------
    ComplexValueError
        If `x` is complex.
    InvalidArgumentError
        If `ceiling` is negative or no finite number.

    See Also
    --------
    relu : rectified linear unit
    clip : values limited to an interval
    hardsigmoid : sigmoid of straight lines

    Examples
    --------
    >>> dl.clippedrelu(dl.dlarray([-1.0, 0.5, 8.0]), 6)
    dlarray([0. , 0.5, 6. ])

    Source: MATLAB ``clippedReluLayer``.
    """
    return np.clip(x, 0, ceiling)  # a third of the time of minimum and maximum (row predict)


# -- exponential below zero ----------------------------------------------------------------------


def _elu(t: Value, x: Value, alpha: float) -> Value:
    # Not out + alpha below, which would cancel far from zero.
    slope = alpha * exp(minimum(x, 0))
    above = greater_equal(x, 0) if alpha > 1 else greater(x, 0)
    return where(above, t, t * slope)


@elementwise(
    x=_elu,
    domain="real",
    floating=True,
    samples=lambda m: [
        *_shapes(m),
        case(m.real(3), alpha=0.5),
        case(np.array([-1e3, 1e3])),
        case(np.array([-1.0, 0, 2]), alpha=0.5, kink=True, gradient={"x": [0.5 / np.e, 0.5, 1]}),
        case(np.array([-1.0, 0, 2]), alpha=2.0, kink=True, gradient={"x": [2 / np.e, 1, 1]}),
    ],
    errors=lambda m: [Error(case(m.real(2), alpha=-1), InvalidArgumentError, "alpha.*-1")],
    reference=lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x))),
)
def elu(x: Operand, /, alpha: NonNegative = 1.0) -> Value:
    """Exponential linear unit, elementwise: x above 0, alpha (exp(x) - 1) below.

    The gradient is 1 above 0 and alpha exp(x) below; at 0 the smaller of the two.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    alpha : float
        Minus the limit of the result at minus infinity.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`; integers become float64.

    Raises
    ------
    ComplexValueError
        If `x` is complex.
    InvalidArgumentError
        If `alpha` is negative or no finite number.

    See Also
    --------
    selu : scaled exponential linear unit
    relu : rectified linear unit
    softplus : smooth form of relu

    Examples
    --------
    >>> dl.elu(dl.dlarray([-1.0, 0.5]))
    dlarray([-0.63212056,  0.5       ])

    Source: MATLAB ``eluLayer``.
    """
    return np.maximum(x, 0) + np.expm1(np.minimum(x, 0)) * float(alpha)


# Klambauer et al., Self-normalizing neural networks, 2017.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@derived(
    domain="real",
    samples=lambda m: [
        *_shapes(m),
        case(np.array([0.0]), kink=True, gradient={"x": [_SELU_SCALE]}),
    ],
    reference=lambda x: (
        _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.where(x > 0, 0, x)))
    ),
)
def selu(x: Operand, /) -> Value:
    """Scaled exponential linear unit, elementwise: λ x above 0, λ α (exp(x) - 1) below.

    λ = 1.0507 and α = 1.6733 keep mean 0 and variance 1 of a layer. At 0 the gradient is λ.

    Examples
    --------
    >>> dl.selu(dl.dlarray([-1.0, 1.0]))
    dlarray([-1.11133074,  1.05070099])

    Source: Klambauer et al. 2017; torch ``selu``.
    """
    refuse_complex("selu", x=x)
    return elu(x, alpha=_SELU_ALPHA) * _SELU_SCALE


# -- a slope that is learned ---------------------------------------------------------------------


def _prelu_x(t: Value, x: Value, alpha: Value) -> Value:
    at_zero = clip(alpha, 0, 1)
    return where(greater(x, 0), t, t * where(equal(x, 0), at_zero, alpha))


@elementwise(
    x=_prelu_x,
    alpha=lambda t, x: where(greater(x, 0), 0, t * x),
    domain="real",
    shown="prelu",
    masks=True,
    selects=False,
    samples=lambda m: [
        case(m.real(2, 3), m.positive(2, 1)),
        case(m.real(3), 0.2),
        case(m.real(), m.real()),
        case(m.real(0, 2), m.real(2)),
        case(
            np.zeros(3),
            np.array([-1, 0.5, 2]),
            kink=True,
            gradient={"x": [0, 0.5, 1], "alpha": [0, 0, 0]},
        ),
    ],
)
def parametric_relu(x: Operand, alpha: Operand, /) -> Value:
    """`prelu` by position: x above 0, alpha x below."""
    return np.where(np.greater(x, 0), x, np.multiply(x, alpha))[()]


@derived(
    domain="real",
    samples=lambda m: [
        case(m.real(2, 3), m.positive(2), data_format="CB"),
        case(m.real(2, 3, 2), m.positive(3), data_format="BCS"),
        case(m.real(2, 3), m.positive()),
        case(m.real(2, 3), m.positive(1, 3)),
        case(m.real(0, 2), m.positive(2), data_format="BC"),
    ],
    errors=lambda m: [
        Error(case(m.real(3), m.real(3), data_format="B"), FormatError, "prelu.*alpha.*'B'"),
    ],
)
def prelu(x: Operand, alpha: Operand, /, *, data_format: Format = None) -> Value:
    """Parametric rectified linear unit, elementwise: x above 0, alpha x below.

    The gradient for `alpha` is x below 0 and 0 above. At 0, the gradient for `x` is the slope
    between `alpha` and 1 that is nearest to zero.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    alpha : dlarray or array_like
        Slope below 0, learnable: a number, an array that broadcasts, or, if `x` has a format, a
        vector with a slope for each channel. A row or a column is a vector too.
    data_format : str, optional
        Data format of `x` if it has none.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`.

    Raises
    ------
    ComplexValueError
        If `x` or `alpha` is complex.
    FormatError
        If `alpha` is unlabelled, and neither a slope for each channel nor of the dimensions of
        `x`.

    See Also
    --------
    leakyrelu : rectified linear unit with a slope below zero
    relu : rectified linear unit

    Examples
    --------
    >>> x = dl.dlarray([[-1.0, 2.0], [-3.0, 4.0]], "CB")
    >>> dl.prelu(x, [0.1, 0.5])
    dlarray([[-0.1,  2. ],
             [-1.5,  4. ]], 'CB')

    Source: MATLAB ``preluLayer``.
    """
    strip = False
    if data_format is not None:
        x, strip = formatted("prelu", x, data_format, alpha)
    else:
        x = floating(x if type(x) is calls.dlarray else as_value(x, "prelu: x"), alpha)
    if type(alpha) in WEAK_SCALARS:
        return finished(parametric_relu(x, alpha), strip)
    slopes = alpha if type(alpha) is calls.dlarray else as_value(alpha, "prelu: alpha")
    slopes = floating(slopes, x)
    if is_formatted(x) and is_formatted(slopes):
        slopes = _checked_labels(x, slopes)
    elif is_formatted(x) and slopes.size != 1:
        slopes = _for_channels(x, slopes)
    return finished(parametric_relu(x, slopes), strip)


def _checked_labels(x: Value, alpha: Value) -> Value:
    """Return slopes that have no labels but those of `x`."""
    if merge(x._format, alpha._format) != x._format:
        raise FormatClashError(
            f"prelu: alpha has {described(alpha)}, x {described(x)}; alpha may only have labels "
            "that x has"
        )
    return alpha


def _for_channels(x: Value, alpha: Value) -> Value:
    """Return slopes of which an unlabelled row or column is one for each channel."""
    vector = max(alpha.shape) == alpha.size
    if vector and "C" in format_of(x) and alpha.size == x.shape[channel_axis("prelu", x)]:
        return labelled(as_array("prelu", "alpha", reshape(alpha, (alpha.size,))), "C")
    if alpha.ndim == x.ndim > 1:
        return alpha
    raise FormatError(
        f"prelu: alpha of shape {alpha.shape} is neither one slope for each channel of x of shape "
        f"{x.shape} and format {x._format!r}, nor an array of {x.ndim} dimensions; give it a "
        "format with dlarray(alpha, fmt)"
    )


# -- sigmoid in three pieces ---------------------------------------------------------------------


@elementwise(
    x=lambda t, out, alpha: where(logical_and(greater(out, 0), less(out, 1)), t * alpha, 0),
    domain="real",
    floating=True,
    masks=True,
    samples=lambda m: [
        case(m.real(4) * 2),
        case(m.real()),
        case(m.real(2, 0)),
        case(m.real(3), alpha=0.6, beta=0.4),
        case(np.array([-2.5, 0, 2.5]), kink=True, gradient={"x": [0, 0.2, 0]}),
    ],
    reference=lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
)
def hardsigmoid(x: Operand, /, *, alpha: float = 0.2, beta: float = 0.5) -> Value:
    """Piecewise linear sigmoid, elementwise: min(max(alpha x + beta, 0), 1).

    The gradient is `alpha` where the result lies strictly between 0 and 1, else 0. Only the result
    is saved for it.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    alpha, beta : float
        Slope, and value at 0. The defaults are those of the gates of `lstm`.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`; integers become float64.

    Raises
    ------
    ComplexValueError
        If `x` is complex.

    See Also
    --------
    sigmoid : logistic function
    clippedrelu : rectified linear unit with a ceiling
    clip : values limited to an interval

    Examples
    --------
    >>> dl.hardsigmoid(dl.dlarray([-3.0, 0.5]))
    dlarray([0. , 0.6])

    Source: MATLAB ``lstm`` (gate activation "hard-sigmoid"); ONNX ``HardSigmoid``.
    """
    return np.minimum(np.maximum(x * float(alpha) + float(beta), 0), 1)
