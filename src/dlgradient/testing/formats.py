"""Formats of results: what a format family promises, checked in several orders of labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlgradient.core import tree
from dlgradient.core.types import Params, Shape, Value
from dlgradient.engine.array import dims, dlarray, extractdata
from dlgradient.engine.evaluate import dlfeval
from dlgradient.errors import FormatClashError
from dlgradient.testing.checks import Bound, bind, outputs, pull
from dlgradient.testing.oracles import CheckError, compare
from dlgradient.testing.samples import Case
from dlgradient.testing.subject import Subject

__all__ = ["check_format"]

# Formats for each number of dimensions. Every label but S appears once, so an operand in another
# order has the same meaning only if S keeps its order.
FORMATS = {
    1: ("C", "T", "S", "U"),
    2: ("CB", "BC", "SS", "TS"),
    3: ("SCB", "BTC", "SSC", "CSB"),
    4: ("SSCB", "BSSC", "TBCS", "CSSB"),
    5: ("SSSCB", "BCSST"),
}
_ROUNDING = 1e-10


def check_format(subject: Subject, case: Case, where: str) -> None:
    """Check the formats of results and gradients of one case."""
    bound = subject.bind(case)
    plain = _results(bound.function, case.args, case.params)
    ndim = max([np.ndim(v) for v in bound.leaves])
    if ndim not in [np.ndim(v) for v in bound.values]:
        return
    # The others are in the documented order: in such a function, their labels would say another.
    alone = subject.op is None and "data_format" in case.params
    tried = FORMATS.get(ndim, ())
    if alone:
        tried = (case.params["data_format"],) if np.ndim(case.args[0]) == ndim else ()
    for fmt in tried:
        args, formats, orders = _formatted(case.args, ndim, fmt, turned=False, alone=alone)
        title = f"{where}, format {fmt!r}"
        try:
            found = _results(subject.call, args, case.params)
        except FormatClashError as error:
            _check_refusal(subject, case, title, formats, error)
            continue
        _check_values(title, found, plain)
        for y, z in zip(found, plain, strict=True):
            _check_labels(subject, case, title, dims(y) or None, z, formats)
            _check_sizes(subject, case, title, z.shape, ndim)
        _check_gradients(subject, case, args, orders, title)
        if subject.op is not None and subject.op.format_family == "align":
            turned, _, orders = _formatted(case.args, ndim, fmt, turned=True)
            again = _results(subject.call, turned, case.params)
            _check_values(f"{title}, other operands turned", again, plain)
            _check_gradients(subject, case, turned, orders, f"{title}, other operands turned")
            if [dims(y) for y in again] != [dims(y) for y in found]:
                raise CheckError(
                    f"{title}: the result has format {dims(again[0])!r} if the other operands are "
                    f"turned, {dims(found[0])!r} otherwise"
                )


def _results(function: Callable[..., Value], args: Sequence[Value], params: Params) -> list[Value]:
    leaves, rebuild = tree.flatten(list(args))
    arrays = [dlarray(x) if isinstance(x, np.ndarray) else x for x in leaves]
    found, _ = tree.flatten(function(*rebuild(arrays), **params))
    return [y if type(y) is dlarray else dlarray(y) for y in found]


def _formatted(
    args: Sequence[Value], ndim: int, fmt: str, *, turned: bool, alone: bool = False
) -> tuple[list[Value], list[str | None], list[Shape | None]]:
    """Give arrays of `ndim` dimensions a format; if `turned`, all but the first in another order.

    If `alone`, only the first gets one. Return the operands, and for each leaf its format before it
    was turned, and the order.
    """
    leaves, rebuild = tree.flatten(list(args))
    formats: list[str | None] = []
    orders: list[Shape | None] = []
    arrays = []
    for x in leaves:
        chosen = isinstance(x, np.ndarray) and x.ndim == ndim and x.dtype.kind in "fc"
        if chosen and not (alone and any(formats)):
            order = _turned(fmt) if turned and any(formats) else tuple(range(ndim))
            arrays.append(dlarray(np.transpose(x, order), "".join([fmt[i] for i in order])))
        else:
            order = None
            arrays.append(x)
        orders.append(order)
        formats.append(None if order is None else fmt)
    rebuilt: list[Value] = rebuild(arrays)
    return rebuilt, formats, orders


def _turned(fmt: str) -> Shape:
    """Reverse the dimensions, but keep repeated labels in their order."""
    order = list(range(len(fmt)))[::-1]
    for letter in set(fmt):
        places = [k for k, i in enumerate(order) if fmt[i] == letter]
        for place, i in zip(places, sorted(order[k] for k in places), strict=True):
            order[place] = i
    return tuple(order)


def _check_refusal(
    subject: Subject, case: Case, title: str, formats: list[str | None], error: FormatClashError
) -> None:
    """Only products, and format rules that say so themselves, may refuse formats."""
    op = subject.op
    if op is None or op.format_family == "contract":
        return
    if op.format_rule is not None:
        leaves, _ = tree.flatten(list(case.args))
        try:
            op.format_rule(formats, [np.shape(x) for x in leaves], {**op.params, **case.params})
        except FormatClashError:
            return
    raise CheckError(
        f"{title}: refused, which {op.format_family!r} does not allow: {error}"
    ) from error


def _check_values(title: str, found: Sequence[Value], plain: Sequence[Value]) -> None:
    for a, b in zip(found, plain, strict=True):
        compare(title, "labelled", extractdata(a), "unlabelled", extractdata(b), rtol=_ROUNDING)


def _check_labels(
    subject: Subject,
    case: Case,
    title: str,
    found: str | None,
    plain: Value,
    formats: list[str | None],
) -> None:
    """Check the format of a result, by the family or by what holds for every format."""
    op = subject.op
    first = next(f for f in formats if f)
    if found is not None and len(found) != plain.ndim:
        raise CheckError(f"{title}: the result has format {found!r} and shape {plain.shape}")
    if op is None or op.format_rule is not None:
        left = list(found or "")
        for letter in first:
            if letter in left:
                left.remove(letter)
        if set(left) - {"U"}:
            raise CheckError(f"{title}: the result has format {found!r}, with labels of no operand")
        return
    if op.format_family in ("same", "align"):
        expected: str | None = first
    elif op.format_family == "reduce":
        expected = _reduced(first, {**op.params, **case.params})
    else:
        expected = None
    if found != expected:
        raise CheckError(
            f"{title}: the result has format {found!r}, "
            f"family {op.format_family!r} promises {expected!r}"
        )


def _check_sizes(subject: Subject, case: Case, title: str, shape: Shape, ndim: int) -> None:
    """Refuse a family that keeps labels in their places, if the dimensions change places."""
    op = subject.op
    if op is None or op.format_rule is not None or op.format_family not in ("same", "align"):
        return
    shapes = [np.shape(x) for x in tree.flatten(list(case.args))[0] if np.ndim(x) == ndim]
    moved = [s for s in shapes if s != shape and sorted(s) == sorted(shape)]
    if moved and shape not in shapes and shape != np.broadcast_shapes(*shapes):
        raise CheckError(
            f"{title}: the result has shape {shape}, an operand {moved[0]}, and the family "
            f"{op.format_family!r} promises that each dimension stays in its place; declare "
            "'permute' with a function of the format, or 'new'"
        )


def _reduced(fmt: str, params: Params) -> str | None:
    if params.get("keepdims"):
        return fmt
    axis = params["axis"]
    if axis is None:
        return None
    gone = np.zeros(len(fmt), bool)
    gone[list(axis) if isinstance(axis, tuple | list) else axis] = True
    return "".join([c for c, g in zip(fmt, gone, strict=True) if not g]) or None


def _check_gradients(
    subject: Subject, case: Case, args: Sequence[Value], orders: list[Shape | None], title: str
) -> None:
    """Gradients have the format of their variable, and the same values as without a format."""

    def gradients(bound: Bound) -> list[Value]:
        def run(*xs: Value) -> list[Value]:
            ys = outputs(bound(*xs))
            seeds = [np.cos(np.arange(y.size).reshape(y.shape) + 1.0)[()] for y in ys]
            return pull(ys, seeds, xs)

        found: list[Value] = dlfeval(run, *bound.arrays())
        return found

    plain = subject.bind(case)
    bound = bind(subject.call, args, case.params, subject.names(case))
    turns = [orders[i] for i in bound.positions]
    found, expected = gradients(bound), gradients(plain)
    for name, fmt, order, c, d in zip(
        bound.names, bound.formats, turns, found, expected, strict=True
    ):
        where = f"{title}, argument {name}"
        if (dims(c) or None) != fmt:
            raise CheckError(f"{where}: the gradient has format {dims(c)!r}, the variable {fmt!r}")
        value = extractdata(c)
        if order is not None:
            value = np.transpose(value, np.argsort(order))
        compare(where, "labelled", value, "unlabelled", extractdata(d), rtol=_ROUNDING)
