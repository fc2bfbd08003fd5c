"""Losses of regression: half mean squared error, sums of absolute and squared errors, Huber's."""

from __future__ import annotations

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Format, Operand, Params, Positive, Value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.losses.arguments import Factor, Loss, Reduction, batch_size
from dlgradient.nn.shared.sums import dot
from dlgradient.ops.choice import clip
from dlgradient.ops.complex import abs, imag, real
from dlgradient.ops.reduce import sum as sum_
from dlgradient.rules import derived, elementwise, general

__all__ = ["huber", "l1loss", "l2loss", "mse"]


def _squares(d: Value) -> Value:
    """Return |d|², from the squares of real and imaginary part."""
    # Not from the modulus, which has a kink at 0 where the square has none.
    return d**2 if d.dtype.kind != "c" else real(d) ** 2 + imag(d) ** 2


@general(
    x=lambda g, x: (2 * g) * x,
    jvp={"x": lambda t, x: 2 * sum_(t * x)},
    domain="real",
    format="new",
    shown="l2loss",
    samples=lambda m: _square_sum_samples(m),
    reference=lambda x: np.sum(np.square(x)),
)
def square_sum(x: Value, /) -> Value:
    """Sum the squares of all elements, without an array of them."""
    x = np.asarray(x)
    return dot(x, x, tuple(range(x.ndim))).reshape(())[()]


def _square_sum_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3)),
        case(m.real()),
        case(m.real(2, 200)),
        case(m.real(2, 0)),
        case(m.real(3, 2).T),
    ]


def _sum_of_squares(d: Value) -> Value:
    return square_sum(d) if d.dtype.kind != "c" else sum_(_squares(d))


# -- half mean squared error ---------------------------------------------------------------------


@derived(
    samples=lambda m: _mse_samples(m),
    errors=lambda m: misfits(m),
)
def mse(y: Operand, targets: Operand, /, *, data_format: Format = None) -> Value:
    """Half mean squared error, ``Σ |y - t|² / (2 N)``, where N is the number of observations.

    Parameters
    ----------
    y : dlarray or array_like
        Predictions, real or complex, with a format or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order.
    data_format : str, optional
        Data format of `y` if it has none.

    Returns
    -------
    dlarray
        A number, unlabelled.

    Raises
    ------
    ShapeMismatchError, FormatClashError
        If the targets have other sizes or labels: they are never broadcast.
    FormatError
        If there is no format.

    See Also
    --------
    l2loss : sum of squared differences
    l1loss : sum of absolute differences
    huber : loss that is squared near zero and linear far from it

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    >>> dl.mse(y, [[1.0, 0.0], [3.0, 0.0]]).item()
    5.0

    Source: MATLAB ``mse``.
    """
    loss = Loss("mse", y, targets, data_format)
    return _sum_of_squares(loss.y - loss.t) / (2 * batch_size(loss.labelled))


def _mse_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3), m.real(2, 3), data_format="CB"),
        case(m.real(2, 3), m.real(2, 3), data_format="TC"),
        case(m.complex(2), m.complex(2), data_format="B"),
        case(m.real(0, 2), m.real(0, 2), data_format="BC"),
    ]


# -- sums ----------------------------------------------------------------------------------------


@derived(
    samples=lambda m: _l1loss_samples(m),
    errors=lambda m: _options(m),
)
def l1loss(
    y: Operand,
    targets: Operand,
    weights: Operand | None = None,
    /,
    *,
    mask: Operand | None = None,
    reduction: Reduction = "sum",
    normalization_factor: Factor = "batch-size",
    data_format: Format = None,
    weights_format: Format = None,
) -> Value:
    """Sum of absolute errors, ``Σ w m |y - t| / N``.

    The gradient is 0 where prediction and target are equal.

    Parameters
    ----------
    y : dlarray or array_like
        Predictions, real or complex, with a format or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order.
    weights : dlarray or array_like, optional
        Real weights w. They may have a format that lacks labels, or sizes of one: they are the same
        there.
    mask : array_like of bool, optional
        Which elements count; as the weights. Elements that are masked out have no gradient.
    reduction : {"sum", "none"}
        Whether to sum, or to return the loss of every element.
    normalization_factor : {"batch-size", "all-elements", "mask-included", "none"}
        What the sum is divided by: the number of observations, of elements, of elements that the
        mask keeps, or one.
    data_format, weights_format : str, optional
        Data formats of arrays that have none.

    Returns
    -------
    dlarray
        A number, unlabelled; if not reduced, of the shape of `y`.

    Raises
    ------
    ShapeMismatchError, FormatClashError
        If the targets have other sizes or labels (they are never broadcast), or weights or mask do
        not match.
    FormatError
        If there is no format.
    InvalidArgumentError
        If an option has an invalid value.
    ComplexValueError
        If weights are complex.

    See Also
    --------
    l2loss : sum of squared differences
    huber : loss that is squared near zero and linear far from it
    mse : half mean squared error

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    >>> dl.l1loss(y, [[1.0, 0.0], [3.0, 0.0]]).item()
    3.0

    Source: MATLAB ``l1loss``.
    """
    loss = Loss(
        "l1loss",
        y,
        targets,
        data_format,
        mask=mask,
        weights=weights,
        weights_format=weights_format,
        reduction=reduction,
        normalization_factor=normalization_factor,
    )
    return loss.reduced(abs(loss.y - loss.t))


