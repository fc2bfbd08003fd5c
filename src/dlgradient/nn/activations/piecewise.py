"""Activations with kinks: relu and its relatives.

At a kink the gradient is the subgradient of minimum norm: 0 for `relu`, else the smaller slope.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.samples import Error, case
from dlgradient.core.values import WEAK_SCALARS
from dlgradient.errors import ComplexValueError, FormatError, InvalidArgumentError
from dlgradient.nn.activations.smooth import sigmoid
from dlgradient.nn.shared.arguments import (
    as_array,
    check_number,
    finished,
    formatted,
    is_traced,
    labelled,
    real_only,
    with_axis,
)
from dlgradient.ops.choice import clip, minimum, where
from dlgradient.ops.exponential import exp
from dlgradient.ops.index import getitem
from dlgradient.ops.logical import equal, greater, greater_equal, less, logical_and
from dlgradient.rules import derived, elementwise

__all__ = [
    "clippedrelu",
    "elu",
    "glu",
    "hardsigmoid",
    "leakyrelu",
    "prelu",
    "relu",
    "selu",
]


def _shapes(m: Any) -> list[Any]:
    return [case(m.real(3)), case(m.real()), case(m.real(2, 3)), case(m.real(2, 0))]


def _complex_refused(m: Any) -> list[Any]:
    return [Error(case(m.complex(2)), ComplexValueError, "complex128.*complexrelu")]


def _real(function: str, x: Any) -> None:
    real_only(function, x, "complexrelu and zrelu are for complex values")


# -- relu ----------------------------------------------------------------------------------------


@elementwise(
    x=lambda t, out: where(greater(out, 0), t, 0),
    masks=True,
    samples=lambda m: [
        *_shapes(m),
        case(np.array([-1.0, 0, 2]), kink=True, gradient={"x": [0, 0, 1]}),
    ],
    errors=_complex_refused,
    reference=lambda x: (x > 0) * np.where(np.isfinite(x), x, 0),
)
def relu(x: Any, /) -> Any:
    """Rectified linear unit, elementwise: max(x, 0).

    The gradient is 1 above 0, else 0. Only the result is saved for it.

    Parameters
    ----------
    x : dlarray or array_like
        Real.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Raises
    ------
    ComplexValueError
        If `x` is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.relu(dl.dlarray([-1.0, 0.5]))
    1×2 dlarray
    [0.  0.5]

    Source: MATLAB ``relu``.
    """
    _real("relu", x)
    return np.maximum(x, 0)


def _leaky(t: Any, x: Any, scale: float) -> Any:
    if 0 < scale <= 1 and not is_traced([t, x]):
        # The same as a choice, and several times as fast. A graph would have to save the factor.
        return t * np.maximum(np.greater(x, 0).astype(x.dtype), scale)
    below = t * scale
    if not 0 <= scale <= 1:  # at 0 the subgradient nearest to zero, between scale and 1
        below = where(less(x, 0), below, t if scale > 1 else 0)
    return where(greater(x, 0), t, below)


@elementwise(
    x=_leaky,
    samples=lambda m: [
        *_shapes(m),
        case(m.real(3), scale=0.2),
        case(m.real(3), scale=-0.5),
        case(np.array([-1.0, 0, 2]), scale=0.1, kink=True, gradient={"x": [0.1, 0.1, 1]}),
        case(np.array([-1.0, 0, 2]), scale=3, kink=True, gradient={"x": [3, 1, 1]}),
        case(np.array([-1.0, 0, 2]), scale=-1, kink=True, gradient={"x": [-1, 0, 1]}),
    ],
    errors=lambda m: [
        *_complex_refused(m),
        Error(case(m.real(2), scale=m.real(2)), InvalidArgumentError, "scale.*prelu"),
    ],
    reference=lambda x, scale=0.01: np.where(x > 0, x, scale * x),
)
def leakyrelu(x: Any, /, scale: float = 0.01) -> Any:
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

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.leakyrelu(dl.dlarray([-1.0, 0.5]))
    1×2 dlarray
    [-0.01  0.5 ]

    Source: MATLAB ``leakyrelu``.
    """
    _real("leakyrelu", x)
    check_number("leakyrelu", "scale", scale)
    scale = float(scale)
    if 0 <= scale <= 1:
        return np.maximum(x, x * scale)
    return np.where(x > 0, x, x * scale)[()]


def _inside(t: Any, out: Any, ceiling: float) -> Any:
    return where(logical_and(greater(out, 0), less(out, ceiling)), t, 0)


