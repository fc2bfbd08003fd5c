"""Losses of classification: cross-entropy in its forms.

Logarithms are taken of probabilities of at least the smallest normal number, so that a probability
of zero gives a large loss, not an infinite one. From logits nothing of that is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.samples import Error, case
from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.activations.smooth import softplus
from dlgradient.nn.activations.softmax import log_softmax_along, shifted, softmax_along
from dlgradient.nn.losses.arguments import Loss, batch_size, check_choices
from dlgradient.nn.losses.regression import misfits
from dlgradient.nn.shared.arguments import finished, real_only, unlabelled
from dlgradient.ops.choice import maximum, where
from dlgradient.ops.exponential import log
from dlgradient.ops.index import getitem
from dlgradient.ops.logical import logical_and, not_equal
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.search import any as any_
from dlgradient.ops.shape import squeeze
from dlgradient.ops.take import take_along_axis
from dlgradient.rules import derived, general

__all__ = ["crossentropy", "indexcrossentropy"]

MODES = ("single-label", "multilabel")


def safe_log(x: Any) -> Any:
    """Logarithm of a probability, finite at zero."""
    tiny = float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).tiny)
    return log(maximum(x, tiny))


def classification(function: str, y: Any, targets: Any, data_format: str | None) -> Loss:
    """Return predictions and targets of a classification: real, with channels."""
    loss = Loss(function, y, targets, data_format)
    real_only(function, loss.y._value)
    real_only(f"{function}: targets", loss.t._value)
    loss.require_channels()
    return loss


def check_mode(function: str, mode: str) -> None:
    """Refuse a mode of classification that does not exist."""
    if mode not in MODES:
        raise InvalidArgumentError(
            f"{function}: classification_mode must be 'single-label' or 'multilabel', not {mode!r}"
        )


def _class_weights(weights: Any, weights_format: str | None) -> str | None:
    """Format of weights: a vector has one for each class."""
    if weights is not None and weights_format is None and np.ndim(weights) == 1:
        return "C"
    return weights_format


# -- from logits, fused --------------------------------------------------------------------------


def _logits_pull(g: Any, z: Any, t: Any, axis: int) -> Any:
    return g * (softmax_along(z, axis=axis) * sum_(t, axis=axis, keepdims=True) - t)


def _targets_pull(g: Any, z: Any, axis: int) -> Any:
    return -(g * log_softmax_along(z, axis=axis))


@general(
    z=_logits_pull,
    t=_targets_pull,
    format="new",
    shown="crossentropy",
    samples=lambda m: [
        case(m.real(3, 2), m.positive(3, 2), axis=0),
        case(m.real(2, 3) * 300, m.positive(2, 3), axis=1),
        case(m.real(3), m.positive(3), axis=0),
        case(m.real(0, 3), m.real(0, 3), axis=1),
    ],
    reference=lambda z, t, axis: np.sum(
        t * (np.logaddexp.reduce(z, axis=axis, keepdims=True) - z), axis=axis, keepdims=True
    ),
)
def softmax_crossentropy(z: Any, t: Any, /, *, axis: int) -> Any:
    """-Σ t log softmax(z) along a dimension, which stays with size one; only operands are kept."""
    below = shifted("crossentropy", z, axis)
    with np.errstate(invalid="ignore"):
        product = t * below
    picked = np.add.reduce(product, axis=axis, keepdims=True)
    if not np.isfinite(picked).all():  # a logit of -inf that is not a target
        picked = np.add.reduce(np.where(t == 0, 0, product), axis=axis, keepdims=True)
    total = np.add.reduce(np.exp(below), axis=axis, keepdims=True)
    total[total == 0] = 1  # a line of -inf, which is masked
    return np.log(total) * np.add.reduce(t, axis=axis, keepdims=True) - picked


def _drop_masked_lines(loss: Loss, mask: Any) -> None:
    """Put zeros where no class of a line counts, so that no NaN gets through from there."""
    axis = loss.channels
    lines = mask if not mask.ndim or mask.shape[axis] == 1 else any_(mask, axis, keepdims=True)
    loss.y, loss.t = where(lines, loss.y, 0), where(lines, loss.t, 0)


def _from_logits(loss: Loss, mask: Any, weights: Any, factor: str, weights_format: Any) -> Any:
    """Sum of the cross-entropies of a mask, if any, that is the same for all classes."""
    t = loss.t
    if weights is not None:
        t = t * loss.beside_y("weights", weights, weights_format)
    return sum_(softmax_crossentropy(loss.y, t, axis=loss.channels)) / loss.divisor(factor, mask)


def _entropies(loss: Loss, mode: str, *, from_logits: bool) -> Any:
    """Cross-entropy of every element."""
    y, t = loss.y, loss.t
    if mode == "single-label":
        return -(t * (log_softmax_along(y, axis=loss.channels) if from_logits else safe_log(y)))
    if from_logits:
        return softplus(y) - t * y
    return -(t * safe_log(y) + (1 - t) * safe_log(1 - y))


def probability_samples(m: Any, *shape: int) -> Any:
    """Values inside the interval from 0 to 1."""
    return m.between(0.1, 0.9, *shape)


def target_samples() -> Any:
    """Targets for two classes and three observations."""
    return np.array([[1.0, 0.0, 0.3], [0.0, 1.0, 0.7]])


def classified(m: Any) -> list[Any]:
    """Samples of losses of probabilities."""
    return [
        case(probability_samples(m, 2, 3), target_samples(), data_format="CB"),
        case(
            probability_samples(m, 2, 3),
            target_samples(),
            data_format="CB",
            classification_mode="multilabel",
            normalization_factor="all-elements",
        ),
        case(
            probability_samples(m, 2, 3),
            target_samples(),
            data_format="TC",
            reduction="none",
        ),
        case(
            probability_samples(m, 2, 3),
            target_samples(),
            data_format="CB",
            mask=np.array([[True, False, True]]),
            normalization_factor="mask-included",
        ),
        case(np.zeros((0, 3)), np.zeros((0, 3)), data_format="BC"),
    ]


def wrong_classes(m: Any) -> list[Any]:
    """Wrong calls of losses of probabilities."""
    return [
        *misfits(m),
        Error(
            case(m.real(2, 3), m.real(2, 3), data_format="BT"), FormatClashError, "'C' of the class"
        ),
        Error(
            case(m.real(2), m.real(2), data_format="C", classification_mode="multi"),
            InvalidArgumentError,
            "classification_mode.*'multi'",
        ),
        Error(case(m.complex(2), m.real(2), data_format="C"), ComplexValueError, "complex128"),
    ]


@derived(
    samples=lambda m: [
        *classified(m),
        case(probability_samples(m, 2, 3), target_samples(), m.positive(2), data_format="CB"),
        case(m.real(2, 3), target_samples(), m.positive(2), data_format="CB", from_logits=True),
        case(
            m.real(2, 3),
            target_samples(),
            data_format="CB",
            from_logits=True,
            mask=np.array([[True, False, True]]),
            normalization_factor="mask-included",
        ),
        case(
            m.real(2, 3),
            target_samples(),
            data_format="CB",
            from_logits=True,
            mask=np.array([[True, False, True], [True, True, False]]),
        ),
        case(
            m.real(2, 3),
            target_samples(),
            data_format="CB",
            from_logits=True,
            classification_mode="multilabel",
        ),
    ],
    errors=wrong_classes,
)
def crossentropy(
    y: Any,
    targets: Any,
    weights: Any = None,
    /,
    *,
    classification_mode: str = "single-label",
    from_logits: bool = False,
    mask: Any = None,
    reduction: str = "sum",
    normalization_factor: str = "batch-size",
    data_format: str | None = None,
    weights_format: str | None = None,
) -> Any:
    """Cross-entropy of probabilities y and targets t, -Σ w m t log(y) / N.

    For "multilabel", where each class is a decision of its own, -Σ w m (t log(y) + (1 - t)
    log(1 - y)) / N. With `from_logits`, y is the softmax (for "multilabel" the sigmoid) of what is
    given, in one fused operation that neither overflows nor cancels.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities, or logits; with a data format with 'C', or with `data_format`.
    targets : dlarray or array_like
        Probabilities, such as one-hot vectors, of the same sizes, and, if it has a format, of the
        same labels in any order. For indices of classes see `indexcrossentropy`.
    weights : dlarray or array_like, optional
        A vector of one weight for each class, or weights with a format.
    classification_mode : {"single-label", "multilabel"}
    from_logits : bool
    mask : array_like of bool, optional
        Which elements count; it may lack labels or have sizes of one. What is masked out has no
        gradient.
    reduction : {"sum", "none"}
        Whether to sum, or to return the loss of every element.
    normalization_factor : {"batch-size", "all-elements", "mask-included", "none"}
        What the sum is divided by: the number of observations, that of the elements, that of those
        the mask keeps, or one.
    data_format, weights_format : str, optional
        Data formats of arrays that have none.

    Returns
    -------
    dlarray
        A number, without a format; of the shape of `y` if not reduced.

    Raises
    ------
    ShapeMismatchError, FormatClashError
        If the targets have other sizes or labels (they are never broadcast), there is no 'C', or
        weights or mask do not fit.
    FormatError
        If there is no format.
    InvalidArgumentError
        If an option has no such value.
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.5, 0.25], [0.5, 0.75]], "CB")
    >>> round(dl.crossentropy(y, [[1.0, 1.0], [0.0, 0.0]]).item(), 4)  # (log 2 + log 4) / 2
    1.0397

    Source: MATLAB ``crossentropy``.
    """
    check_mode("crossentropy", classification_mode)
    check_choices("crossentropy", reduction, normalization_factor)
    loss = classification("crossentropy", y, targets, data_format)
    weights_format = _class_weights(weights, weights_format)
    kept = loss.mask(mask)
    if from_logits and classification_mode == "single-label":
        if kept is not None:
            _drop_masked_lines(loss, kept)
        whole = kept is None or not kept.ndim or kept.shape[loss.channels] == 1
        if whole and reduction == "sum":
            return _from_logits(loss, kept, weights, normalization_factor, weights_format)
    values = _entropies(loss, classification_mode, from_logits=from_logits)
    return loss.reduced(values, mask, weights, reduction, normalization_factor, weights_format)


# -- targets that are indices --------------------------------------------------------------------


def _checked_indices(loss: Loss, targets: Any, mask_index: int | None) -> tuple[Any, Any]:
    """Return the indices of the classes, valid also where they are masked, and that mask."""
    t = unlabelled(loss.per_line("targets", targets))
    if t.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"{loss.function}: targets have dtype {t.dtype}; they must be integers, the indices of "
            "the classes from zero on; for probabilities use crossentropy"
        )
    values, classes = t._value, loss.y.shape[loss.channels]
    mask = None if mask_index is None else values != mask_index
    if mask is not None:
        values = np.where(mask, values, 0)
    outside = (values < 0) | (values >= classes)
    if np.any(outside):
        raise IndexingError(
            f"{loss.function}: a target is {values[outside].flat[0]}, but there are {classes} "
            f"classes, from 0 to {classes - 1}"
        )
    return (t if mask is None else values), mask


@derived(
    samples=lambda m: [
        case(probability_samples(m, 2, 3), np.array([0, 1, 1]), data_format="CB"),
        case(m.real(2, 3), np.array([2, 0]), data_format="BC", from_logits=True),
        case(probability_samples(m, 2, 3), np.array([0, 1, 1]), m.positive(2), data_format="CB"),
        case(
            probability_samples(m, 2, 3),
            np.array([[0, -1, 1]]),
            data_format="CB",
            mask_index=-1,
            normalization_factor="mask-included",
        ),
        case(
            probability_samples(m, 2, 3),
            np.array([0, 0, 1]),
            data_format="CB",
            mask=np.array([True, False, True]),
            reduction="none",
        ),
        case(np.zeros((0, 3)), np.zeros(0, int), data_format="BC"),
    ],
    errors=lambda m: [
        Error(
            case(m.real(2, 3), np.array([0, 1]), data_format="CB"),
            ShapeMismatchError,
            r"predictions have shape \(2, 3\) and format 'CB', targets shape \(2,\)",
        ),
        Error(
            case(m.real(2, 3), np.array([0, 1, 2]), data_format="CB"),
            IndexingError,
            "a target is 2, but there are 2 classes, from 0 to 1",
        ),
        Error(
            case(m.real(2, 3), m.real(3), data_format="CB"),
            InvalidArgumentError,
            "targets have dtype float64",
        ),
        Error(
            case(m.real(2, 1), np.array([1]), m.real(3), data_format="CB"),
            ShapeMismatchError,
            r"weights shape \(3,\); .* 2 classes",
        ),
    ],
)
def indexcrossentropy(
    y: Any,
    targets: Any,
    weights: Any = None,
    /,
    *,
    from_logits: bool = False,
    mask: Any = None,
    mask_index: int | None = None,
    reduction: str = "sum",
    normalization_factor: str = "batch-size",
    data_format: str | None = None,
) -> Any:
    """Cross-entropy of probabilities and indices of classes, -Σ w m log(y at the target) / N.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities, or logits if `from_logits`; with a format with 'C', or with `data_format`.
    targets : array_like of integers
        Zero-based indices of classes; of the sizes and labels of `y`, but without 'C' or with size
        one there.
    weights : dlarray or array_like, optional
        A vector of one weight for each class.
    from_logits : bool
    mask : array_like of bool, optional
        Which targets count, of their shape. What is masked out has no gradient.
    mask_index : int, optional
        Targets of this value do not count either, as if masked out.
    reduction : {"sum", "none"}
        Whether to sum, or to return the loss of every target.
    normalization_factor : {"batch-size", "all-elements", "mask-included", "none"}
        What the sum is divided by: the number of observations, that of the targets, that of those
        the masks keep, or one.
    data_format : str, optional
        Data format of `y` if it has none.

    Returns
    -------
    dlarray
        A number, without a format; if not reduced, with the dimensions of `y` but 'C'.

    Raises
    ------
    IndexingError
        If there is no such class.
    ShapeMismatchError, FormatClashError, FormatError, InvalidArgumentError
        As for `crossentropy`.

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.5, 0.25], [0.5, 0.75]], "CB")
    >>> round(dl.indexcrossentropy(y, [0, 0]).item(), 4)  # (log 2 + log 4) / 2
    1.0397

    Source: MATLAB ``indexcrossentropy``.
    """
    check_choices("indexcrossentropy", reduction, normalization_factor)
    loss = Loss("indexcrossentropy", y, y, data_format)
    real_only("indexcrossentropy", loss.y._value)
    axis = loss.channels
    indices, keep = _checked_indices(loss, targets, mask_index)
    if mask is not None:
        given = not_equal(unlabelled(loss.per_line("mask", mask)), 0)
        keep = given if keep is None else logical_and(given, keep)
    scores = loss.y if keep is None else where(keep, loss.y, 1)
    logs = log_softmax_along(scores, axis=axis) if from_logits else safe_log(scores)
    values = -take_along_axis(logs, indices, axis=axis)
    if weights is not None:
        values = values * _taken(loss, weights, indices)
    if keep is not None:
        values = where(keep, values, 0)
    if reduction == "none":
        values = squeeze(values, axis=axis)
        fmt = loss.fmt[:axis] + loss.fmt[axis + 1 :]
        return finished(calls.wrap(values._value, values._node, fmt or None), loss.strip)
    return sum_(values) / _count(loss, normalization_factor, indices, keep)


def _taken(loss: Loss, weights: Any, indices: Any) -> Any:
    w = weights if type(weights) is calls.dlarray else calls.wrap(np.asarray(weights), None)
    classes = loss.y.shape[loss.channels]
    if w.shape != (classes,):
        raise ShapeMismatchError(
            f"{loss.function}: weights shape {w.shape}; they must be a vector of one weight for "
            f"each of the {classes} classes"
        )
    return getitem(unlabelled(w), indices)


def _count(loss: Loss, factor: str, indices: Any, keep: Any) -> int:
    if factor == "none":
        return 1
    if factor == "batch-size":
        return batch_size(loss.labelled)
    if factor == "all-elements" or keep is None:
        return max(int(indices.size), 1)
    return max(int(np.count_nonzero(getattr(keep, "_value", keep))), 1)