def _l1loss_samples(m: Maker) -> list[Case]:
    return [
        *_weighted(m),
        case(m.complex(2), m.complex(2), data_format="B"),
        case(
            np.array([1.0, 2.0, 3.0]),
            np.array([1.0, 5.0, 1.0]),
            data_format="C",
            kink=True,
            gradient={"y": [0, -1, 1], "targets": [0, 1, -1]},
        ),
    ]


@derived(
    samples=lambda m: _l2loss_samples(m),
    errors=lambda m: _options(m),
)
def l2loss(
    y: Operand,
    targets: Operand,
    weights: Operand | None = None,
    /,
    *,
    mask: Operand | None = None,
    reduction: Reduction = "sum",
    normalization_factor: Factor = "batch-size",
    data_format: Format = None,
    weights_format: Format = None,
) -> Value:
    """Sum of squared errors, ``Σ w m |y - t|² / N``; unlike `mse`, without the factor one half.

    Parameters
    ----------
    y : dlarray or array_like
        Predictions, real or complex, with a format or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order.
    weights, mask, reduction, normalization_factor, data_format, weights_format
        As for `l1loss`.

    Returns
    -------
    dlarray
        A number, unlabelled; if not reduced, of the shape of `y`.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError, InvalidArgumentError
        As for `l1loss`.

    See Also
    --------
    l1loss : sum of absolute differences
    huber : loss that is squared near zero and linear far from it
    mse : half mean squared error

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    >>> dl.l2loss(y, [[1.0, 0.0], [3.0, 0.0]]).item()
    10.0

    Source: MATLAB ``l2loss``.
    """
    loss = Loss(
        "l2loss",
        y,
        targets,
        data_format,
        mask=mask,
        weights=weights,
        weights_format=weights_format,
        reduction=reduction,
        normalization_factor=normalization_factor,
    )
    difference = loss.y - loss.t
    # The usual sum needs no array of squares.
    if mask is None and weights is None and reduction == "sum":
        return _sum_of_squares(difference) / loss.divisor(None, difference.shape)
    return loss.reduced(_squares(difference))


def _l2loss_samples(m: Maker) -> list[Case]:
    return [*_weighted(m), case(m.complex(2), m.complex(2), data_format="B")]


# -- Huber ---------------------------------------------------------------------------------------


@elementwise(
    x=lambda t, x, delta: t * clip(x, -delta, delta),
    domain="real",
    shown="huber",
    samples=lambda m: [
        case(m.real(4), delta=1.0),
        case(m.real(), delta=0.5),
        case(m.real(2, 0), delta=1.0),
        case(np.array([0.0, 2.0, -2.0]), delta=2.0, kink=True, gradient={"x": [0, 2, -2]}),
    ],
)
def huber_of_error(x: Value, /, *, delta: float) -> Value:
    """Huber's function of an error: x²/2 up to |x| = δ, then δ (|x| - δ/2)."""
    c = np.clip(x, -delta, delta)
    return c * (x - c * 0.5)


