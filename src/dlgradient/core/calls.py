"""The hook between operations and the engine, and the steps of a call.

An operation is a kernel on raw arrays and a rule; it knows nothing of traces. Users call a call
path (`dlgradient.core.paths`). It takes raw values out of dlarrays, runs the kernel, and gives the
result its format. If an operand is traced, it records a node. The steps are here, and with them the
one maker of nodes.

The class of arrays is in the engine, above this module. The engine installs it once, with
`install`; before that, only raw arrays work.
"""

from __future__ import annotations

import linecache
import operator
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from dlgradient.core.arguments import explained, lost_format, unknown_keyword
from dlgradient.core.formats import merge, placement
from dlgradient.core.graph import Node, tick
from dlgradient.core.reading import read
from dlgradient.core.trace import Trace, current_trace, open_traces, two_traces
from dlgradient.core.types import (
    Array,
    Format,
    Formats,
    Function,
    Key,
    Op,
    Operand,
    Params,
    Parent,
    RawValue,
    Value,
)
from dlgradient.core.values import (
    DTYPE_CODES,
    RAW_TYPES,
    Unconverted,
    as_operand,
    as_value,
    refuse_masked,
)
from dlgradient.errors import IndexingError

__all__ = ["FUNCTIONS", "explained", "install", "make_node", "unknown_keyword", "variable", "wrap"]

# Every public array function by name; filled by the declarers.
FUNCTIONS: dict[str, Function] = {}


class _NotInstalled:
    """Replaces the class of arrays until it is installed: no value is of this type."""


dlarray: Any = _NotInstalled

_new = object.__new__


# -- the hook ------------------------------------------------------------------------------------


def install(array_type: type) -> None:
    """Tell the call paths which class holds values and nodes."""
    global dlarray  # noqa: PLW0603 - the hook: set once, when the engine is imported
    dlarray = NAMES["dlarray"] = array_type


def wrap(value: RawValue, node: Node | None, fmt: Format = None) -> Any:
    """Return a dlarray of the given value, node and format."""
    result = _new(dlarray)
    result._value = value
    result._format = fmt
    result._node = node
    return result


def labelled(x: Value, fmt: Format) -> Value:
    """Return the same values with the format `fmt`."""
    return wrap(x._value, x._node, fmt)


def unlabelled(x: Value) -> Value:
    """Return the same values unlabelled, for operations by position; raw values are."""
    return wrap(x._value, x._node) if type(x) is dlarray else x


def shallow_copy(x: Value) -> Value:
    """Return a dlarray that shares its data with `x` until an assignment to one of them."""
    return wrap(x._value, x._node, x._format)


def constant(data: Operand, where: str) -> Value:
    """Return a dlarray of data that belong to the user, who may change them later."""
    value = as_value(data, where)
    if open_traces and type(value) is np.ndarray:
        trace = current_trace()  # in a thread without one, that of another may use the values
        value = value.copy(order="K") if trace is None else trace.hold(value)
    return wrap(value, None)


def open_node(array: Value) -> Node | None:
    """Return the node of a dlarray if its trace is open, else None: it is then a constant."""
    node: Node | None = array._node
    if node is not None and not node.trace.is_open:
        array._node = node = None
    return node


def is_variable(x: object) -> bool:
    """Return whether `x` is traced, so that its derivative may be asked for."""
    return type(x) is dlarray and open_node(x) is not None


# -- nodes ---------------------------------------------------------------------------------------

# The one place where the node of a result is made. A call of `make_node` would cost a twentieth of
# an addition of two small arrays (row overhead), so the call paths contain these lines.
NODE = """\
node = new(Node)
node.op = op
node.parents = parents
node.saved = saved
node.params = params
node.seq = tick()
node.trace = trace
if type(out) is float64:  # its attributes cost more than the arithmetic
    node.shape, node.dtype = (), FLOAT64
else:
    node.shape, node.dtype = out.shape, out.dtype
"""
# The names in the templates.
NAMES: dict[str, Any] = {
    "FLOAT64": np.dtype(np.float64),
    "Node": Node,
    "float64": np.float64,
    "new": _new,
    "tick": tick,
}


def compile_template(source: str, name: str) -> Function:
    """Return the function that a source text defines; tracebacks show its lines."""
    file = f"<dlgradient: {name}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    scope: dict[str, Function] = {}
    exec(compile(source, file, "exec"), NAMES, scope)
    return scope.popitem()[1]


def indented(lines: str, by: int) -> str:
    """Return lines with `by` spaces before each."""
    return "".join(" " * by + line for line in lines.splitlines(keepends=True))


