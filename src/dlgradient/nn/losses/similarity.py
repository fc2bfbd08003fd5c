"""Losses of embeddings: cosine, triplet and contrastive loss, by distances along the channels.

A distance has the gradient 0 where it is 0, the subgradient of minimum norm.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axis, Format, NonNegative, Operand, Value
from dlgradient.errors import FormatClashError, InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.activations.piecewise import relu
from dlgradient.nn.losses.arguments import Loss, batch_size
from dlgradient.nn.losses.regression import misfits
from dlgradient.nn.shared.arguments import floating, raw_value
from dlgradient.ops.choice import where
from dlgradient.ops.logical import greater
from dlgradient.ops.powers import sqrt
from dlgradient.ops.reduce import sum as sum_
from dlgradient.rules import derived

__all__ = ["contrastiveloss", "cosineloss", "tripletloss"]


def _embedded(
    function: str, y: Operand, other: Operand, data_format: Format, *others: Operand
) -> tuple[Loss, Axis]:
    """Return two sets of embeddings, and the dimension of their channels."""
    loss = Loss(function, y, other, data_format, *others)
    return loss, loss.channels


def _length(x: Value, axis: Axis) -> Value:
    """Return the Euclidean length along a dimension, which stays; at 0 its gradient is 0."""
    # In units of the largest element, a constant, so that squares stay in range.
    largest = np.max(np.abs(raw_value(x)), axis=axis, keepdims=True, initial=0)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1).astype(largest.dtype)
    scaled = x / unit
    squares = sum_(scaled * scaled, axis=axis, keepdims=True)
    return where(greater(squares, 0), unit * sqrt(squares), 0)


def _direction(x: Value, axis: Axis) -> Value:
    """Return vectors of length one; those of length zero stay zero, without a gradient."""
    length = _length(x, axis)
    some = greater(length, 0)
    # The inner choice avoids a division by zero, of which NumPy would warn.
    return where(some, x / where(some, length, 1), 0)


@derived(
    domain="real",
    samples=lambda m: _cosineloss_samples(m),
    errors=lambda m: _missing_channels(m),
)
def cosineloss(y: Operand, targets: Operand, /, *, data_format: Format = None) -> Value:
    """Cosine distance along the channels, Σ (1 - y·t / (‖y‖ ‖t‖)) / N.

    Parameters
    ----------
    y : dlarray or array_like
        Predictions, real, with a format with 'C', or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order.
    data_format : str, optional
        Data format of `y` if it has none.

    Returns
    -------
    dlarray
        A number, unlabelled. N is the number of observations.

    Raises
    ------
    ShapeMismatchError, FormatClashError
        If the targets have other sizes or labels (they are never broadcast), or there is no 'C'.
    FormatError
        If there is no format.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    contrastiveloss : loss of pairs, by their distance
    tripletloss : loss of anchors, like and unlike examples

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[1.0, 2.0], [0.0, 0.0]], "CB")
    >>> dl.cosineloss(y, [[3.0, 0.0], [0.0, 1.0]]).item()
    0.5

    Source: torch ``cosine_embedding_loss``.
    """
    refuse_complex("cosineloss", y=y, targets=targets)
    loss, axis = _embedded("cosineloss", y, targets, data_format)
    cosine = sum_(_direction(loss.y, axis) * _direction(loss.t, axis), axis=axis)
    return sum_(1 - cosine) / batch_size(loss.labelled)


def _cosineloss_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), m.real(3, 2), data_format="CB"),
        case(m.real(2, 3, 2), m.real(2, 3, 2), data_format="BCT"),
        case(m.real(0, 2), m.real(0, 2), data_format="BC"),
        case(
            np.zeros(2),
            np.ones(2),
            data_format="C",
            kink=True,
            gradient={"y": [0, 0], "targets": [0, 0]},
        ),
    ]


def _missing_channels(m: Maker) -> list[Error]:
    return [
        *misfits(m),
        Error(
            case(m.real(2), m.real(2), data_format="B"), FormatClashError, "'C' of the classes is"
        ),
    ]


@derived(
    domain="real",
    samples=lambda m: _tripletloss_samples(m),
    errors=lambda m: _tripletloss_errors(m),
)
def tripletloss(
    anchor: Operand,
    positive: Operand,
    negative: Operand,
    /,
    *,
    margin: NonNegative = 1.0,
    data_format: Format = None,
) -> Value:
    """Triplet loss, Σ max(‖a - p‖ - ‖a - n‖ + margin, 0) / N, norms along the channels.

    Parameters
    ----------
    anchor : dlarray or array_like
        Embeddings a, real, with a format with 'C', or with `data_format`.
    positive, negative : dlarray or array_like
        Embeddings p that should be near `anchor`, and n that should be far. They have its sizes,
        and if they have a format, its labels.
    margin : float
        How much farther away the negative ones should be.
    data_format : str, optional
        Data format of `anchor` if it has none.

    Returns
    -------
    dlarray
        A number, unlabelled. N is the number of observations.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError, ComplexValueError
        As for `cosineloss`.
    InvalidArgumentError
        If `margin` is negative.

    See Also
    --------
    contrastiveloss : loss of pairs, by their distance
    cosineloss : loss of pairs, by the angle between them

    Examples
    --------
    >>> import dlgradient as dl
    >>> a = dl.dlarray([[0.0, 0.0], [0.0, 0.0]], "CB")
    >>> dl.tripletloss(a, [[3.0, 1.0], [4.0, 0.0]], [[5.0, 3.0], [0.0, 0.0]]).item()
    0.5

    Source: Schroff et al. 2015; torch ``triplet_margin_loss``.
    """
    refuse_complex("tripletloss", anchor=anchor, positive=positive, negative=negative)
    loss, axis = _embedded("tripletloss", anchor, positive, data_format, negative)
    far = loss.partner("negative", negative)
    gap = _length(loss.y - loss.t, axis) - _length(loss.y - far, axis)
    return sum_(relu(gap + margin)) / batch_size(loss.labelled)


def _tripletloss_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), m.real(3, 2), m.real(3, 2), data_format="CB", margin=4.0),
        case(m.real(2, 3), m.real(2, 3), m.real(2, 3), data_format="BC", margin=0.5),
        case(m.real(0, 2), m.real(0, 2), m.real(0, 2), data_format="BC"),
    ]


def _tripletloss_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(2, 3), m.real(2, 3), m.real(2, 1), data_format="CB"),
            ShapeMismatchError,
            r"tripletloss: .*shape \(2, 3\) and format 'CB', negative shape \(2, 1\)",
        ),
        Error(
            case(m.real(2), m.real(2), m.real(2), data_format="C", margin=-1),
            InvalidArgumentError,
            "margin.*-1",
        ),
    ]


@derived(
    domain="real",
    samples=lambda m: _contrastiveloss_samples(m),
    errors=lambda m: _contrastiveloss_errors(m),
)
def contrastiveloss(
    y1: Operand,
    y2: Operand,
    similar: Operand,
    /,
    *,
    margin: NonNegative = 1.0,
    data_format: Format = None,
) -> Value:
    """Contrastive loss, Σ (s d² + (1 - s) max(margin - d, 0)²) / (2 N), d = ‖y1 - y2‖.

    Parameters
    ----------
    y1 : dlarray or array_like
        Embeddings, real, with a format with 'C', or with `data_format`.
    y2 : dlarray or array_like
        Their partners, with the same sizes, and if they have a format, the same labels.
    similar : array_like
        s for each pair: 1 or True if it should be near, 0 or False if it should be `margin` apart.
        It has the sizes of `y1` without 'C'.
    margin : float
    data_format : str, optional
        Data format of `y1` if it has none.

    Returns
    -------
    dlarray
        A number, unlabelled. N is the number of observations.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError, ComplexValueError, InvalidArgumentError
        As for `tripletloss`.

    See Also
    --------
    tripletloss : loss of anchors, like and unlike examples
    cosineloss : loss of pairs, by the angle between them

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.0, 0.0], [0.0, 0.0]], "CB")
    >>> dl.contrastiveloss(y, [[3.0, 0.5], [4.0, 0.0]], [True, False]).item()
    6.3125

    Source: Hadsell et al. 2006; MATLAB's example of a Siamese network.
    """
    refuse_complex("contrastiveloss", y1=y1, y2=y2, similar=similar)
    loss, axis = _embedded("contrastiveloss", y1, y2, data_format, similar)
    s = floating(loss.line_values("similar", similar), loss.y)
    difference = loss.y - loss.t
    squares = sum_(difference * difference, axis=axis, keepdims=True)
    short = relu(margin - _length(difference, axis))
    return sum_(s * squares + (1 - s) * (short * short)) / (2 * batch_size(loss.labelled))


def _contrastiveloss_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), m.real(3, 2), np.array([1.0, 0.0]), data_format="CB", margin=4.0),
        case(m.real(2, 3), m.real(2, 3), np.array([[True], [False]]), data_format="BC"),
        case(m.real(0, 2), m.real(0, 2), np.zeros(0), data_format="BC"),
    ]


def _contrastiveloss_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(2, 3), m.real(2, 3), m.bools(2), data_format="CB"),
            ShapeMismatchError,
            r"shape \(2, 3\) and format 'CB', similar shape \(2,\)",
        ),
    ]
