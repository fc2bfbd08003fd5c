"""Losses of classification: cross-entropy in its forms.

A probability is raised to the smallest normal number before its logarithm is taken. So a
probability of zero gives a large loss, not an infinite one. Logits do not need this.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.reading import decided, read
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Axis, Format, Operand, Value
from dlgradient.core.values import whole_numbers
from dlgradient.errors import (
    FormatClashError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.activations.smooth import softplus
from dlgradient.nn.activations.softmax import log_softmax_along, shifted, softmax_along
from dlgradient.nn.losses.arguments import Factor, Loss, Reduction
from dlgradient.nn.losses.regression import misfits
from dlgradient.nn.losses.sources import (
    SIGMOID,
    Source,
    log_complements,
    log_probabilities,
    nears_one,
    underflows,
    with_logits,
)
from dlgradient.nn.shared.arguments import as_array, finished
from dlgradient.ops import narrow
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import maximum, where
from dlgradient.ops.exponential import log
from dlgradient.ops.index import getitem
from dlgradient.ops.logical import equal, logical_and, not_equal
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.search import any as any_
from dlgradient.ops.shape import squeeze
from dlgradient.ops.take import take_along_axis
from dlgradient.rules import derived, general

__all__ = ["crossentropy", "indexcrossentropy"]

Mode: TypeAlias = Literal["single-label", "multilabel"]


def safe_log(x: Value) -> Value:
    """Return the logarithm of a probability, finite at zero."""
    # A bound changes no probability above it; an added constant would change all.
    tiny = float(np.finfo(x.dtype).tiny)
    return log(maximum(x, tiny))


def check_classes(loss: Loss) -> None:
    """Refuse predictions without channels."""
    _ = loss.channels


def _class_weights(weights: Operand | None, weights_format: Format) -> Format:
    """Return the format of weights: a vector has a weight for each class."""
    if weights is not None and weights_format is None and np.ndim(weights) == 1:
        return "C"
    return weights_format


# -- from logits, fused --------------------------------------------------------------------------


def _logits_pull(g: Value, z: Value, t: Value, axis: Axis) -> Value:
    return g * (softmax_along(z, axis=axis) * sum_(t, axis=axis, keepdims=True) - t)


def _targets_pull(g: Value, z: Value, axis: Axis) -> Value:
    return -(g * log_softmax_along(z, axis=axis))


@general(
    z=_logits_pull,
    t=_targets_pull,
    domain="real",
    format="new",
    shown="crossentropy",
    samples=lambda m: _softmax_crossentropy_samples(m),
    reference=lambda z, t, axis: np.sum(
        t * (np.logaddexp.reduce(z, axis=axis, keepdims=True) - z), axis=axis, keepdims=True
    ),
)
def softmax_crossentropy(z: Value, t: Value, /, *, axis: Axis) -> Value:
    """-Σ t log softmax(z) along a dimension, which stays with size one; only operands are saved."""
    below = shifted("crossentropy", z, axis)
    with np.errstate(invalid="ignore"):
        product = t * below
    picked = narrow.add(product, axis, True)
    if not np.isfinite(picked).all():  # a logit of -inf that is not a target
        picked = narrow.add(np.where(t == 0, 0, product), axis, True)
    total = narrow.add(np.exp(below), axis, True)
    total[total == 0] = 1  # a line of -inf, which is masked
    return np.log(total) * narrow.add(t, axis, True) - picked


def _softmax_crossentropy_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), m.positive(3, 2), axis=0),
        case(m.real(2, 3) * 300, m.positive(2, 3), axis=1),
        case(m.real(3), m.positive(3), axis=0),
        case(m.real(0, 3), m.real(0, 3), axis=1),
    ]


def _whole_lines(loss: Loss) -> bool:
    """Tell whether the mask is the same for all classes."""
    mask = loss.mask
    return mask is None or not mask.ndim or bool(mask.shape[loss.channels] == 1)


def _without_masked_lines(loss: Loss, y: Value) -> tuple[Value, Value]:
    """Return logits and targets, 0 in lines where no class counts: no NaN comes from there."""
    if loss.mask is None:
        return y, loss.t
    lines = loss.mask if _whole_lines(loss) else any_(loss.mask, loss.channels, keepdims=True)
    return where(lines, y, 0), where(lines, loss.t, 0)


def product_with_logs(t: Value, logs: Value) -> Value:
    """Return t log(y), 0 where t is 0 also if y is."""
    if not decided(has_negative_infinity, logs):
        return t * logs
    return t * where(logical_and(equal(t, 0), equal(logs, -np.inf)), 0, logs)


def has_negative_infinity(values: Array) -> bool:
    return bool(np.isneginf(values).any())


def _entropies(y: Value, t: Value, mode: Mode, source: Source | None) -> Value:
    """Cross-entropy of every element, of probabilities or of the logits of a source."""
    if mode == "single-label":
        logs = safe_log(y) if source is None else log_probabilities(y, source)
        return -product_with_logs(t, logs)
    if source is None:
        return -(t * safe_log(y) + (1 - t) * safe_log(1 - y))
    if source is SIGMOID:
        return softplus(y) - t * y
    logs = log_probabilities(y, source)
    return -(t * logs + (1 - t) * log_complements(y, logs, source))


def _crossentropy(loss: Loss, y: Value, mode: Mode, source: Source | None) -> Value:
    """Cross-entropy of probabilities, or of the logits of a source."""
    t = loss.t
    if source is not None and source is not SIGMOID and mode == "single-label":
        y, t = _without_masked_lines(loss, y)
        if _whole_lines(loss) and loss.reduction == "sum":
            t = t if loss.weights is None else t * loss.weights
            total = sum_(softmax_crossentropy(y, t, axis=loss.channels))
            return total / loss.divisor(loss.mask, loss.y.shape)
    return loss.reduced(_entropies(y, t, mode, source))


@derived(
    domain="real",
    samples=lambda m: _crossentropy_samples(m),
    errors=lambda m: wrong_classes(m),
)
def crossentropy(
    y: Operand,
    targets: Operand,
    weights: Operand | None = None,
    /,
    *,
    classification_mode: Mode = "single-label",
    from_logits: bool = False,
    mask: Operand | None = None,
    reduction: Reduction = "sum",
    normalization_factor: Factor = "batch-size",
    data_format: Format = None,
    weights_format: Format = None,
) -> Value:
    """Cross-entropy of probabilities y and targets t, -Σ w m t log(y) / N.

    For "multilabel", where the classes are independent, it is -Σ w m (t log(y) + (1 - t) log(1 -
    y)) / N. With `from_logits`, y is the softmax of the argument (for "multilabel" the sigmoid), in
    one fused operation that neither overflows nor cancels. Traced probabilities that are results of
    `softmax` or `sigmoid` themselves are as good: where they saturate, their logits are used.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities, or logits; with a format with 'C', or with `data_format`.
    targets : dlarray or array_like
        Probabilities, such as one-hot vectors, of the same sizes. If they have a format, it has the
        same labels in any order. For indices of classes see `indexcrossentropy`.
    weights : dlarray or array_like, optional
        A vector with a weight for each class, or weights with a format.
    classification_mode : {"single-label", "multilabel"}
    from_logits : bool
    mask : array_like of bool, optional
        Which elements count; it may lack labels or have sizes of one. Elements that are masked out
        have no gradient.
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
        If the targets have other sizes or labels (they are never broadcast), there is no 'C', or
        weights or mask do not match.
    FormatError
        If there is no format.
    InvalidArgumentError
        If an option has an invalid value.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    indexcrossentropy : cross entropy with indices of classes
    softmax : exponentials with the sum one
    focalcrossentropy : cross entropy that weights hard examples
    kldivergence : divergence of two distributions

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.5, 0.25], [0.5, 0.75]], "CB")
    >>> round(dl.crossentropy(y, [[1.0, 1.0], [0.0, 0.0]]).item(), 4)  # (log 2 + log 4) / 2
    1.0397

    Source: MATLAB ``crossentropy``.
    """
    refuse_complex("crossentropy", y=y, targets=targets)
    loss = Loss(
        "crossentropy",
        y,
        targets,
        data_format,
        mask=mask,
        weights=weights,
        weights_format=_class_weights(weights, weights_format),
        reduction=reduction,
        normalization_factor=normalization_factor,
    )
    check_classes(loss)
    several = classification_mode == "multilabel"
    if from_logits:
        source = SIGMOID if several else Source(loss.channels)
        return _crossentropy(loss, loss.y, classification_mode, source)
    return with_logits(
        loss.y,
        _saturated_several if several else saturated_targets,
        lambda y, source: _crossentropy(loss, y, classification_mode, source),
        loss.channels,
        loss.t,
    )


def saturated_targets(y: Array, t: Array) -> Any:
    """Tell where probabilities underflow whose logarithms count."""
    return underflows(y) & (t != 0)


def _saturated_several(y: Array, t: Array) -> Any:
    return saturated_targets(y, t) | (nears_one(y) & (t != 1))


def _crossentropy_samples(m: Maker) -> list[Case]:
    return [
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
    ]


def wrong_classes(m: Maker) -> list[Error]:
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
    ]


# -- targets that are indices --------------------------------------------------------------------


@derived(
    domain="real",
    samples=lambda m: _indexcrossentropy_samples(m),
    errors=lambda m: _indexcrossentropy_errors(m),
)
def indexcrossentropy(
    y: Operand,
    targets: Operand,
    weights: Operand | None = None,
    /,
    *,
    from_logits: bool = False,
    mask: Operand | None = None,
    mask_index: int | None = None,
    reduction: Reduction = "sum",
    normalization_factor: Factor = "batch-size",
    data_format: Format = None,
) -> Value:
    """Cross-entropy of probabilities and indices of classes, -Σ w m log(y at the target) / N.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities, or logits if `from_logits`; with a format with 'C', or with `data_format`.
    targets : array_like of integers
        Zero-based indices of classes. They have the sizes and labels of `y`, but 'C' has size one
        or is omitted.
    weights : dlarray or array_like, optional
        A vector with a weight for each class.
    from_logits : bool
    mask : array_like of bool, optional
        Which targets count, of their shape. Targets that are masked out have no gradient.
    mask_index : int, optional
        Targets with this value do not count either, as if masked out.
    reduction : {"sum", "none"}
        Whether to sum, or to return the loss of every target.
    normalization_factor : {"batch-size", "all-elements", "mask-included", "none"}
        What the sum is divided by: the number of observations, of targets, of targets that the
        masks keep, or one.
    data_format : str, optional
        Data format of `y` if it has none.

    Returns
    -------
    dlarray
        A number, unlabelled; if not reduced, with the dimensions of `y` but 'C'.

    Raises
    ------
    IndexingError
        If a target is not a class.
    ShapeMismatchError, FormatClashError, FormatError, InvalidArgumentError
        As for `crossentropy`.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    crossentropy : cross entropy of probabilities
    softmax : exponentials with the sum one
    onehotencode : array of zeros and ones of classes

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.5, 0.25], [0.5, 0.75]], "CB")
    >>> round(dl.indexcrossentropy(y, [0, 0]).item(), 4)  # (log 2 + log 4) / 2
    1.0397

    Source: MATLAB ``indexcrossentropy``.
    """
    refuse_complex("indexcrossentropy", y=y, weights=weights)
    loss = Loss(
        "indexcrossentropy",
        y,
        None,
        data_format,
        weights,
        reduction=reduction,
        normalization_factor=normalization_factor,
    )
    check_classes(loss)
    axis = loss.channels
    indices, keep = _checked_indices(loss, targets, mask_index)
    if mask is not None:
        given = not_equal(loss.line_values("mask", mask), 0)
        keep = given if keep is None else logical_and(given, keep)

    def picked(y: Value, source: Source | None) -> Value:
        scores = y if keep is None else where(keep, y, 1)
        logs = safe_log(scores) if source is None else log_probabilities(scores, source)
        return -take_along_axis(logs, indices, axis=axis)

    if from_logits:
        values = picked(loss.y, Source(axis))
    else:
        values = with_logits(loss.y, saturated_at, picked, axis, indices, axis)
    if weights is not None:
        values = values * _taken(loss, weights, indices)
    if keep is not None:
        values = where(keep, values, 0)
    if reduction == "none":
        fmt = loss.fmt[:axis] + loss.fmt[axis + 1 :]
        return finished(labelled(squeeze(values, axis=axis), fmt or None), loss.strip)
    return sum_(values) / loss.divisor(keep, indices.shape)


def saturated_at(y: Array, indices: Array, axis: Axis) -> Any:
    return underflows(np.take_along_axis(y, indices, axis=axis))


def _checked_indices(
    loss: Loss, targets: Operand, mask_index: int | None
) -> tuple[Value, Value | None]:
    """Return indices of classes, valid also where they are masked, and the mask."""
    t = loss.line_values("targets", targets)
    classes = loss.y.shape[loss.channels]
    if mask_index is None and t.dtype.kind in "iuf" and decided(are_classes, t, classes):
        # Not its value, which a recorded program would hold as a constant.
        return (t if t.dtype.kind in "iu" else astype(t, np.int64)), None
    values = whole_numbers(read(t))
    if values.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"{loss.function}: targets have dtype {t.dtype}; they must be integers, the indices of "
            "the classes from zero on; for probabilities use crossentropy"
        )
    mask = None if mask_index is None else values != mask_index
    if mask is not None:
        values = np.where(mask, values, 0)
    outside = (values < 0) | (values >= classes)
    if np.any(outside):
        raise IndexingError(
            f"{loss.function}: a target is {values[outside].flat[0]}, but there are {classes} "
            f"classes, from 0 to {classes - 1}"
        )
    return values, mask


def are_classes(values: Array, classes: int) -> bool:
    inside = not values.size or bool(values.min() >= 0 and values.max() < classes)
    return inside and (values.dtype.kind in "iu" or bool(np.all(values == np.floor(values))))


def _taken(loss: Loss, weights: Operand, indices: Value) -> Value:
    """Return the weight of each target."""
    w = as_array(loss.function, "weights", weights, loss.y)
    classes = loss.y.shape[loss.channels]
    if w.shape != (classes,):
        raise ShapeMismatchError(
            f"{loss.function}: weights shape {w.shape}; they must be a vector of one weight for "
            f"each of the {classes} classes"
        )
    return getitem(unlabelled(w), indices)


def _indexcrossentropy_samples(m: Maker) -> list[Case]:
    return [
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
    ]


def _indexcrossentropy_errors(m: Maker) -> list[Error]:
    return [
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
    ]


# -- shared samples ------------------------------------------------------------------------------


def probability_samples(m: Maker, *shape: int) -> Array:
    """Values inside the interval from 0 to 1."""
    return m.between(0.1, 0.9, *shape)


def target_samples() -> Array:
    """Targets for two classes and three observations."""
    return np.array([[1.0, 0.0, 0.3], [0.0, 1.0, 0.7]])


def classified(m: Maker) -> list[Case]:
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
