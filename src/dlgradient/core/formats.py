"""The algebra of data formats: which label every dimension of a result has.

A format is a string with one letter for each dimension: ``S`` spatial, ``C`` channel, ``B`` batch,
``T`` time, ``U`` unspecified. ``S`` and ``U`` may repeat, the others may not. Formats name
dimensions and never move them: the order is the user's.

Every operation belongs to one of six format families. The family alone decides the format of the
result:

========  ==================================================================================
same      one operand, the same dimensions (exp, cumsum, flip, ...)
align     elementwise with several operands: two formats align by label, a format and an
          unlabelled operand by position; the result has the first one's order
reduce    dimensions named by ``axis`` disappear, or stay with size one (sum, max, ...)
permute   dimensions are reordered, inserted or removed (permute_dims, expand_dims, squeeze)
contract  products that sum over dimensions (matmul, tensordot): unlabelled operands only,
          unless the other operand is a scalar
new       the result has no format (reshape, ...)
========  ==================================================================================

This module computes only with strings. Ordinary operations (`permute_dims`, `expand_dims`) apply
its results before a kernel runs, so kernels and rules never see a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from sys import intern
from typing import Any

from dlgradient.errors import FormatClashError, FormatError

__all__ = ["FAMILIES", "LABELS", "checked_format", "merge", "placement", "valid_format"]

LABELS = "SCBTU"
FAMILIES = ("same", "align", "reduce", "permute", "contract", "new")


@lru_cache(maxsize=1024)
def valid_format(fmt: str) -> str:
    """Return a format in capitals and interned, if its labels are valid."""
    upper = fmt.upper()
    for letter in upper:
        if letter not in LABELS:
            raise FormatError(
                f"data format {fmt!r}: unknown label {letter!r}; the labels are 'S' spatial, "
                "'C' channel, 'B' batch, 'T' time and 'U' unspecified"
            )
    for letter in "CBT":
        if upper.count(letter) > 1:
            raise FormatError(
                f"data format {fmt!r}: label {letter!r} appears {upper.count(letter)} times; only "
                "'S' and 'U' may repeat"
            )
    return intern(upper)


def checked_format(
    fmt: object, shape: tuple[int, ...], where: str, argument: str = "data_format"
) -> str | None:
    """Return `fmt` in capitals and interned, or None for no format.

    Raises
    ------
    FormatError
        If `fmt` is not a string of labels, or does not have one label for each dimension of
        `shape`.
    """
    if fmt is None or (isinstance(fmt, str) and fmt == ""):
        return None
    if not isinstance(fmt, str):
        raise FormatError(
            f"{where}: {argument}, the data format, must be a string such as 'SSCB', not "
            f"{type(fmt).__name__} {fmt!r}"
        )
    try:
        valid = valid_format(fmt)
    except FormatError as error:
        raise FormatError(f"{where}: {argument}: {error.args[0]}") from error
    if len(valid) != len(shape):
        raise FormatError(
            f"{where}: data format {fmt!r} names {len(valid)} dimensions but the array has "
            f"{len(shape)}, shape {shape}; give one label for each dimension (reshape or "
            "expand_dims first to add dimensions of size one)"
        )
    return valid


def _numbered(fmt: str) -> list[tuple[str, int]]:
    """Number repeated labels: 'SSC' -> [('S', 0), ('S', 1), ('C', 0)]."""
    return [(letter, fmt[:i].count(letter)) for i, letter in enumerate(fmt)]


@lru_cache(maxsize=1024)
def merge(first: str, second: str) -> str:
    """Return the format of a result whose operands have the formats `first` and `second`.

    The order is that of `first`. A label that only `second` has goes after the label that precedes
    it in `second`, or to the front if there is none. A repeated one also goes after its equals.

    Examples
    --------
    >>> merge("CB", "CBT"), merge("CB", "SSCB"), merge("BC", "CB"), merge("CSSU", "USU")
    ('CBT', 'SSCB', 'BC', 'CSSUU')
    """
    result = _numbered(first)
    before: tuple[str, int] | None = None
    for label in _numbered(second):
        if label not in result:
            equals = [i for i, (letter, _) in enumerate(result) if letter == label[0]]
            after = [] if before is None else [result.index(before)]
            result.insert(max([*after, *equals], default=-1) + 1, label)
        before = label
    return intern("".join(letter for letter, _ in result))


@lru_cache(maxsize=1024)
def placement(fmt: str, target: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how to bring an array of format `fmt` to `target`, which has all its labels.

    Returns
    -------
    order, new : tuples of ints
        Permute by `order`, then insert dimensions of size one at the places `new`.
    """
    have = _numbered(fmt)
    want = _numbered(target)
    # Repeated labels keep their order, so only the sequence of places matters.
    order = tuple(have.index(label) for label in want if label in have)
    new = tuple(i for i, label in enumerate(want) if label not in have)
    if len(order) != len(have):
        raise FormatClashError(f"format {fmt!r} has labels that {target!r} does not have")
    return order, new


@lru_cache(maxsize=4096)
def without(fmt: str, axes: tuple[int, ...]) -> str | None:
    """Return `fmt` without the dimensions `axes` (not negative)."""
    return intern("".join(c for i, c in enumerate(fmt) if i not in axes)) or None


def format_of_first(
    formats: Sequence[str | None], _shapes: Sequence[Any], _params: dict[str, Any]
) -> str | None:
    """Return the format of the first operand, whatever those of the others are."""
    return formats[0]


def reduced(fmt: str | None, ndim: int, params: dict[str, Any]) -> str | None:
    """Format after a reduction over ``params["axis"]`` of an array of `ndim` dimensions."""
    if fmt is None or params.get("keepdims"):  # an operation of a user may not have it
        return fmt
    axis = params["axis"]
    if axis is None:
        return None
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return without(fmt, tuple(sorted(a % ndim for a in axes)))


@lru_cache(maxsize=4096)
def with_new(fmt: str, positions: tuple[int, ...]) -> str:
    """Return `fmt` with label 'U' inserted at places in the result."""
    rest = iter(fmt)
    size = len(fmt) + len(positions)
    return intern("".join("U" if i in positions else next(rest) for i in range(size)))


@lru_cache(maxsize=4096)
def permuted(fmt: str, order: tuple[int, ...]) -> str:
    """Return `fmt` in the new order of its dimensions."""
    return intern("".join(fmt[i] for i in order))
