"""Code of users, kept apart from the arrays of a trace.

A kernel, a rule or a pass that a user wrote may do what any NumPy code does: work in place, return
what it got, or write each result to the same buffer. A trace holds its arrays for longer than one
call. So such code gets read-only views, and what it returns becomes an array of its own: a copy, if
anything else still refers to the memory.

Functions of this library are not called in this way, since it costs time. Their generated tests
hold them to the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from dlgradient.core import calls, tree
from dlgradient.core.ownership import array_alone_in_table
from dlgradient.core.trace import owner_of
from dlgradient.core.types import Array, Function, Params, RawValue, Value
from dlgradient.core.values import RAW_TYPES
from dlgradient.errors import ChangedArrayError, LeavingTraceError, RuleError

__all__ = [
    "backward_outputs",
    "call_user_code",
    "forward_outputs",
    "isolated",
    "isolated_traced",
    "isolated_values",
    "note_output",
    "read_only",
    "untraced",
]


# Owners of memory, by identity, that functions of users wrote results to, and still refer to.
forward_outputs: WeakValueDictionary[int, Array] = WeakValueDictionary()
backward_outputs: WeakValueDictionary[int, Array] = WeakValueDictionary()


def read_only(value: RawValue) -> RawValue:
    """Return a view of an array through which nothing is written; any other value as it is."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def call_user_code(function: Function, where: str, args: Sequence[Any], params: Params) -> Any:
    """Call a function of a user, and name it in the error of writing to a read-only array."""
    try:
        return function(*args, **params)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise ChangedArrayError(
            f"{where}: {error}; arguments, cotangents and saved values are read-only there, since "
            "others hold them too: change a copy, as of x = np.array(x)"
        ) from error


def untraced(value: Value, where: str) -> RawValue:
    """Return what a function of raw arrays made, as a raw value if it is a dlarray.

    Raises
    ------
    RuleError
        If it is traced: the function has read a traced dlarray that it did not get.
    """
    if type(value) is not calls.dlarray:
        return value
    if calls.open_node(value) is not None:
        raise RuleError(
            f"{where} uses a traced dlarray that is no argument of the call, so its derivative "
            "would be lost; pass it as an argument, by position, or use extractdata(x) for a "
            "constant"
        )
    return value._value


def note_output(array: Array, outputs: WeakValueDictionary[int, Array] = backward_outputs) -> None:
    """Note that a function of a user has written a result to the memory of an array."""
    owner = owner_of(array)
    outputs[id(owner)] = owner


def isolated_values(
    table: dict[int, RawValue], outputs: WeakValueDictionary[int, Array]
) -> tuple[RawValue, ...]:
    """Return the values of a table, with copies of arrays that anything else refers to.

    The caller must hold them in the table only. The memory of what is copied is noted in `outputs`.
    """
    for key in list(table):  # not items(), which would refer to the value
        if isinstance(table[key], np.ndarray) and array_alone_in_table(table, key) is None:
            note_output(table[key], outputs)
            table[key] = table[key].copy(order="K")
    return tuple(table.values())


def isolated(
    function: Function, where: str, outputs: WeakValueDictionary[int, Array] = backward_outputs
) -> Function:
    """Return a kernel or a rule of a user, on raw values, kept apart from what others hold."""

    def call(*args: Any, **params: Any) -> Any:
        given = {name: _shown(value, where) for name, value in params.items()}
        found = call_user_code(function, where, [_shown(a, where) for a in args], given)
        several = type(found) in (tuple, list)
        table = dict(enumerate(found if several else (found,)))
        found = None  # only the table refers to the results now
        for key in list(table):
            table[key] = untraced(table[key], where)
        values = isolated_values(table, outputs)
        return values if several else values[0]

    return call


def isolated_traced(rule: Function, where: str) -> Function:
    """Return a rule of a user, on dlarrays, that gets read-only views of constants."""

    def call(*args: Any) -> Any:
        shown = [list(map(read_only, a)) if type(a) is list else read_only(a) for a in args]
        return call_user_code(rule, where, shown, {})

    return call


def _shown(value: Any, where: str) -> Any:
    """Return an argument as a user's function gets it: read-only, at any depth of a container."""
    if type(value) is np.ndarray:
        return read_only(value)
    return (
        value if type(value) in RAW_TYPES else tree.map_leaves(partial(_shown_leaf, where), value)
    )


def _shown_leaf(where: str, value: Any) -> Any:
    if type(value) is calls.dlarray and calls.open_node(value) is not None:
        raise LeavingTraceError(
            f"{where}: a parameter contains a traced dlarray, and has no derivative here; give it "
            "as an operand, or extractdata(x) for a constant"
        )
    return read_only(value)