@elementwise(
    x=_inside,
    masks=True,
    samples=lambda m: [
        case(m.real(4), ceiling=1.0),
        case(m.real(), ceiling=1),
        case(m.real(2, 0), ceiling=1.0),
        case(np.array([-1.0, 0, 2, 3, 4]), ceiling=3, kink=True, gradient={"x": [0, 0, 1, 0, 0]}),
    ],
    errors=lambda m: [
        Error(case(m.complex(2), ceiling=1), ComplexValueError, "clippedrelu.*complex128"),
        Error(case(m.real(2), ceiling=-1), InvalidArgumentError, "ceiling.*at least 0.*-1"),
    ],
    reference=lambda x, ceiling: np.clip(x, 0, ceiling),
)
def clippedrelu(x: Any, /, ceiling: float) -> Any:
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

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.clippedrelu(dl.dlarray([-1.0, 0.5, 8.0]), 6)
    1×3 dlarray
    [0.  0.5 6. ]

    Source: MATLAB ``clippedReluLayer``.
    """
    _real("clippedrelu", x)
    check_number("clippedrelu", "ceiling", ceiling, 0)
    return np.minimum(np.maximum(x, 0), ceiling)


# -- exponential below zero ----------------------------------------------------------------------


def _elu(t: Any, x: Any, alpha: float) -> Any:
    # Not out + alpha below, which would cancel far from zero.
    slope = alpha * exp(minimum(x, 0))
    above = greater_equal(x, 0) if alpha > 1 else greater(x, 0)
    return where(above, t, t * slope)


@elementwise(
    x=_elu,
    samples=lambda m: [
        *_shapes(m),
        case(m.real(3), alpha=0.5),
        case(np.array([-1e3, 1e3])),
        case(np.array([-1.0, 0, 2]), alpha=0.5, kink=True, gradient={"x": [0.5 / np.e, 0.5, 1]}),
        case(np.array([-1.0, 0, 2]), alpha=2.0, kink=True, gradient={"x": [2 / np.e, 1, 1]}),
    ],
    errors=lambda m: [
        *_complex_refused(m),
        Error(case(m.real(2), alpha=-1), InvalidArgumentError, "alpha.*-1"),
    ],
    reference=lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x))),
)
def elu(x: Any, /, alpha: float = 1.0) -> Any:
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

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.elu(dl.dlarray([-1.0, 0.5]))
    1×2 dlarray
    [-0.63212056  0.5       ]

    Source: MATLAB ``eluLayer``.
    """
    _real("elu", x)
    check_number("elu", "alpha", alpha, 0)
    return np.maximum(x, 0) + np.expm1(np.minimum(x, 0)) * float(alpha)


# Klambauer et al., Self-normalizing neural networks, 2017.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@derived(
    samples=lambda m: [
        *_shapes(m),
        case(np.array([0.0]), kink=True, gradient={"x": [_SELU_SCALE]}),
    ],
    errors=_complex_refused,
    reference=lambda x: (
        _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.where(x > 0, 0, x)))
    ),
)
def selu(x: Any, /) -> Any:
    """Scaled exponential linear unit, elementwise: λ x above 0, λ α (exp(x) - 1) below.

    λ = 1.0507 and α = 1.6733 keep mean 0 and variance 1 from layer to layer. The gradient at 0 is
    λ.

    Parameters
    ----------
    x : dlarray or array_like
        Real.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`; integers become float64.

    Raises
    ------
    ComplexValueError
        If `x` is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.selu(dl.dlarray([-1.0, 1.0]))
    1×2 dlarray
    [-1.11133074  1.05070099]

    Source: Klambauer et al. 2017; torch ``selu``.
    """
    return elu(x, alpha=_SELU_ALPHA) * _SELU_SCALE


# -- a slope that is learned ---------------------------------------------------------------------


def _prelu_x(t: Any, x: Any, alpha: Any) -> Any:
    at_zero = clip(alpha, 0, 1)
    return where(greater(x, 0), t, t * where(equal(x, 0), at_zero, alpha))


@elementwise(
    x=_prelu_x,
    alpha=lambda t, x: where(greater(x, 0), 0, t * x),
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
    errors=lambda m: [Error(case(m.complex(2), m.real(2)), ComplexValueError, "prelu.*complex128")],
)
def parametric_relu(x: Any, alpha: Any, /) -> Any:
    """`prelu` by position: x above 0, alpha x below."""
    _real("prelu", x)
    return np.where(np.greater(x, 0), x, np.multiply(x, alpha))[()]