make_node: Callable[
    [Op | None, tuple[Parent, ...], tuple[RawValue, ...], Params, Trace, RawValue], Node
]
make_node = compile_template(
    "def make_node(op, parents, saved, params, trace, out):\n"
    + indented(NODE, 4)
    + "    return node\n",
    "make_node",
)


def variable(value: RawValue, trace: Trace) -> Node:
    """Return a node without an operation, where a derivative ends."""
    return make_node(None, (), (value,), {}, trace, value)


# Replaces a result for `make_node` if there are several; each has a node that picks it.
_SEVERAL = SimpleNamespace(shape=(), dtype=None)


def record(
    op: Op,
    parents: tuple[Parent, ...],
    values: Sequence[RawValue],
    out: RawValue,
    params: Params,
    trace: Trace,
) -> Node:
    """Return the node of a result, with its operands and the values that its rules need."""
    saved = saved_values(op, parents, values, out)
    return make_node(op, parents, saved, params, trace, _SEVERAL if op.outputs else out)


def saved_values(
    op: Op, parents: tuple[Parent, ...], values: Sequence[RawValue], out: RawValue
) -> tuple[RawValue, ...]:
    """Return the operands and the output that the rules of the traced operands name."""
    saves = op.saves(tuple([type(p) is Node for p in parents]))
    if not saves:
        return ()
    return tuple([v if s else None for v, s in zip((*values, out), saves, strict=False)])


def picked(node: Node, index: int, value: RawValue) -> Node:
    """Return the node of one result of an operation that has several."""
    return make_node(node.op.pick, (node,), (), {"index": index}, node.trace, value)


# -- the steps of a call -------------------------------------------------------------------------


def raw_operand(operand: Value) -> RawValue:
    """Return an operand for the kernel of an operation of raw operands only.

    As `mixed_operand`, it raises `Unconverted` for an operand of another type.
    """
    if type(operand) in RAW_TYPES:
        return operand
    raise Unconverted


def mixed_operand(op: Op, i: int, operand: Value, value: RawValue) -> RawValue:
    """Return a raw operand for a kernel; `value` is that of a dlarray among the others."""
    kind = type(operand)
    if kind is np.ndarray and operand.ndim and operand.dtype.char in DTYPE_CODES:
        return operand
    if (kind is np.float64 or kind is np.complex128) and value.dtype.char not in "dD":
        return operand.item()
    if kind is complex and type(value) is np.float64:
        # Python's complex treats a NumPy float64 as a Python float, and would return a Python
        # complex.
        return np.complex128(operand)
    return as_operand(operand, f"{op.shown}: {op.operand_name(i)}")


def values_and_parents(
    op: Op, operands: Sequence[Value]
) -> tuple[list[RawValue], tuple[Parent, ...], Trace | None]:
    """Return raw values of operands, one of which is a dlarray; their nodes; the trace.

    For a constant, its value replaces a node.
    """
    arrays = [a if type(a) is dlarray else None for a in operands]
    known = next(a._value for a in arrays if a is not None)
    values = [
        mixed_operand(op, i, operands[i], known) if a is None else a._value
        for i, a in enumerate(arrays)
    ]
    nodes = [None if a is None else open_node(a) for a in arrays]
    trace = next((node.trace for node in nodes if node is not None), None)
    if trace is not None:
        for node in nodes:
            if node is not None and node.trace is not trace:
                raise two_traces(op.shown, trace, node.trace)
        for i, a in enumerate(arrays):
            if a is None and type(values[i]) is np.ndarray:
                values[i] = trace.hold(values[i])
    parents = [v if node is None else node for v, node in zip(values, nodes, strict=True)]
    return values, tuple(parents), trace


def call_again(op: Op, operands: Sequence[Value], params: Params) -> Any:
    """Return the result of an operation whose node has these parameters, on other operands."""
    if op.indexing == "get":
        return op.call(operands[0], params["key"])
    return op.call(operands, **params) if op.variadic else op.call(*operands, **params)


def format_of(op: Op, operands: Sequence[Value], values: Sequence[RawValue], params: Params) -> Any:
    """Return the format of the result, or of each result, of operands that have formats."""
    formats = [a._format if type(a) is dlarray else None for a in operands]
    return op.result_format(formats, [np.shape(v) for v in values], params)


def checked_format(op: Op, fmt: Format, out: Array) -> Format:
    """Return the format of a result, which must name each of its dimensions."""
    if fmt is not None and len(fmt) != out.ndim:
        raise lost_format(op, fmt, out.shape)
    return fmt


