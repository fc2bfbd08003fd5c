"""Indexing and differentiable assignment, and their adjoints.

The adjoint of reading elements adds into them. The operation ``scatter`` does this for several
(key, value) pairs at once, so any number of reads of an array costs one buffer. The reverse walk
uses the same kernel, `scatter_add`, directly on its buffers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import fixed_key, open_node, record
from dlgradient.core.conversion import as_array
from dlgradient.core.formats import format_of_first
from dlgradient.core.ownership import array_alone_in_slot
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.sizes import COUNTED_ADDITIONS
from dlgradient.core.types import Array, Formats, Key, Operand, Params, ShapeLike, Shapes, Value
from dlgradient.core.values import PYTHON_SCALARS, RAW_TYPES, as_operand
from dlgradient.errors import IndexingError
from dlgradient.ops.choice import where
from dlgradient.ops.shape import reshape
from dlgradient.rules import linear

__all__ = ["clear", "getitem", "scatter", "scatter_add", "set_item", "setitem"]


def along(x: Value, axis: int, key: int | slice) -> Value:
    """Return elements along one dimension, whose number is not negative."""
    return x[(slice(None),) * axis + (key,)]


def _parts(key: Key) -> tuple[Key, ...]:
    return key if type(key) is tuple else (key,)


def _is_advanced(part: Key) -> bool:
    return isinstance(part, np.ndarray)


def _expanded(key: Key, ndim: int) -> list[Key]:
    """Return the parts of a key, with the ellipsis expanded: one for each dimension or newaxis."""
    parts = list(_parts(key))
    used = sum(
        p.ndim if _is_advanced(p) and p.dtype == bool else p is not None and p is not Ellipsis
        for p in parts
    )
    rest = [slice(None)] * (ndim - used)
    for i, part in enumerate(parts):
        if part is Ellipsis:
            return parts[:i] + rest + parts[i + 1 :]
    return parts + rest


def _getitem_format(formats: Formats, shapes: Shapes, params: Params) -> str | None:
    """Slices and one-dimensional index arrays keep a label, integers drop it, newaxis is 'U'."""
    fmt = formats[0]
    parts = _expanded(params["key"], len(shapes[0]))
    advanced = [p for p in parts if _is_advanced(p)]
    if len(advanced) > 1 or (advanced and advanced[0].ndim != 1):
        return None
    if any(isinstance(p, bool | np.bool_) for p in parts):
        return None
    dims = iter(fmt or "")
    labels = []
    for part in parts:
        if part is None:
            labels.append("U")
            continue
        label = next(dims)
        if isinstance(part, slice) or _is_advanced(part):
            labels.append(label)
            if _is_advanced(part):
                at = len(labels) - 1
    if advanced:
        # Next to an array, NumPy treats integers as arrays; separated by a slice, they go in front.
        arrays = [i for i, p in enumerate(parts) if p is not None and not isinstance(p, slice)]
        if arrays[-1] - arrays[0] >= len(arrays):
            labels.insert(0, labels.pop(at))
    return sys.intern("".join(labels)) or None


def scatter_add(buffer: Array, key: Key, g: Value) -> None:
    """Add `g` to ``buffer[key]`` in place; an element that `key` names twice gets both."""
    # Slices and masks name no element twice.
    if type(key) is int or not any(_is_advanced(p) and p.dtype != bool for p in _parts(key)):
        buffer[key] += g
    elif g.size < COUNTED_ADDITIONS or g.size < buffer.size / 4 or g.dtype.kind != "f":
        np.add.at(buffer, key, g)
    else:
        # Counting places with weights is several times as fast as adding element by element.
        places = np.arange(buffer.size).reshape(buffer.shape)[key]
        buffer += np.bincount(places.ravel(), g.ravel(), buffer.size).reshape(buffer.shape)


def clear(buffer: Array, key: Key) -> Array:
    """Set ``buffer[key]`` to zero in place."""
    buffer[key] = 0
    return buffer


def _getitem_adjoint(g: Value, x_like: Value, key: Key) -> Value:
    return scatter([g], keys=(key,), shape=x_like.shape)


@linear(
    x=_getitem_adjoint,
    indexing="get",
    format=_getitem_format,
    masks=True,
    samples=lambda m: _getitem_samples(m),
    errors=lambda m: [Error(case(m.real(3), key=5), IndexingError, r"shape \(3,\) float64 with 5")],
)
def getitem(x: Value, /, key: Key) -> Value:
    """Elements ``x[key]``: integers, slices, newaxis, ellipsis, masks and integer arrays.

    Source: NumPy indexing.
    """
    return x[key]


def _getitem_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), key=1),
        case(m.real(4, 3), key=(slice(1, None), -1)),
        case(m.real(4, 3), key=(None, Ellipsis, 2)),
        case(m.real(4, 3), key=np.array([0, 2, 2])),
        case(m.real(3, 2), key=np.array([[True, False], [False, True], [True, True]])),
        case(m.complex(4, 3), key=(slice(None, None, -2), np.array([1, 1]))),
        case(m.real(5), key=slice(2, 2)),
    ]


def _scatter_adjoint(g: Value, keys: Sequence[Key]) -> Value:
    return [getitem(g, key) for key in keys]


@linear(
    vjp=_scatter_adjoint,
    format="new",
    samples=lambda m: _scatter_samples(m),
)
def scatter(arrays: Sequence[Operand], /, *, keys: Sequence[Key], shape: ShapeLike) -> Value:
    """Sum of arrays that are zero except at ``keys``: the adjoint of indexing.

    Parameters
    ----------
    arrays : sequence of arrays
        Values, one for each key.
    keys : tuple
        Indices; if they name an element several times, its values are added.
    shape : tuple of int
        Shape of the result.
    """
    out = np.zeros(shape, np.result_type(*arrays))
    for key, value in zip(keys, arrays, strict=True):
        scatter_add(out, key, value)
    return out


def _scatter_samples(m: Maker) -> list[Case]:
    return [
        case([m.real(2), m.real()], keys=(slice(1, 3), 0), shape=(4,)),
        case([m.complex(3)], keys=(np.array([0, 0, 1]),), shape=(2,)),
    ]


def _cleared_x(g: Value, key: Key) -> Value:
    return cleared(g, key=key)


@linear(
    x=_cleared_x,
    masks=True,
    samples=lambda m: [case(m.real(4, 2), key=(slice(1, 3), 0)), case(m.complex(3), key=1)],
)
def cleared(x: Operand, /, *, key: Key) -> Value:
    """``x`` with zeros at ``key``: the old values that remain after an assignment."""
    return clear(np.array(x), key)


def _assigned_adjoint(g: Value, v_like: Value, key: Key) -> Value:
    c = getitem(g, key)
    winners = _winners(key, g.shape)
    if winners is not None:
        c = where(winners, c, 0)
    # NumPy ignores leading dimensions of size one of an assigned value.
    extra = len(v_like.shape) - c.ndim
    return reshape(c, (1,) * extra + c.shape) if extra > 0 else c


def _winners(key: Key, shape: tuple[int, ...]) -> Value:
    """The assigned values that remain if `key` names an element twice: the last ones."""
    if not any(_is_advanced(p) and p.dtype != bool for p in _parts(key)):
        return None
    order = np.empty(shape, np.intp)
    named = order[key]
    mine = np.arange(named.size).reshape(named.shape)
    # NumPy assigns in order, so the last value at an element stays.
    order[key] = mine
    winners = order[key] == mine
    return None if winners.all() else winners


@linear(
    x=lambda g, key: cleared(g, key=key),
    v=_assigned_adjoint,
    indexing="set",
    shown="assignment",
    masks=True,
    format=format_of_first,
    samples=lambda m: _setitem_samples(m),
)
def setitem(x: Operand, v: Operand, /, *, key: Key) -> Value:
    """``x`` with the elements ``x[key]`` replaced by ``v``, which is broadcast.

    The dtype is that of ``x``. It is promoted if ``v`` is complex and ``x`` real, or ``v`` floating
    point and ``x`` integer.
    """
    out = np.array(x, dtype=_assigned_dtype(x, v))
    out[key] = _fitting(v)
    return out if out.ndim else out[()]  # not a view: the next assignment may be in place


def _setitem_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), m.real(), key=1),
        case(m.real(4, 3), m.real(3), key=slice(1, 3)),
        case(m.real(4), m.real(3), key=np.array([0, 2, 0])),
        case(m.real(3), m.real(1, 2), key=slice(0, 2)),
        case(m.real(3), m.real(1, 1, 2), key=slice(0, 2)),
        case(m.complex(3), m.real(2), key=np.array([True, False, True])),
    ]


def _fitting(v: Value) -> Value:
    # NumPy before 2.4 warns of an array of one element that goes to a single place.
    return v.reshape(()) if type(v) is np.ndarray and v.size == 1 else v


def _assigned_dtype(x: Value, v: Value) -> Value:
    kind = np.result_type(v) if type(v) in PYTHON_SCALARS else v.dtype
    return x.dtype if np.can_cast(kind, x.dtype, "same_kind") else np.result_type(x, v)


def set_item(x: Value, key: Key, value: Value) -> None:
    """Execute ``x[key] = value``: rebind `x` to the new value, and trace it.

    The new value is a copy, unless nothing else can see the old one. Then it is changed in place,
    so a loop of scalar assignments costs O(n).
    """
    key = fixed_key(key)
    if type(value) is not calls.dlarray and type(value) not in RAW_TYPES:
        value = as_array(value, "assignment: value")
    traced = open_node(x)
    if traced is not None:
        traced.trace.note_assignment(x, traced)
    origin = open_node(value) if type(value) is calls.dlarray else None
    # Not in place if only the value is traced: x has no node yet that could follow it.
    together = origin is None or (traced is not None and traced.trace is origin.trace)
    alone = array_alone_in_slot(x) is not None and together
    v = value._value if type(value) is calls.dlarray else as_operand(value, "assignment: value")
    if not alone or _assigned_dtype(x._value, v) != x._value.dtype:
        result = setitem(calls.unlabelled(x), value, key=key)
        x._value, x._node = result._value, result._node
        return
    parents: tuple[object, ...] = ()
    if traced is not None:
        if type(value) is not calls.dlarray and type(v) is np.ndarray:
            # The caller might still change the array before the trace is walked.
            v = traced.trace.hold(v)
        parents = (traced, v if origin is None else origin)
    try:
        x._value[key] = _fitting(v)
    except (ValueError, IndexError) as error:
        raise calls.explained(setitem.op, (x._value, v), {"key": key}, error) from error  # type: ignore[attr-defined]
    if traced is not None:
        x._node = record(setitem.op, parents, (x._value, v), x._value, {"key": key}, traced.trace)  # type: ignore[attr-defined]