@derived(
    domain="real",
    samples=lambda m: _huber_samples(m),
    errors=lambda m: _huber_errors(m),
)
def huber(
    y: Operand,
    targets: Operand,
    weights: Operand | None = None,
    /,
    *,
    transition_point: Positive = 1.0,
    mask: Operand | None = None,
    reduction: Reduction = "sum",
    normalization_factor: Factor = "batch-size",
    data_format: Format = None,
    weights_format: Format = None,
) -> Value:
    """Huber's loss, ``Σ w m h(y - t) / N``: h(e) is e²/2 for ``|e| ≤ δ``, else ``δ (|e| - δ/2)``.

    The gradient of h is e, limited to the interval from -δ to δ.

    Parameters
    ----------
    y : dlarray or array_like
        Predictions, real, with a format or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order.
    transition_point : float
        The error where the square becomes a straight line, δ > 0.
    weights, mask, reduction, normalization_factor, data_format, weights_format
        As for `l1loss`.

    Returns
    -------
    dlarray
        A number, unlabelled; if not reduced, of the shape of `y`.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError, InvalidArgumentError
        As for `l1loss`.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    l1loss : sum of absolute differences
    l2loss : sum of squared differences
    mse : half mean squared error

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    >>> dl.huber(y, [[1.0, 0.0], [3.0, 3.0]]).item()
    1.0

    Source: MATLAB ``huber``.
    """
    refuse_complex("huber", y=y, targets=targets)
    loss = Loss(
        "huber",
        y,
        targets,
        data_format,
        mask=mask,
        weights=weights,
        weights_format=weights_format,
        reduction=reduction,
        normalization_factor=normalization_factor,
    )
    return loss.reduced(huber_of_error(loss.y - loss.t, delta=float(transition_point)))


def _huber_samples(m: Maker) -> list[Case]:
    return [
        *_weighted(m),
        case(m.real(2, 2), m.real(2, 2), data_format="CB", transition_point=0.7),
        case(
            np.array([0.0, 2.0, -2.0]),
            np.zeros(3),
            data_format="C",
            transition_point=2.0,
            kink=True,  # of the second derivative
            gradient={"y": [0, 2, -2], "targets": [0, -2, 2]},
        ),
    ]


def _huber_errors(m: Maker) -> list[Error]:
    return [
        *_options(m),
        Error(
            case(m.real(2), m.real(2), transition_point=0, data_format="C"),
            InvalidArgumentError,
            "transition_point must be .*above 0, not 0",
        ),
    ]


# -- shared samples ------------------------------------------------------------------------------


def misfits(m: Maker) -> list[Error]:
    """Wrong calls that every loss refuses."""
    return [
        Error(case(m.real(2, 3), m.real(2, 3)), FormatError, r"shape \(2, 3\) float64 has no data"),
        Error(
            case(m.real(2, 3), m.real(1, 3), data_format="CB"),
            ShapeMismatchError,
            r"predictions have shape \(2, 3\) and format 'CB', targets shape \(1, 3\).*never",
        ),
        Error(
            case(m.real(2, 3), m.real(3), data_format="CB"),
            ShapeMismatchError,
            r"shape \(2, 3\).*shape \(3,\)",
        ),
    ]


def _options(m: Maker) -> list[Error]:
    """Wrong options of losses with weights and masks."""
    wrong: Params = {"data_format": "CB"}
    return [
        *misfits(m),
        Error(
            case(m.real(2, 3), m.real(2, 3), reduction="mean", **wrong),
            InvalidArgumentError,
            "reduction must be one of 'sum', 'none', not 'mean'",
        ),
        Error(
            case(m.real(2, 3), m.real(2, 3), normalization_factor="batch", **wrong),
            InvalidArgumentError,
            "normalization_factor must be one of 'batch-size'.*'batch'",
        ),
        Error(
            case(m.real(2, 3), m.real(2, 3), m.real(2), **wrong),
            FormatClashError,
            r"weights shape \(2,\); give weights a format",
        ),
        Error(
            case(m.real(2, 3), m.real(2, 3), mask=m.bools(2, 2), **wrong),
            ShapeMismatchError,
            r"mask shape \(2, 2\); each size must be equal, or one",
        ),
        Error(
            case(m.real(2, 3), m.real(2, 3), m.real(4), weights_format="T", **wrong),
            FormatClashError,
            "format 'T'; the predictions do not have T",
        ),
    ]


def _weighted(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3), m.real(2, 3) * 3, data_format="CB"),
        case(m.real(2, 3), m.real(2, 3) * 3, m.positive(2), data_format="CB", weights_format="C"),
        case(
            m.real(3, 2),
            m.real(3, 2) * 3,
            m.positive(1, 2),
            data_format="BC",
            mask=np.array([[True, False], [True, True], [False, False]]),
            normalization_factor="mask-included",
        ),
        case(m.real(2), m.real(2) * 3, data_format="T", normalization_factor="all-elements"),
        case(m.real(2), m.real(2) * 3, data_format="C", reduction="none"),
        case(m.real(0, 2), m.real(0, 2), data_format="BC"),
    ]
