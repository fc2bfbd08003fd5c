"""More losses of classification: focal loss, Kullback-Leibler divergence, dice."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.calls import labelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Dlarray, Format, NonNegative, Operand, Params, Value
from dlgradient.nn.losses.arguments import Factor, Loss, Reduction
from dlgradient.nn.losses.classification import (
    Mode,
    check_classes,
    classified,
    probability_samples,
    product_with_logs,
    safe_log,
    saturated_targets,
    target_samples,
    wrong_classes,
)
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
from dlgradient.nn.shared.arguments import scalar
from dlgradient.ops.choice import where
from dlgradient.ops.exponential import exp
from dlgradient.ops.logical import equal, greater
from dlgradient.ops.reduce import max as max_
from dlgradient.ops.reduce import sum as sum_
from dlgradient.rules import derived

FocalFactor: TypeAlias = Literal[
    "nonzero-targets", "batch-size", "all-elements", "mask-included", "none"
]

__all__ = ["focalcrossentropy", "generalizeddice", "kldivergence"]


class Focus(NamedTuple):
    """Options of the focal loss."""

    gamma: Value
    alpha: Value
    several: bool


def _focused(p: Value, gamma: Value) -> Value:
    """Return (1 - p)^γ log(p), as (1 - p)^(γ + 1) times a quotient that is smooth at p = 1.

    The power alone has no finite derivative there if γ is small.
    """
    rest = 1 - p
    near = equal(rest, 0)
    series = -1 - rest / 2 - rest * rest / 3
    return rest ** (gamma + 1) * where(near, series, safe_log(p) / where(near, 1, rest))


def _focal(loss: Loss, y: Value, options: Focus, source: Source | None) -> Value:
    """Focal cross-entropy of probabilities, or of the logits of a source."""
    gamma, alpha, several = options
    t, others = loss.t, None
    if source is None:
        hits, others = _focused(y, gamma), _focused(1 - y, gamma) if several else None
    else:
        logs = log_probabilities(y, source)
        complements = log_complements(y, logs, source)
        # The powers by logarithms: they do not cancel, and are smooth in the logits.
        hits = exp(gamma * complements) * logs
        others = exp(gamma * logs) * complements if several else None
    values = product_with_logs(t, hits) * -alpha
    if others is not None:
        values = values + product_with_logs(1 - t, others) * (alpha - 1)
    return loss.reduced(values)


@derived(
    domain="real",
    samples=lambda m: _focalcrossentropy_samples(m),
    errors=wrong_classes,
)
def focalcrossentropy(
    y: Operand,
    targets: Operand,
    /,
    *,
    gamma: NonNegative | Dlarray = 2.0,
    alpha: float | Dlarray = 0.25,
    classification_mode: Mode = "single-label",
    from_logits: bool = False,
    mask: Operand | None = None,
    reduction: Reduction = "sum",
    normalization_factor: FocalFactor = "nonzero-targets",
    data_format: Format = None,
) -> Value:
    """Focal cross-entropy, -Σ m α (1 - y)^γ t log(y) / N: well classified elements count less.

    For "multilabel", -(1 - α) y^γ (1 - t) log(1 - y) is added for each class.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities, with a format with 'C', or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order.
    gamma, alpha : float or dlarray
        Exponent, which focuses on misclassified elements, and balance. Dlarrays without dimensions
        have derivatives.
    classification_mode, from_logits, mask, reduction, data_format
        As for `crossentropy`.
    normalization_factor : str
        As for `crossentropy`, or "nonzero-targets": the sum is divided by the number of targets
        that are not 0 and that the mask keeps. For one-hot targets that is the number of positions.

    Returns
    -------
    dlarray
        A number, unlabelled; if not reduced, of the shape of `y`.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError, InvalidArgumentError, ComplexValueError
        As for `crossentropy`.

    See Also
    --------
    crossentropy : cross entropy of probabilities
    generalizeddice : overlap of regions of an image

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.5, 0.25], [0.5, 0.75]], "CB")
    >>> round(dl.focalcrossentropy(y, [[1.0, 1.0], [0.0, 0.0]]).item(), 4)
    0.1191

    Source: MATLAB ``focalCrossEntropy``; Lin et al. 2017.
    """
    refuse_complex("focalcrossentropy", y=y, targets=targets)
    loss = Loss(
        "focalcrossentropy",
        y,
        targets,
        data_format,
        mask=mask,
        reduction=reduction,
        normalization_factor=normalization_factor,
    )
    check_classes(loss)
    gamma = scalar("focalcrossentropy", "gamma", gamma, 0)
    alpha = scalar("focalcrossentropy", "alpha", alpha)
    options = Focus(gamma, alpha, classification_mode == "multilabel")
    if from_logits:
        source = SIGMOID if options.several else Source(loss.channels)
        return _focal(loss, loss.y, options, source)
    return with_logits(
        loss.y,
        _saturated_several if options.several else _saturated,
        lambda y, source: _focal(loss, y, options, source),
        loss.channels,
        loss.t,
    )


def _saturated(y: Array, t: Array) -> Any:
    # A power of 1 - y = 0 may have no second derivative, not even for a target of 0.
    return (underflows(y) & (t != 0)) | (y == 1)


def _saturated_several(y: Array, t: Array) -> Any:
    return _saturated(y, t) | (nears_one(y) & (t != 1)) | (1 - y == 1)


def _focalcrossentropy_samples(m: Maker) -> list[Case]:
    some = m.positive(2, 3)
    several: Params = {"classification_mode": "multilabel"}
    by_batch: Params = {"normalization_factor": "batch-size"}  # the number of targets jumps at 0
    return [
        *classified(m)[1:],
        case(probability_samples(m, 2, 3), target_samples(), data_format="CB", **by_batch),
        case(probability_samples(m, 2, 3), some, data_format="CB", gamma=1.5, alpha=0.5),
        case(m.real(2, 3), some, data_format="CB", from_logits=True),
        case(m.real(2, 3), some, data_format="CB", from_logits=True, **several),
    ]


@derived(
    domain="real",
    samples=lambda m: _kldivergence_samples(m),
    errors=misfits,
)
def kldivergence(
    y: Operand,
    targets: Operand,
    /,
    *,
    mask: Operand | None = None,
    reduction: Reduction = "sum",
    normalization_factor: Factor = "batch-size",
    data_format: Format = None,
) -> Value:
    """Kullback-Leibler divergence of probabilities y from targets t, Σ m t (log t - log y) / N.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities, with a format, or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order. A target of
        0 contributes nothing.
    mask, reduction, normalization_factor, data_format
        As for `crossentropy`.

    Returns
    -------
    dlarray
        A number, unlabelled; if not reduced, of the shape of `y`.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError, InvalidArgumentError
        As for `crossentropy`.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    crossentropy : cross entropy of probabilities
    softmax : exponentials with the sum one

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.5, 0.25], [0.5, 0.75]], "CB")
    >>> round(dl.kldivergence(y, [[0.5, 1.0], [0.5, 0.0]]).item(), 4)  # log(4) / 2
    0.6931

    Source: torch ``kl_div``.
    """
    refuse_complex("kldivergence", y=y, targets=targets)
    loss = Loss(
        "kldivergence",
        y,
        targets,
        data_format,
        mask=mask,
        reduction=reduction,
        normalization_factor=normalization_factor,
    )

    def divergence(y: Value, source: Source | None) -> Value:
        logs = safe_log(y) if source is None else log_probabilities(y, source)
        return loss.reduced(loss.t * safe_log(loss.t) - product_with_logs(loss.t, logs))

    return with_logits(loss.y, saturated_targets, divergence, None, loss.t)


def _kldivergence_samples(m: Maker) -> list[Case]:
    return [
        case(probability_samples(m, 2, 3), probability_samples(m, 2, 3), data_format="CB"),
        case(
            probability_samples(m, 2), probability_samples(m, 2), data_format="C", reduction="none"
        ),
        case(
            probability_samples(m, 2, 3),
            probability_samples(m, 2, 3),
            data_format="CB",
            mask=np.array([[True, False, True]]),
        ),
        case(np.zeros((0, 3)), np.zeros((0, 3)), data_format="BC"),
    ]


# -- dice ----------------------------------------------------------------------------------------


@derived(
    domain="real",
    samples=lambda m: _generalizeddice_samples(m),
    errors=misfits,
)
def generalizeddice(
    y: Operand,
    targets: Operand,
    /,
    *,
    absent_classes: Literal["excluded", "largest-weight"] = "excluded",
    data_format: Format = None,
) -> Value:
    """Generalised dice similarity of segmentations, 2 Σₖ wₖ Σ y t / Σₖ wₖ Σ (y² + t²).

    The inner sums run over the pixels, the outer ones over the classes k, with wₖ = 1 / (Σ t)². The
    loss is 1 - similarity. Without any class in the targets, the similarity is 0.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities, with a format with 'C', or with `data_format`.
    targets : dlarray or array_like
        With the same sizes. If they have a format, it has the same labels in any order.
    absent_classes : {"excluded", "largest-weight"}
        A class that does not occur in the targets of an observation has no weight wₖ: it does not
        count, or it has the largest weight of the others.
    data_format : str, optional
        Data format of `y` if it has none.

    Returns
    -------
    dlarray
        A similarity for each observation, of format 'B', or a number without 'B'.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError
        As for `crossentropy`.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    focalcrossentropy : cross entropy that weights hard examples
    crossentropy : cross entropy of probabilities

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.5, 0.5], [0.5, 0.5]], "CS")
    >>> round(dl.generalizeddice(y, [[1.0, 0.0], [0.0, 1.0]]).item(), 4)
    0.6667

    Source: MATLAB ``generalizedDice``; Sudre et al. 2017.
    """
    refuse_complex("generalizeddice", y=y, targets=targets)
    loss = Loss("generalizeddice", y, targets, data_format)
    check_classes(loss)
    pixels = tuple([i for i, c in enumerate(loss.fmt) if c not in "CB"])
    others = tuple([i for i, c in enumerate(loss.fmt) if c != "B"])
    p, t = loss.y, loss.t
    size = sum_(t, axis=pixels, keepdims=True)
    occurs = greater(size, 0)
    # The inner choice avoids a division by zero, of which NumPy would warn.
    weights = where(occurs, 1 / where(occurs, size * size, 1), 0)
    if absent_classes == "largest-weight":
        largest = max_(weights, axis=loss.channels, keepdims=True) if weights.size else weights
        weights = where(occurs, weights, largest)
    both = sum_(p * t * weights, axis=others)
    either = sum_((p * p + t * t) * weights, axis=others)
    some = greater(either, 0)
    value = where(some, 2 * both / where(some, either, 1), 0)
    return value if loss.strip or "B" not in loss.fmt else labelled(value, "B")


def _generalizeddice_samples(m: Maker) -> list[Case]:
    return [
        case(probability_samples(m, 2, 3, 2), probability_samples(m, 2, 3, 2), data_format="CSB"),
        case(probability_samples(m, 3, 2), probability_samples(m, 3, 2), data_format="SC"),
        case(
            probability_samples(m, 3, 2),
            np.eye(3, 2) + np.eye(3, 2, -1),
            data_format="CS",
            absent_classes="largest-weight",
        ),
        case(np.zeros((0, 3, 2)), np.zeros((0, 3, 2)), data_format="BSC"),
    ]
