"""Connectionist temporal classification: label sequences without alignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient import calls
from dlgradient.backend.numpy import as_value
from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    FormatError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.alignment import chain_sum, scales
from dlgradient.nn.common import formatted
from dlgradient.nn.reduction import brought_to, described
from dlgradient.nn.smooth import real_only
from dlgradient.nn.softmax import log_softmax_along
from dlgradient.ops.choice import where
from dlgradient.ops.exponential import exp, log
from dlgradient.ops.index import getitem
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.samples import case
from dlgradient.rules import derived

__all__ = ["ctc"]

Array = np.ndarray[Any, Any]
# Stands for a probability of zero where only its scale matters.
TINY = 1e-10


def _rows(name: str, x: Any, y: Any) -> Array:
    """Targets or a mask as an array (B, T), whatever the order they come in."""
    if type(x) is not calls.dlarray:
        x = calls.wrap(as_value(x, f"ctc: {name}"), None)
    value, fmt = np.asarray(x._value), x._format
    fits = f"ctc: y has {described(y)}, {name} {described(x)}"
    if fmt is None:
        fmt = y._format if value.ndim == y.ndim else y._format.replace("C", "")
    elif sorted(fmt.replace("C", "")) != sorted(y._format.replace("C", "")):
        raise FormatClashError(f"{fits}; {name} must have the labels of y, 'C' not needed")
    if len(fmt) != value.ndim:
        raise ShapeMismatchError(f"{fits}; {name} must have one dimension for each of {fmt!r}")
    moved = np.asarray(brought_to(calls.wrap(value, None, fmt), "CBT")._value)
    if moved.shape[0] != 1:
        raise ShapeMismatchError(f"{fits}; the dimension 'C' of {name} must have size one")
    batch = y.shape[y._format.index("B")] if "B" in y._format else 1
    if moved.shape[1] != batch:
        raise ShapeMismatchError(f"{fits}; there must be as many observations as in y, {batch}")
    rows: Array = moved[0]
    return rows


def _sequences(y: Any, targets: Any, targets_mask: Any, blank: int, classes: int) -> list[Array]:
    """The labels of each observation."""
    rows = _rows("targets", targets, y)
    if rows.dtype.kind == "f" and np.all(rows == np.floor(rows)):
        rows = rows.astype(np.int64)
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
    used = rows[keep]
    wrong = used[(used < 0) | (used >= classes) | (used == blank)]
    if wrong.size:
        raise IndexingError(
            f"ctc: a target is {int(wrong[0])}; targets are classes from 0 to {classes - 1} other "
            f"than the blank, {blank}; mask padding with targets_mask"
        )
    return [row[k] for row, k in zip(rows, keep, strict=True)]


def _states(sequences: list[Array], blank: int) -> tuple[Array, Array, Array]:
    """For each state of each observation: its class, whether it is skipped to, whether final."""
    longest = max([len(s) for s in sequences], default=0)
    shape = (len(sequences), 2 * longest + 2)
    classes = np.full(shape, blank)
    skip, final = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for b, labels in enumerate(sequences):
        end = 2 * len(labels) + 2
        classes[b, 2:end:2] = labels
        skip[b, 2:end:2] = True
        skip[b, 4:end:2] = labels[1:] != labels[:-1]
        final[b, end - 2 : end] = True
    return classes, skip, final


def _check_lengths(sequences: list[Array], running: Array) -> None:
    steps = np.count_nonzero(running, axis=0)
    for b, labels in enumerate(sequences):
        need = len(labels) + int(np.count_nonzero(labels[1:] == labels[:-1]))
        if need > steps[b]:
            raise InvalidArgumentError(
                f"ctc: the {len(labels)} labels of observation {b} need {need} time steps (one "
                f"each, and a blank between equal ones), but there are {steps[b]}"
            )


def _blank(blank_index: Any, classes: int) -> int:
    named = {"first": 0, "last": classes - 1}
    index = named.get(blank_index, -1) if isinstance(blank_index, str) else blank_index
    if not isinstance(index, int | np.integer) or not 0 <= index < classes:
        raise InvalidArgumentError(
            f"ctc: blank_index={blank_index!r} must be 'first', 'last' or a class from 0 to "
            f"{classes - 1}"
        )
    return int(index)


def _samples(m: Any) -> list[Any]:
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


def _errors(m: Any) -> list[Any]:
    y, one = m.positive(3, 1, 2), np.array([[1]])
    cbt: Any = {"data_format": "CBT"}
    return [
        (case(y, one), FormatError, r"ctc: x of shape \(3, 1, 2\)"),
        (case(y, one, data_format="SBT"), FormatClashError, "'SBT'; it must have"),
        (case(y, np.array([[0]]), **cbt), IndexingError, "a target is 0; .* the blank, 0"),
        (case(y, np.array([[3]]), **cbt), IndexingError, "a target is 3; .* from 0 to 2"),
        (case(y, np.array([[1.5]]), **cbt), InvalidArgumentError, "targets have dtype float64"),
        (case(y, np.array([[1, 1]]), **cbt), InvalidArgumentError, "need 3 time steps"),
        (case(y, np.array([[1], [1]]), **cbt), ShapeMismatchError, "as many observations"),
        (case(y, np.array([1]), **cbt), ShapeMismatchError, "one dimension for each of 'BT'"),
        (case(y, one, blank_index=3, **cbt), InvalidArgumentError, "blank_index=3 must be"),
        (case(y, one, reduction="mean", **cbt), InvalidArgumentError, "reduction='mean'"),
        (case(y, one, np.array([[True]]), **cbt), ShapeMismatchError, "y_mask has 1 time steps"),
        (case(m.complex(3, 1, 2), one, **cbt), ComplexValueError, "ctc.*complex128"),
    ]


@derived(samples=_samples, errors=_errors)
def ctc(
    y: Any,
    targets: Any,
    y_mask: Any = None,
    targets_mask: Any = None,
    /,
    *,
    blank_index: Any = "first",
    from_logits: bool = False,
    reduction: str = "sum",
    data_format: str | None = None,
) -> Any:
    """Connectionist temporal classification loss, -Σ log p(targets) / N.

    The probability p of a sequence of labels is the sum over all its alignments with the time
    steps: sequences of classes that become the targets when repetitions are merged and blanks then
    removed. An alignment has the product of its probabilities. The sum runs relative to partial
    sums of the log domain, so that it neither underflows nor loses a derivative at probabilities of
    zero.

    Parameters
    ----------
    y : dlarray or array_like
        Probabilities of the classes in every time step, or logits if `from_logits`; real, of a
        format with 'C' and 'T', perhaps 'B', in any order, or with `data_format`.
    targets : array_like of integers
        Zero-based indices of classes, with the labels of `y`, where 'C' has size one or is missing.
        'T' counts the labels. Without a format they have the order of `y`.
    y_mask, targets_mask : array_like of bool, optional
        Which time steps and which labels count, as `targets`. What is masked out of `y` has no
        gradient.
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
        A number, without a format; if not reduced, a vector of the losses of the observations.

    Raises
    ------
    InvalidArgumentError
        If the time steps do not suffice for the targets, or an option has no such value.
    IndexingError
        If a target is no class, or the blank.
    ShapeMismatchError, FormatClashError, FormatError
        If sizes or labels do not fit.
    ComplexValueError
        If `y` is complex.

    Examples
    --------
    The label 1 in two steps, blank 0: -log(0.4 · 0.5 + 0.4 · 0.5 + 0.6 · 0.5).

    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.6, 0.5], [0.4, 0.5]], "CT")
    >>> round(dl.ctc(y, [1]).item(), 4)
    0.3567

    Source: MATLAB ``ctc``.
    """
    if reduction not in ("sum", "none"):
        raise InvalidArgumentError(f"ctc: reduction={reduction!r} must be 'sum' or 'none'")
    y, _ = formatted("ctc", y, data_format)
    real_only("ctc", y._value)
    if sorted(y._format) not in (["B", "C", "T"], ["C", "T"]):
        raise FormatClashError(
            f"ctc: y has {described(y)}; it must have the labels 'C' and 'T', and may have 'B'"
        )
    lines = brought_to(y, "TBC")
    time, batch, classes = lines.shape
    blank = _blank(blank_index, classes)
    sequences = _sequences(y, targets, targets_mask, blank, classes)
    running = np.ones((time, batch), dtype=bool)
    if y_mask is not None:
        running = _rows("y_mask", y_mask, y).T != 0
    if running.shape != (time, batch):
        raise ShapeMismatchError(
            f"ctc: y_mask has {len(running)} time steps, y {described(y)} has {time}"
        )
    _check_lengths(sequences, running)
    values = -_log_sums(lines, sequences, running, blank, from_logits)
    return values if reduction == "none" else sum_(values) / max(batch, 1)


def _log_sums(y: Any, sequences: list[Array], running: Array, blank: int, logits: bool) -> Any:
    """Logarithm of the sum over all alignments, for each observation."""
    classes, skip, final = _states(sequences, blank)
    if not running.all():
        y = where(running[:, :, None], y, 0.0 if logits else 1.0)
    if logits:
        y = log_softmax_along(y, axis=2)
    e = getitem(y, (slice(None), np.arange(len(classes))[:, None], classes))
    raw = np.asarray(e._value, dtype=np.float64)
    # Emissions are divided by their own values, which are constants: only their derivatives count.
    # A zero has no logarithm; it remains zero beside any scale.
    if logits:
        logs = np.where(np.isneginf(raw), -1e4, raw)
        level = logs
    else:
        level = np.where(raw > 0, raw, TINY)
        logs = np.log(level)
    dtype = e.dtype if e.dtype.kind == "f" else np.dtype(np.float64)
    level = level.astype(dtype)
    shown = exp(e - level) if logits else e / level
    steps, ends, total = scales(logs, skip, running, final, dtype)
    return log(chain_sum(shown, steps, ends)) + total.astype(dtype)
