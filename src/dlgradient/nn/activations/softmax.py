"""softmax and log_softmax, fused: each is one operation, which saves only its result.

Elements of -inf get the probability 0 and no gradient. If all elements of a line are -inf, all its
probabilities are 0, and so are all its gradients.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.sizes import SOFTMAX_THREAD_ELEMENTS
from dlgradient.core.threads import threaded
from dlgradient.core.types import Array, Axis, Format, Operand, Value
from dlgradient.errors import FormatError, InvalidArgumentError
from dlgradient.nn.shared.arguments import finished, with_axis
from dlgradient.ops import narrow
from dlgradient.ops.choice import where
from dlgradient.ops.complex import conj
from dlgradient.ops.exponential import exp
from dlgradient.ops.reduce import max as max_
from dlgradient.ops.reduce import sum as sum_
from dlgradient.rules import derived, general

__all__ = ["log_softmax", "softmax"]

_exp = threaded(np.exp)


def _lines(m: Maker) -> list[Case]:
    return [
        case(m.real(3), axis=0),
        case(m.real(2, 3), axis=-1),
        case(m.real(3, 2), axis=0),
        case(m.real(2, 3, 2), axis=1),
        case(m.real(0, 2), axis=1),
        case(m.real(2, 0), axis=1),
        case(m.real(3) * 500, axis=0),
    ]


def _line_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2), axis=1), InvalidArgumentError, r"axis=1.*shape \(2,\)"),
    ]


def _masked() -> Array:
    return np.array([[0.5, -np.inf, 1.0], [-np.inf, -np.inf, -np.inf]])


def shifted(name: str, x: Value, axis: Axis) -> Array:
    """Return a new array, x minus its largest element along the axis (or 0 if that is -inf)."""
    if not -np.ndim(x) <= axis < np.ndim(x):
        raise InvalidArgumentError(f"{name}: axis={axis} does not exist, x has shape {np.shape(x)}")
    if not np.size(x):
        return np.array(x)
    highest = narrow.maximum(x, axis, True)
    # A line of -inf: -inf minus -inf would be NaN.
    highest[np.isneginf(highest)] = 0
    below: Array = np.subtract(x, highest)
    return below


def _softmax_kernel(x: Array, *, axis: Axis) -> Array:
    y = shifted("softmax", x, axis)
    # In place where one core is enough; blocks on all cores write a new array.
    y = np.exp(y, out=y) if y.size < SOFTMAX_THREAD_ELEMENTS else _exp(y)
    total: Array = narrow.add(y, axis, True)
    # A line of -inf: all its probabilities are zero.
    total[total == 0] = 1
    y /= total
    return y


def _softmax_rule(g: Value, out: Value, axis: Axis) -> Value:
    # The Jacobian, diag(y) - y yᵀ, is symmetric: one rule for both modes.
    return out * (g - sum_(g * out, axis=axis, keepdims=True))


@general(
    x=_softmax_rule,
    jvp={"x": _softmax_rule},
    kernel=_softmax_kernel,
    domain="real",
    shown="softmax",
    samples=lambda m: [
        *_lines(m),
        case(_masked(), axis=1, kink=True, gradient={"x": np.zeros((2, 3))}),
    ],
    errors=_line_errors,
)
def softmax_along(x: Operand, /, *, axis: Axis) -> Value:
    """`softmax` along a dimension, by position."""


def _log_softmax_kernel(x: Array, *, axis: Axis) -> Array:
    y = shifted("log_softmax", x, axis)
    total = narrow.add(_exp(y), axis, True)
    total[total == 0] = 1
    y -= np.log(total, out=total)
    return y


def _lines_of_some_probability(out: Value, axis: Axis) -> Value:
    # Not isfinite: a line of NaN has no probabilities, and no gradient of zero either.
    return max_(out, axis=axis, keepdims=True) != -np.inf


def _log_pull(g: Value, out: Value, axis: Axis) -> Value:
    return log_softmax_adjoint(g, out, axis=axis)


def _log_push(t: Value, out: Value, axis: Axis) -> Value:
    total = sum_(exp(out) * t, axis=axis, keepdims=True)
    return where(_lines_of_some_probability(out, axis), t - total, 0) if out.size else t


@general(
    x=_log_pull,
    jvp={"x": _log_push},
    kernel=_log_softmax_kernel,
    domain="real",
    shown="log_softmax",
    samples=lambda m: [
        *_lines(m),
        case(
            _masked(),
            axis=1,
            kink=True,
            gradient={"x": [[1 - 3 / (1 + np.exp(0.5)), 1, 1 - 3 / (1 + np.exp(-0.5))], [0, 0, 0]]},
        ),
    ],
    errors=_line_errors,
)
def log_softmax_along(x: Operand, /, *, axis: Axis) -> Value:
    """`log_softmax` along a dimension, by position."""


def _adjoint_g(h: Value, y: Value, axis: Axis) -> Value:
    return _log_push(h, y, axis)


def _adjoint_y(h: Value, g: Value, y: Value, axis: Axis) -> Value:
    total = conj(sum_(g, axis=axis, keepdims=True))
    return where(_lines_of_some_probability(y, axis), -(exp(y) * total * h), 0) if y.size else h


@general(
    g=_adjoint_g,
    y=_adjoint_y,
    shown="log_softmax",
    format="new",
    samples=lambda m: [
        case(m.real(3), m.real(3), axis=0),
        case(m.real(2, 3), -m.positive(2, 3), axis=0),
        case(m.complex(3), m.real(3), axis=0),
        case(m.real(0, 3), m.real(0, 3), axis=1),
    ],
)
def log_softmax_adjoint(g: Operand, y: Operand, /, *, axis: Axis) -> Value:
    """Cotangent that `log_softmax` pulls back: g - exp(y) Σ g, and 0 where a whole line is -inf."""
    total = narrow.add(g, axis, True)
    c = _exp(y)
    if g.dtype == c.dtype:
        np.subtract(g, np.multiply(c, total, out=c), out=c)
    else:
        c = g - c * total
    if y.size:
        dead = np.isneginf(narrow.maximum(y, axis, True))
        if dead.any():
            c[np.broadcast_to(dead, c.shape)] = 0
    return c


@derived(domain="real", samples=lambda m: _samples(m), errors=lambda m: _errors(m))
def softmax(x: Operand, /, *, axis: Axis | None = None, data_format: Format = None) -> Value:
    """Probabilities of the channels: exp(xᵢ) / Σⱼ exp(xⱼ).

    It does not overflow. Elements of -inf get the probability 0. If all channels are -inf, all get
    0, with zero gradients. Only the result y is saved; a cotangent g gives y (g - Σ g y).

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a data format, or with `axis` or `data_format`.
    axis : int, optional
        Dimension along which the probabilities sum to one; by default the channels.
    data_format : str, optional
        Data format of `x` if it has none.

    Returns
    -------
    dlarray
        Of the shape, dtype and format of `x`; integers become float64.

    Raises
    ------
    FormatError
        If there is neither `axis` nor a format with 'C'.
    InvalidArgumentError
        If `axis` does not exist.
    ComplexValueError
        If `x` is complex.

    See Also
    --------
    log_softmax : logarithm of softmax, accurate
    sigmoid : logistic function
    crossentropy : cross entropy of probabilities

    Examples
    --------
    >>> dl.softmax(dl.dlarray([[0.0], [1000.0]], "CB"))
    dlarray([[0.],
             [1.]], 'CB')

    Source: MATLAB ``softmax``.
    """
    array, along, strip = with_axis("softmax", x, axis, data_format)
    return finished(softmax_along(array, axis=along), strip)


@derived(domain="real", samples=lambda m: _samples(m), errors=lambda m: _errors(m))
def log_softmax(x: Operand, /, *, axis: Axis | None = None, data_format: Format = None) -> Value:
    """Logarithms of the probabilities of the channels: xᵢ - log Σⱼ exp(xⱼ).

    It neither overflows nor cancels. Elements of -inf stay -inf. If all channels are -inf, all
    gradients are zero. Only the result y is saved; a cotangent g gives g - exp(y) Σ g.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a data format, or with `axis` or `data_format`.
    axis : int, optional
        Dimension along which the probabilities sum to one; by default the channels.
    data_format : str, optional
        Data format of `x` if it has none.

    Returns
    -------
    dlarray
        Of the shape, dtype and format of `x`; integers become float64.

    Raises
    ------
    FormatError
        If there is neither `axis` nor a format with 'C'.
    InvalidArgumentError
        If `axis` does not exist.
    ComplexValueError
        If `x` is complex.

    See Also
    --------
    softmax : exponentials with the sum one
    logaddexp : logarithm of a sum of exponentials
    indexcrossentropy : cross entropy with indices of classes

    Examples
    --------
    >>> dl.log_softmax(dl.dlarray([[0.0], [1000.0]], "CB"))
    dlarray([[-1000.],
             [    0.]], 'CB')

    Source: torch ``log_softmax``; ONNX ``LogSoftmax``.
    """
    array, along, strip = with_axis("log_softmax", x, axis, data_format)
    return finished(log_softmax_along(array, axis=along), strip)


def _samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), data_format="CB"),
        case(m.real(2, 3, 2), data_format="BCT"),
        case(m.real(0, 2), data_format="BC"),
        case(m.real(2, 3), axis=0),
    ]


def _errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3)), FormatError, r"x of shape \(2, 3\) float64 has no data format"),
        Error(case(m.real(2), data_format="B"), FormatError, "format 'B', without.*'C'.*axis="),
    ]
