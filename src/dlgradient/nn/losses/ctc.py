"""Connectionist temporal classification: label sequences without alignment."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.reading import read
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Format, Operand, Params, Size, Value
from dlgradient.core.values import whole_numbers
from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    FormatError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.activations.softmax import log_softmax_along
from dlgradient.nn.losses.alignment import RANGE, chain, rescaled
from dlgradient.nn.losses.arguments import Reduction, batch_size
from dlgradient.nn.losses.sources import Source, underflows, with_logits
from dlgradient.nn.shared.arguments import (
    as_array,
    described,
    formatted,
    raw_value,
    rearranged,
)
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import where
from dlgradient.ops.exponential import exp, log
from dlgradient.ops.index import getitem
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take
from dlgradient.rules import derived

__all__ = ["ctc"]

# Largest logarithm of an emission, of either sign, in single precision, which ends at 88.
SINGLE_RANGE = 80


def _rows(name: str, given: Operand, y: Value) -> Array:
    """Return targets or a mask as an array (B, T), whatever their order."""
    x = as_array("ctc", name, given)
    of_y = y._format or ""
    fits = f"ctc: y has {described(y)}, {name} {described(x)}"
    fmt = x._format
    if fmt is None:
        fmt = of_y if x.ndim == y.ndim else of_y.replace("C", "")
    elif sorted(fmt.replace("C", "")) != sorted(of_y.replace("C", "")):
        raise FormatClashError(f"{fits}; {name} must have the labels of y, 'C' not needed")
    if len(fmt) != x.ndim:
        raise ShapeMismatchError(f"{fits}; {name} must have one dimension for each of {fmt!r}")
    moved = raw_value(rearranged(raw_value(x), fmt, "CBT"))
    if moved.shape[0] != 1:
        raise ShapeMismatchError(f"{fits}; the dimension 'C' of {name} must have size one")
    batch = y.shape[of_y.index("B")] if "B" in of_y else 1
    if moved.shape[1] != batch:
        raise ShapeMismatchError(f"{fits}; there must be as many observations as in y, {batch}")
    rows: Array = moved[0]
    return rows


def _labels(
    y: Value, targets: Operand, targets_mask: Operand | None, blank: int, classes: int
) -> tuple[Array, Array]:
    """Return the labels of each observation (L, B), followed by blanks, and their numbers."""
    rows = whole_numbers(_rows("targets", targets, y))
    if rows.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"ctc: targets have dtype {rows.dtype}; they must be zero-based indices of classes"
        )
    keep = np.ones(rows.shape, dtype=bool)
    if targets_mask is not None:
        keep = _rows("targets_mask", targets_mask, y) != 0
    if keep.shape != rows.shape:
        raise ShapeMismatchError(
            f"ctc: targets_mask holds {keep.shape} observations and labels, targets {rows.shape}; "
            "they must be equal"
        )
    wrong = keep & ((rows < 0) | (rows >= classes) | (rows == blank))
    if wrong.any():
        raise IndexingError(
            f"ctc: a target is {rows[wrong][0]}; targets are classes from 0 to {classes - 1} other "
            f"than the blank, {blank}; mask padding with targets_mask"
        )
    # A stable sort moves what is masked to the end, and keeps the order of the labels.
    first = np.argsort(~keep, axis=1, kind="stable")
    labels = np.take_along_axis(np.where(keep, rows, blank), first, axis=1).T
    return labels, np.count_nonzero(keep, axis=1)


def _check_lengths(labels: Array, counts: Array, lengths: Array, blank: int) -> None:
    repeated = np.count_nonzero((labels[1:] == labels[:-1]) & (labels[1:] != blank), axis=0)
    need = counts + repeated
    if np.any(need > lengths):
        b = int(np.argmax(need > lengths))
        raise InvalidArgumentError(
            f"ctc: the {counts[b]} labels of observation {b} need {need[b]} time steps (one each, "
            f"and a blank between equal ones), but there are {lengths[b]}"
        )


def _states(labels: Array, blank: int) -> tuple[Array, Array]:
    """Return the class of each state of each observation, (S, B), and where steps may skip to."""
    longest, batch = labels.shape
    classes = np.full((2 * longest + 1, batch), blank)
    skips = np.zeros(classes.shape, dtype=bool)
    classes[1::2] = labels
    # Between equal labels a blank must be emitted, or they would be one.
    skips[3::2] = labels[1:] != labels[:-1]
    return classes, skips


def _blank(blank_index: int | str, classes: int) -> int:
    named = {"first": 0, "last": classes - 1}
    index = named[blank_index] if isinstance(blank_index, str) else blank_index
    if index >= classes:
        raise InvalidArgumentError(
            f"ctc: blank_index={blank_index!r} must be 'first', 'last' or a class from 0 to "
            f"{classes - 1}"
        )
    return index


@derived(domain="real", samples=lambda m: _samples(m), errors=lambda m: _errors(m))
def ctc(
    y: Operand,
    targets: Operand,
    y_mask: Operand | None = None,
    targets_mask: Operand | None = None,
    /,
    *,
    blank_index: Size | Literal["first", "last"] = "first",
    from_logits: bool = False,
    reduction: Reduction = "sum",
    data_format: Format = None,
) -> Value:
    """Connectionist temporal classification loss, -Σ log p(targets) / N.

    The probability p of a sequence of labels is the sum over all its alignments with the time
    steps. An alignment is a sequence of classes that becomes the targets when repetitions are
    merged and blanks removed. Its probability is the product of its classes' probabilities. The sum
    runs relative to scales that follow it, so it does not underflow, and has its derivatives at
    probabilities of zero. If no alignment is possible, the loss is infinite and has no gradient.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities of the classes in every time step, or logits if `from_logits`. Real, with a
        format with 'C' and 'T', and optionally 'B', in any order, or with `data_format`.
    targets : array_like of integers
        Zero-based indices of classes, with the labels of `y`, where 'C' has size one or is omitted.
        'T' counts the labels. If unlabelled, they have the order of `y`.
    y_mask, targets_mask : array_like of bool, optional
        Which time steps and which labels count, as in `targets`. Elements of `y` that are masked
        out have no gradient.
    blank_index : int, "first" or "last"
        Class of the blank.
    from_logits : bool
        Whether `y` are logits.
    reduction : {"sum", "none"}
        Whether to sum and divide by the number N of observations, or to return the loss of each.
    data_format : str, optional
        Data format of `y` if it has none.

    Returns
    -------
    dlarray
        A number, unlabelled; if not reduced, a vector of the losses of the observations.

    Raises
    ------
    InvalidArgumentError
        If there are too few time steps for the targets, or an option has an invalid value.
    IndexingError
        If a target is not a class, or is the blank.
    ShapeMismatchError, FormatClashError, FormatError
        If sizes or labels do not match.
    ComplexValueError
        If `y` is complex.

    See Also
    --------
    crossentropy : cross entropy of probabilities
    softmax : exponentials with the sum one
    lstm : long short-term memory

    Examples
    --------
    The label 1 in two steps, blank 0: -log(0.4 · 0.5 + 0.4 · 0.5 + 0.6 · 0.5).

    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.6, 0.5], [0.4, 0.5]], "CT")
    >>> round(dl.ctc(y, [1]).item(), 4)
    0.3567

    Source: MATLAB ``ctc``.
    """
    refuse_complex("ctc", y=y)
    scores, _ = formatted("ctc", y, data_format)
    fmt = scores._format or ""
    if sorted(fmt) not in (["B", "C", "T"], ["C", "T"]):
        raise FormatClashError(
            f"ctc: y has {described(scores)}; it must have the labels 'C' and 'T', and may have 'B'"
        )
    channels = fmt.index("C")
    time, batch, classes = rearranged(scores, fmt, "TBC").shape
    blank = _blank(blank_index, classes)
    labels, counts = _labels(scores, targets, targets_mask, blank, classes)
    running = np.ones((time, batch), dtype=bool)
    if y_mask is not None:
        running = _rows("y_mask", y_mask, scores).T != 0
    if running.shape != (time, batch):
        raise ShapeMismatchError(
            f"ctc: y_mask has {len(running)} time steps, y {described(scores)} has {time}"
        )
    _check_lengths(labels, counts, np.count_nonzero(running, axis=0), blank)

    def losses(y: Value, source: Source | None) -> Value:
        lines = rearranged(labelled(y, fmt), fmt, "TBC")
        return -_log_sums(lines, labels, counts, running, blank, source is not None)

    if from_logits:
        values = losses(scores, Source(channels))
    else:
        values = with_logits(unlabelled(scores), underflows, losses, channels, exclusive=True)
    return values if reduction == "none" else sum_(values) / batch_size(scores)


def _samples(m: Maker) -> list[Case]:
    y = m.positive(3, 2, 4)
    two = np.array([[1, 2], [1, 1]])
    return [
        case(y, two, data_format="CBT"),
        case(m.real(4, 2, 3), two, from_logits=True, data_format="TBC", reduction="none"),
        case(
            m.positive(2, 4, 3),
            two,
            np.array([[True, True, True, False], [True] * 4]),
            np.array([[True, True], [True, False]]),
            data_format="BTC",
        ),
        case(m.positive(3, 3), np.array([1, 0]), data_format="CT", blank_index="last"),
        case(np.zeros((3, 0, 4)), np.zeros((0, 2), int), data_format="CBT"),
    ]


def _errors(m: Maker) -> list[Error]:
    y, one = m.positive(3, 1, 2), np.array([[1]])
    cbt: Params = {"data_format": "CBT"}
    return [
        Error(case(y, one), FormatError, r"ctc: x of shape \(3, 1, 2\)"),
        Error(case(y, one, data_format="SBT"), FormatClashError, "'SBT'; it must have"),
        Error(case(y, np.array([[0]]), **cbt), IndexingError, "a target is 0; .* the blank, 0"),
        Error(case(y, np.array([[3]]), **cbt), IndexingError, "a target is 3; .* from 0 to 2"),
        Error(
            case(y, np.array([[1.5]]), **cbt), InvalidArgumentError, "targets have dtype float64"
        ),
        Error(case(y, np.array([[1, 1]]), **cbt), InvalidArgumentError, "need 3 time steps"),
        Error(case(y, np.array([[1], [1]]), **cbt), ShapeMismatchError, "as many observations"),
        Error(case(y, np.array([1]), **cbt), ShapeMismatchError, "one dimension for each of 'BT'"),
        Error(case(y, one, blank_index=3, **cbt), InvalidArgumentError, "blank_index=3 must be"),
        Error(
            case(y, one, reduction="mean", **cbt),
            InvalidArgumentError,
            "reduction must be one of 'sum', 'none', not 'mean'",
        ),
        Error(
            case(y, one, np.array([[True]]), **cbt), ShapeMismatchError, "y_mask has 1 time steps"
        ),
        Error(case(m.complex(3, 1, 2), one, **cbt), ComplexValueError, "ctc.*complex128"),
    ]


def _log_sums(
    y: Value, labels: Array, counts: Array, running: Array, blank: int, logits: bool
) -> Value:
    """Logarithm of the sum over all alignments, for each observation."""
    time, batch, symbols = y.shape
    lengths, each = np.count_nonzero(running, axis=0), np.arange(batch)
    if not running.all():
        y = where(running[:, :, None], y, 0.0 if logits else 1.0)
        # The steps of an observation that count are first.
        y = getitem(y, (np.argsort(~running, axis=0, kind="stable"), each))
    if logits:
        y = log_softmax_along(y, axis=2)
    dtype = y.dtype
    if not lengths.any():
        # Nothing of y counts, but the losses must depend on it.
        return astype(sum_(getitem(y, slice(0, 0)), axis=(0, 2)), dtype)
    classes, skips = _states(labels, blank)
    e = take(reshape(y, (time, batch * symbols)), classes + symbols * each, axis=1)
    level, tilt, spread = _levels(raw_value(e), logits)
    if np.any((spread > SINGLE_RANGE) & np.isfinite(spread)):
        e = astype(e, np.float64)
    if logits:
        possible = ~np.isneginf(read(e))
        e = exp(e - (level + tilt))
        e = e if possible.all() else where(possible, e, 0.0)
    else:
        e = e / np.exp(level + tilt)
    steps, scales = rescaled(raw_value(e), skips, spread, tilt)
    start = np.zeros((time + 1, *skips.shape))
    start[0, 0] = 1
    sums = getitem(chain(start, e, steps=steps), (lengths, slice(None), each))
    sums = sums * getitem(e, (lengths - 1, slice(None), each))
    weights, total = _final_weights(
        raw_value(sums),
        np.stack([scales[t - 1][:, b] for b, t in enumerate(lengths)]),
        (np.arange(len(classes)) + 1) // 2 == counts[:, None],
    )
    total = np.where(lengths > 0, total + np.cumsum(level)[lengths - 1], 0)
    # An observation without a path, or without a step that counts, has no gradient either.
    taken = np.isfinite(total) & (lengths > 0)
    return astype(log(where(taken, sum_(sums * weights, axis=1), 1.0)) + total, dtype)


def _levels(e: Array, logits: bool) -> tuple[Array, Array, Array]:
    """Return logarithms that emissions are divided by, and the range of the quotients.

    Returns
    -------
    level : ndarray, (T, 1, 1)
        The middle of the emissions of each step.
    tilt : ndarray, (T, 1, 1) or (T, S, B)
        What is added to the level for each state. It is zero, unless emissions of one step are too
        far apart for floating-point numbers; then they are divided by themselves.
    spread : ndarray, (T,)
        Largest logarithm of the quotients; infinite where the level is tilted.
    """
    rows = e.reshape(len(e), -1)
    if not logits:
        rows = np.abs(rows)
    nothing = -np.inf if logits else 0
    high, low = rows.max(axis=1), rows.min(axis=1)
    if np.any(low == nothing):
        low = np.where(rows == nothing, np.inf, rows).min(axis=1)
    if not logits:
        with np.errstate(divide="ignore"):
            high, low = np.log(high), np.log(low)
    # A step without any emission has no range.
    some = low <= high
    high, low = np.where(some, high, 0), np.where(some, low, 0)
    level, spread = ((high + low) / 2)[:, None, None], (high - low) / 2
    tilt = np.zeros_like(level)
    # A step whose emissions do not fit into the range: each is divided by itself.
    wide = spread > RANGE / 2
    if wide.any():
        with np.errstate(divide="ignore"):
            logs = e if logits else np.log(np.abs(e))
        tilt = np.where(wide[:, None, None] & np.isfinite(logs), logs - level, 0)
        spread[wide] = np.inf
    return level, tilt, spread


def _final_weights(sums: Array, scale: Array, final: Array) -> tuple[Array, Array]:
    """Return weights of the final states (B, S) in the whole sum, and the logarithm of that sum.

    With these weights the sum is one: only its derivatives count.
    """
    with np.errstate(divide="ignore"):
        parts = np.where(final, np.log(np.abs(sums)) + scale, -np.inf)
    total = np.logaddexp.reduce(parts, axis=1)
    # A larger weight belongs to a state that is not reached: zero, but not times infinity.
    bound = np.where(sums == 0, RANGE / 2, RANGE)
    weights = np.exp(np.minimum(scale - np.where(np.isfinite(total), total, 0)[:, None], bound))
    return np.where(final, weights, 0), total