def wrap_several(
    op: Op, outs: Sequence[RawValue], node: Node | None, formats: Formats | None
) -> tuple[Value, ...]:
    """Wrap the results of an operation that has several, each with a node."""
    return tuple(
        [
            wrap(out, node and picked(node, i, out), checked_format(op, fmt, out))
            for i, (out, fmt) in enumerate(zip(outs, formats or (None,) * len(outs), strict=True))
        ]
    )


def aligned(*operands: Value) -> tuple[Value, ...]:
    """Bring every operand with a format to the merged format, with ordinary operations."""
    target: str | None = None
    for operand in operands:
        if type(operand) is dlarray and operand._format is not None:
            fmt = operand._format
            target = fmt if target is None else merge(target, fmt)
    return tuple([placed(x, target) for x in operands])


def placed(operand: Value, target: Format) -> Value:
    """Return `operand` with the dimensions of format `target`, which has all its labels."""
    if type(operand) is not dlarray or operand._format in (None, target):
        return operand
    order, added = placement(operand._format, target)
    moved = operand
    if order != tuple(range(len(order))):
        moved = FUNCTIONS["permute_dims"](moved, axes=order)
    if added:
        moved = FUNCTIONS["expand_dims"](moved, axis=added)
    return labelled(moved, target)


def fixed_parameters(params: Params, given: Params, trace: Trace) -> Params:
    """Return the parameters of a call, of which some were given, such that they cannot change.

    What can be hashed cannot change, and to ask this costs less than to look at types.
    """
    try:
        hash(tuple(given.values()))
    except TypeError:
        return {name: _fixed(value, trace) for name, value in params.items()}
    return params


def _fixed(value: Any, trace: Trace) -> Any:
    kind = type(value)
    if kind is tuple or kind is list:
        # What is in a list several times stays one object: the steps of row ctc are one array.
        fixed = {id(v): _fixed(v, trace) for v in value}
        return kind([fixed[id(v)] for v in value])
    if kind is dict:
        return {key: _fixed(v, trace) for key, v in value.items()}
    if isinstance(value, np.ndarray):
        return trace.hold(value)
    if kind is dlarray:  # an assignment to its elements would not change its value in place
        return wrap(read(value), None, value._format)
    return value


# Types of indices that cannot change.
_FIXED = frozenset({int, bool, type(None), type(Ellipsis), str, bytes})


def fixed_key(key: Key) -> Key:
    """Return an index that cannot change later: raw values, arrays copied."""
    kind = type(key)
    if kind is slice:
        bounds = key.start, key.stop, key.step
        fixed = _FIXED.issuperset(map(type, bounds))
        return key if fixed else slice(*map(_fixed_bound, bounds))
    if kind in _FIXED:
        return key
    if isinstance(key, tuple):
        return tuple([fixed_key(k) for k in key])
    if kind is dlarray:
        key = read(key)
    elif not isinstance(key, np.generic):
        if not (hasattr(kind, "__array__") or _is_sequence(kind)):
            return _fixed_bound(key)
        refuse_masked(key, "indexing a dlarray: index")
        key = np.array(key)
        if not key.size and key.dtype.kind == "f":
            key = key.astype(np.intp)
    if key.dtype.kind not in "biu":
        raise _no_index(key)
    return key


def _is_sequence(kind: type) -> bool:
    return hasattr(kind, "__getitem__") and hasattr(kind, "__len__")


def _fixed_bound(value: Any) -> Any:
    """Return an index or a bound of a slice, which may be an array without dimensions."""
    number = read(value) if type(value) is dlarray else value
    if isinstance(number, float | complex | np.floating | np.ndarray):
        number = np.asarray(number)
        if number.dtype.kind in "fc":
            raise _no_index(number)
    return operator.index(value) if hasattr(value, "__index__") else value


def _no_index(key: Array) -> IndexingError:
    """Return the error for an index that is no integer, as those of MATLAB and ``dlarray([0])``."""
    fix = "round it, and convert it with extractdata(i).astype(int)"
    if key.dtype.kind == "f" and np.array_equal(key, np.rint(key)):
        whole = f"{key:.0f}" if key.ndim == 0 else "extractdata(i).astype(int)"
        fix = f"write {whole}; indices count from 0"
    found = f"{key} of dtype" if key.ndim == 0 else f"an array of shape {key.shape}"
    return IndexingError(
        f"indexing a dlarray with {found} {key.dtype}: an index must be integer or bool; {fix}"
    )