@derived(
    samples=lambda m: [
        case(m.real(2, 3), m.positive(2), data_format="CB"),
        case(m.real(2, 3, 2), m.positive(3), data_format="BCS"),
        case(m.real(2, 3), m.positive()),
        case(m.real(2, 3), m.positive(1, 3)),
        case(m.real(0, 2), m.positive(2), data_format="BC"),
    ],
    errors=lambda m: [
        Error(case(m.real(3), m.real(3), data_format="B"), FormatError, "prelu.*alpha.*'B'"),
        Error(case(m.complex(2), 0.5), ComplexValueError, "prelu.*complex128"),
    ],
)
def prelu(x: Any, alpha: Any, /, *, data_format: str | None = None) -> Any:
    """Parametric rectified linear unit, elementwise: x above 0, alpha x below.

    The gradient for `alpha` is x below 0 and 0 above. At 0, the gradient for `x` is the slope
    between `alpha` and 1 that is nearest to zero.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    alpha : dlarray or array_like
        Slope below 0, learnable: a number, an array that broadcasts, or, if `x` has a format, a
        vector with a slope for each channel.
    data_format : str, optional
        Data format of `x` if it has none.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`.

    Raises
    ------
    ComplexValueError
        If `x` is complex.
    FormatError
        If `alpha` is a vector and the format has no 'C'.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[-1.0, 2.0], [-3.0, 4.0]], "CB")
    >>> dl.prelu(x, [0.1, 0.5])
    2(C) × 2(B) dlarray
    [[-0.1  2. ]
     [-1.5  4. ]]

    Source: MATLAB ``preluLayer``.
    """
    strip = False
    if data_format is not None:
        x, strip = formatted("prelu", x, data_format)
    if type(x) is calls.dlarray and x._format is not None:
        if type(alpha) in WEAK_SCALARS:
            alpha = np.asarray(alpha, np.result_type(x.dtype, 1.0))
        alpha = as_array("prelu", "alpha", alpha)
        if alpha.ndim == 1 and alpha._format is None:
            if "C" not in x._format:
                raise FormatError(
                    f"prelu: alpha of shape {alpha.shape} is one slope for each channel, but x of "
                    f"shape {x.shape} has the format {x._format!r}, without 'C'"
                )
            alpha = labelled(alpha, "C")
        return finished(parametric_relu(x, alpha), strip)
    return parametric_relu(x, alpha)


# -- others --------------------------------------------------------------------------------------


@elementwise(
    x=lambda t, out, alpha: where(logical_and(greater(out, 0), less(out, 1)), t * alpha, 0),
    masks=True,
    samples=lambda m: [
        case(m.real(4) * 2),
        case(m.real()),
        case(m.real(2, 0)),
        case(m.real(3), alpha=0.6, beta=0.4),
        case(np.array([-2.5, 0, 2.5]), kink=True, gradient={"x": [0, 0.2, 0]}),
    ],
    errors=lambda m: [Error(case(m.complex(2)), ComplexValueError, "hardsigmoid.*complex128")],
    reference=lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
)
def hardsigmoid(x: Any, /, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
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

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.hardsigmoid(dl.dlarray([-3.0, 0.5]))
    1×2 dlarray
    [0.  0.6]

    Source: MATLAB ``lstm`` (gate activation "hard-sigmoid"); ONNX ``HardSigmoid``.
    """
    _real("hardsigmoid", x)
    return np.minimum(np.maximum(x * float(alpha) + float(beta), 0), 1)


def _halves(x: Any, axis: int) -> tuple[Any, Any]:
    if not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(f"glu: axis={axis} does not exist, x has shape {x.shape}")
    size = x.shape[axis]
    if size % 2:
        raise InvalidArgumentError(
            f"glu: x of shape {x.shape} has the odd size {size} along dimension {axis}; it is cut "
            "in two halves of equal size"
        )
    before = (slice(None),) * (axis % x.ndim)
    half = size // 2
    return (
        getitem(x, (*before, slice(0, half))),
        getitem(x, (*before, slice(half, None))),
    )


@derived(
    samples=lambda m: [
        case(m.real(4, 2), data_format="CB"),
        case(m.real(2, 2, 3), data_format="SCB"),
        case(m.real(0, 2), axis=1),
        case(m.real(3, 4), axis=-1),
    ],
    errors=lambda m: [
        Error(case(m.real(3, 2), axis=0), InvalidArgumentError, "odd size 3"),
        Error(case(m.real(2), data_format="B"), FormatError, "'C'"),
    ],
)
def glu(x: Any, /, *, axis: int | None = None, data_format: str | None = None) -> Any:
    """Gated linear unit: the first half of the channels times the sigmoid of the second.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a data format, or with `axis` or `data_format`.
    axis : int, optional
        Dimension to halve; by default the channels.
    data_format : str, optional
        Data format of `x` if it has none.

    Returns
    -------
    dlarray
        Half as long as `x` along `axis`.

    Raises
    ------
    InvalidArgumentError
        If the size is odd.
    FormatError
        If there is neither `axis` nor a format with 'C'.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.glu(dl.dlarray([[1.0], [2.0], [0.0], [100.0]], "CB"))
    2(C) × 1(B) dlarray
    [[0.5]
     [2. ]]

    Source: Dauphin et al. 2017; torch ``glu``.
    """
    x, along, strip = with_axis("glu", x, axis, data_format)
    first, second = _halves(x, along)
    return finished(first * sigmoid(second), strip)
