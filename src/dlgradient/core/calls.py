"""The one hook between operations and the engine, and the call paths behind it.

An operation is a kernel on raw arrays plus a rule; it knows nothing of traces. What a user calls
is a *call path* made here: it takes raw values out of dlarrays, runs the kernel, wraps the result,
and, if an operand is traced, records a node. Called with raw arrays only, it is the kernel; a rule
can therefore be written once, in the public functions, and serve raw and traced operands.

There is one path for each shape of operation, so that a call costs little:

=========  ==================================================================
unary      elementwise, one operand, no static parameters
binary     two operands, no static parameters
indexing   one operand and a key
single     one operand, static parameters
general    any number of operands, static parameters, any format family
=========  ==================================================================

The class of arrays is the engine's, above this module. The engine installs it once, by `install`;
until then only raw arrays can be used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgradient.core.domain import complex_operand
from dlgradient.core.formats import merge, placement
from dlgradient.core.graph import Node, tick
from dlgradient.core.sizes import COPY_BYTES
from dlgradient.core.spelling import nearest
from dlgradient.core.values import PYTHON_SCALARS, RAW_TYPES, as_operand, as_value
from dlgradient.errors import (
    ComplexValueError,
    DlgradientError,
    FormatClashError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnknownKeywordError,
    traced_parameter,
)

__all__ = ["FUNCTIONS", "install", "make_path", "wrap"]

# Every public array function by name; filled by the declarers.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


class _NotInstalled:
    """Stands for the class of arrays until it is installed: no value is of this type."""


dlarray: Any = _NotInstalled
_pick: Any = None

_new = object.__new__
_ndarray, _float64, _FLOAT64 = np.ndarray, np.float64, np.dtype(np.float64)
_WEAK_REALS = PYTHON_SCALARS - {complex}
_NOTHING: tuple[Any, ...] = ()
_NO_PARAMS: dict[str, Any] = {}
_ABSENT = object()  # an operand that was not given
# Positions of `kept`: one for each operand, then the output, which is always the last.
OUT = -1


def install(array_type: type) -> None:
    """Tell the call paths which class carries values and nodes."""
    global dlarray  # noqa: PLW0603 - the hook: set once, when the engine is imported
    dlarray = array_type


def wrap(value: Any, node: Any, fmt: str | None = None) -> Any:
    """Return a dlarray made of its three parts."""
    result = _new(dlarray)
    result._value = value
    result._format = fmt
    result._node = node
    return result


def open_node(array: Any) -> Any:
    """Node of a dlarray if its trace is open, else None: an escaped value is a constant."""
    node = array._node
    if node is not None and not node.trace.is_open:
        array._node = node = None
    return node


def is_variable(x: Any) -> bool:
    """Return whether `x` is traced, so that its derivative may be asked for."""
    return type(x) is dlarray and x._node is not None and x._node.trace.is_open


def make_path(op: Any) -> Callable[..., Any]:
    """Return the function a user calls for `op`."""
    if op.indexing == "get":
        return _indexing(op)
    if op.variadic or op.outputs or len(op.operands) > 2:
        return _general(op)
    if len(op.operands) == 1:
        return _unary(op) if op.pointwise and not op.params else _single(op)
    return _general(op) if op.params else _binary(op)


def _unary(op: Any) -> Callable[..., Any]:
    kernel = op.kernel
    needs = op.needs((True,))
    keep_x, keep_out, keeps = 0 in needs, OUT in needs, bool(needs)

    def call(x: Any, /) -> Any:
        if type(x) is not dlarray:
            return kernel(x if type(x) in RAW_TYPES else as_value(x, f"{op.shown}: x"))
        value = x._value
        try:
            out = kernel(value)
        except (ValueError, TypeError) as error:
            raise explained(op, (value,), _NO_PARAMS, error) from error
        result = _new(dlarray)
        result._value = out
        result._format = x._format
        parent = x._node
        if parent is None:
            result._node = None
        elif not parent.trace.is_open:
            result._node = x._node = None
        else:
            node = _new(Node)
            node.op = op
            node.parents = (parent,)
            node.kept = (value if keep_x else None, out if keep_out else None) if keeps else ()
            node.params = _NO_PARAMS
            node.seq = tick()
            node.trace = parent.trace
            if type(out) is _float64:  # its attributes cost more than the arithmetic
                node.shape, node.dtype = (), _FLOAT64
            else:
                node.shape, node.dtype = out.shape, out.dtype
            result._node = node
        return result

    return call


def _binary(op: Any) -> Callable[..., Any]:  # noqa: C901, PLR0915 - as `call` inside
    kernel, align = op.kernel, op.format_family == "align"
    both, first, second = op.needs((True, True)), op.needs((True, False)), op.needs((False, True))
    # What is kept depends on which operands are traced; index: 1 for x, 2 for y, 3 for both.
    keeps = tuple((0 in n, 1 in n, OUT in n, bool(n)) for n in (both, first, second, both))

    # Flat and long on purpose: this path runs for every arithmetic operator, and each function call
    # in it would cost as much as the arithmetic of two scalars.
    def call(  # noqa: C901, PLR0912, PLR0915
        x: Any = _ABSENT, y: Any = _ABSENT, /, *more: Any, **unknown: Any
    ) -> Any:
        if y is _ABSENT or more or unknown:
            _refuse(op, [a for a in (x, y, *more) if a is not _ABSENT], unknown)
        if type(x) is dlarray:
            if type(y) is dlarray:
                if align and x._format is not y._format and x._format and y._format:
                    x, y = aligned(x, y)
                q, y_value = y._node, y._value
            else:
                q = None
                y_value = y if type(y) in _WEAK_REALS else _beside(y, x._value, op, "y")
            p, x_value = x._node, x._value
            fmt = x._format
            if fmt is None and type(y) is dlarray:
                fmt = y._format
        elif type(y) is dlarray:
            p = None
            x_value = x if type(x) in _WEAK_REALS else _beside(x, y._value, op, "x")
            q, y_value = y._node, y._value
            fmt = y._format
        else:
            if type(x) not in RAW_TYPES:
                x = as_value(x, f"{op.shown}: x")
            if type(y) not in RAW_TYPES:
                y = as_value(y, f"{op.shown}: y")
            return kernel(x, y)

        traced = 0
        trace: Any = None
        if p is not None and p.trace.is_open:
            traced = 1
            trace = p.trace
        if q is not None and q.trace.is_open:
            traced += 2
            trace = q.trace
        if traced == 1 and type(y_value) is _ndarray and type(y) is not dlarray:
            y_value = trace.hold(y_value, COPY_BYTES)
        elif traced == 2 and type(x_value) is _ndarray and type(x) is not dlarray:
            x_value = trace.hold(x_value, COPY_BYTES)
        try:
            out = kernel(x_value, y_value)
        except DlgradientError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            raise explained(op, (x_value, y_value), _NO_PARAMS, error) from error
        result = _new(dlarray)
        result._value = out
        if fmt is not None:
            if not align:
                formats = [a._format if type(a) is dlarray else None for a in (x, y)]
                fmt = op.result_format(formats, (np.shape(x_value), np.shape(y_value)), {})
            if fmt is not None and out.ndim != len(fmt):
                raise _format_lost(op, fmt, out.shape)
        result._format = fmt
        if not traced:
            result._node = None
            return result
        keep_x, keep_y, keep_out, keep = keeps[traced]
        node = _new(Node)
        node.op = op
        node.parents = (p if traced & 1 else x_value, q if traced & 2 else y_value)
        node.kept = (
            (x_value if keep_x else None, y_value if keep_y else None, out if keep_out else None)
            if keep
            else ()
        )
        node.params = _NO_PARAMS
        node.seq = tick()
        node.trace = trace
        if type(out) is _float64:
            node.shape, node.dtype = (), _FLOAT64
        else:
            node.shape, node.dtype = out.shape, out.dtype
        result._node = node
        return result

    return call


def _refuse(op: Any, args: list[Any], given: dict[str, Any]) -> None:
    """Raise the error for a call of an operation without parameters that does not fit."""
    if len(args) != len(op.operands):
        _by_position(op, tuple(args), given)
    _checked_params(op, _NOTHING, given)


def _beside(operand: Any, value: Any, op: Any, name: str) -> Any:
    """Return a raw operand for the kernel of a binary operation whose other operand is `value`."""
    if type(operand) is complex and type(value) is np.float64:
        # Python's complex takes a NumPy float64 for a float of its own, and would return a complex
        # that is no NumPy scalar.
        return np.complex128(operand)
    return as_operand(operand, f"{op.shown}: {name}")


def _indexing(op: Any) -> Callable[..., Any]:
    kernel = op.kernel

    def call(x: Any, /, key: Any) -> Any:
        if type(x) is not dlarray:
            return kernel(x, key=key)
        if type(key) is not int:
            key = fixed_key(key)
        value = x._value
        try:
            out = value[key]
        except IndexError as error:
            raise IndexingError(
                f"indexing a dlarray of shape {value.shape} {value.dtype} with {key!r}: {error}"
            ) from error
        fmt = x._format
        if fmt is not None:
            fmt = op.format_rule((fmt,), (value.shape,), {"key": key})
        result = _new(dlarray)
        result._value = out
        result._format = fmt
        parent = x._node
        if parent is None or not parent.trace.is_open:
            result._node = None
            return result
        result._node = _made(op, (parent,), _NOTHING, {"key": key}, parent.trace, out)
        return result

    return call


def _single(op: Any) -> Callable[..., Any]:
    kernel, defaults = op.kernel, op.params
    required = _required(op)
    needs = op.needs((True,))
    keep_x, keep_out, keeps = 0 in needs, OUT in needs, bool(needs)

    def call(*args: Any, **given: Any) -> Any:
        if len(args) != 1:
            given = _by_position(op, args, given)
        x = args[0]
        params = defaults
        if given or required:
            params = _checked_params(op, required, given)
        if type(x) is not dlarray:
            if type(x) not in RAW_TYPES:
                x = as_value(x, f"{op.shown}: {op.operands[0]}")
            return kernel(x, **params)
        value = x._value
        try:
            out = kernel(value, **params)
        except DlgradientError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            raise explained(op, (value,), params, error) from error
        fmt = x._format
        if fmt is not None:
            fmt = op.result_format((fmt,), (value.shape,), params)
            if fmt is not None and len(fmt) != out.ndim:
                raise _format_lost(op, fmt, out.shape)
        result = _new(dlarray)
        result._value = out
        result._format = fmt
        parent = x._node
        if parent is None or not parent.trace.is_open:
            result._node = None
            return result
        kept = (value if keep_x else None, out if keep_out else None) if keeps else _NOTHING
        result._node = _made(op, (parent,), kept, params, parent.trace, out)
        return result

    return call


def fixed_key(key: Any) -> Any:
    """Return an index that nobody can change later: raw values, arrays copied."""
    if type(key) is tuple:
        return tuple([fixed_key(k) for k in key])
    if type(key) is dlarray:
        key = key._value
    elif isinstance(key, list | np.ndarray):
        key = np.array(key)
        if not key.size and key.dtype.kind == "f":
            key = key.astype(np.intp)
    if isinstance(key, np.ndarray | np.generic) and key.dtype.kind not in "biu":
        raise IndexingError(
            f"indexing a dlarray with an array of dtype {key.dtype}: an index must be integer or "
            "bool; round it and convert it with extractdata(x).astype(int)"
        )
    return key


def _general(op: Any) -> Callable[..., Any]:  # noqa: C901 - as `call` inside
    kernel, variadic, align = op.kernel, op.variadic, op.format_family == "align"
    arity = len(op.operands)
    defaults = op.params
    required = _required(op)

    def call(*args: Any, **given: Any) -> Any:  # noqa: C901 - one pass, in order
        if len(args) != arity:
            given = _by_position(op, args, given)
            args = args[:arity]
        params = defaults
        if given or required:
            params = _checked_params(op, required, given)
        operands = _sequence(op, args[0]) if variadic else args
        formats = False
        found = False
        for operand in operands:
            if type(operand) is dlarray:
                found = True
                if operand._format is not None:
                    formats = True
        if not found:
            values = [
                a if type(a) in RAW_TYPES else as_value(a, f"{op.shown}: {op.operand_name(i)}")
                for i, a in enumerate(operands)
            ]
            return kernel(values, **params) if variadic else kernel(*values, **params)
        if formats and align:
            operands = aligned(*operands)

        values, parents, trace = _taken_apart(op, operands)
        try:
            out = kernel(values, **params) if variadic else kernel(*values, **params)
        except DlgradientError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            raise explained(op, values, params, error) from error
        fmt: Any = None
        if formats:
            fmt = op.result_format(
                [a._format if type(a) is dlarray else None for a in operands],
                [np.shape(v) for v in values],
                params,
            )
            if type(fmt) is str and len(fmt) != out.ndim:
                raise _format_lost(op, fmt, out.shape)
        node = None
        if trace is not None:
            node = record(op, tuple(parents), values, out, params, trace)
        return _several(op, out, node, fmt) if op.outputs else wrap(out, node, fmt)

    return call


def _taken_apart(op: Any, operands: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
    """Raw values of operands; for each its node, or its value if it is a constant; the trace."""
    values: list[Any] = []
    parents: list[Any] = []
    trace: Any = None
    for i, operand in enumerate(operands):
        if type(operand) is dlarray:
            value = operand._value
            node = open_node(operand)
            if node is not None:
                trace = node.trace
            parents.append(value if node is None else node)
        else:
            value = as_operand(operand, f"{op.shown}: {op.operand_name(i)}")
            parents.append(value)
        values.append(value)
    if trace is not None:
        for i, operand in enumerate(operands):
            if type(operand) is not dlarray and type(values[i]) is np.ndarray:
                values[i] = parents[i] = trace.hold(values[i], COPY_BYTES)
    return values, parents, trace


def record(
    op: Any,
    parents: tuple[Any, ...],
    values: Sequence[Any],
    out: Any,
    params: dict[str, Any],
    trace: Any,
) -> Any:
    """Return the node of a result: what it was made from and what its rules need."""
    kept = kept_values(op, parents, values, out)
    return _made(op, parents, kept, params, trace, None if op.outputs else out)


def _made(
    op: Any, parents: tuple[Any, ...], kept: Any, params: dict[str, Any], trace: Any, out: Any
) -> Any:
    """Return a node of its parts; `out` gives its shape and dtype, None if there are several."""
    node = _new(Node)
    node.op = op
    node.parents = parents
    node.kept = kept
    node.params = params
    node.seq = tick()
    node.trace = trace
    if type(out) is _float64:
        node.shape, node.dtype = (), _FLOAT64
    else:
        node.shape, node.dtype = ((), None) if out is None else (out.shape, out.dtype)  # type: ignore[assignment]
    return node


def _several(op: Any, outs: Sequence[Any], node: Any, formats: Any) -> tuple[Any, ...]:
    """Wrap the results of an operation that has several, each with a node of its own."""
    if formats is None:
        formats = (None,) * len(outs)
    results = []
    for i, (out, fmt) in enumerate(zip(outs, formats, strict=True)):
        if fmt is not None and len(fmt) != out.ndim:
            raise _format_lost(op, fmt, out.shape)
        results.append(wrap(out, None if node is None else picked(node, i, out), fmt))
    return tuple(results)


def picked(node: Any, index: int, value: Any) -> Any:
    """Return the node of one result of an operation that has several."""
    return _made(_pick, (node,), _NOTHING, {"index": index}, node.trace, value)


def install_pick(op: Any) -> None:
    """Tell the call paths which operation stands for one result of several."""
    global _pick  # noqa: PLW0603 - set once, when the rules are imported
    _pick = op


def kept_values(
    op: Any, parents: tuple[Any, ...], values: Sequence[Any], out: Any
) -> tuple[Any, ...]:
    """Return the operands and the output that the rules of the traced operands name."""
    needs = op.needs(tuple([type(p) is Node for p in parents]))
    if not needs:
        return _NOTHING
    kept = [value if i in needs else None for i, value in enumerate(values)]
    kept.append(out if OUT in needs else None)
    return tuple(kept)


def aligned(*operands: Any) -> tuple[Any, ...]:
    """Bring every formatted operand to the merged format, by ordinary operations."""
    target: str | None = None
    for operand in operands:
        if type(operand) is dlarray and operand._format is not None:
            fmt = operand._format
            target = fmt if target is None else merge(target, fmt)
    result = []
    for operand in operands:
        if type(operand) is dlarray and operand._format not in (None, target):
            order, new = placement(operand._format, target)
            moved = operand
            if order != tuple(range(len(order))):
                moved = FUNCTIONS["permute_dims"](moved, axes=order)
            if new:
                moved = FUNCTIONS["expand_dims"](moved, axis=new)
            result.append(wrap(moved._value, moved._node, target))
        else:
            result.append(operand)
    return tuple(result)


def _required(op: Any) -> tuple[str, ...]:
    """Names of the static parameters that have no default."""
    return tuple(name for name, value in op.params.items() if value is inspect.Parameter.empty)


def _sequence(op: Any, arrays: Any) -> tuple[Any, ...]:
    """Operands of a variadic operation: a sequence of arrays, or an array along its first axis."""
    try:
        return tuple(arrays)
    except TypeError as error:
        raise InvalidArgumentError(
            f"{op.shown}: {op.operands[0]} must be a sequence of arrays, not "
            f"{type(arrays).__name__}; write {op.shown}([x, y])"
        ) from error


def _by_position(op: Any, args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Static parameters that stand behind the operands, added to those given by name."""
    extra = args[len(op.operands) :]
    named = dict(zip(op.positional, extra, strict=False))
    if len(args) < len(op.operands) or len(extra) > len(named) or named.keys() & given.keys():
        positional = ", ".join((*op.operands, *op.positional))
        raise UnknownKeywordError(
            f"{op.shown}: takes {positional} by position, {len(args)} arguments were given"
            + (f" and {', '.join(given)} by name" if given else "")
            + f"; its keywords are {', '.join(op.params) or 'none'}"
        )
    return {**named, **given}


def _checked_params(op: Any, required: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    params = {**op.params, **given}
    if len(params) != len(op.params):
        unknown = next(name for name in given if name not in op.params)
        raise unknown_keyword(op.shown, unknown, op.params)
    for name in required:
        if name not in given:
            raise UnknownKeywordError(f"{op.shown}: the keyword argument {name} is missing")
    for name, value in given.items():
        if is_variable(value):
            raise traced_parameter(op.shown, name)
    return params


def unknown_keyword(function: str, name: str, accepted: Any) -> UnknownKeywordError:
    """Return the error for a keyword that does not exist, with the one that was meant."""
    right = nearest(name, accepted)
    fix = f"; write {right}=" if right else ""
    have = ", ".join(sorted(accepted)) or "none"
    return UnknownKeywordError(f"{function}: unknown keyword {name!r}{fix} (it has: {have})")


def _described(value: Any) -> str:
    if type(value) in PYTHON_SCALARS:
        return f"Python {type(value).__name__}"
    return f"shape {value.shape} {value.dtype}"


def explained(
    op: Any, values: Sequence[Any], params: dict[str, Any], error: Exception
) -> Exception:
    """Turn an exception of a kernel into one that names the function and its operands."""
    if isinstance(error, DlgradientError):
        return error
    if op.domain == "real" and (outside := complex_operand(op, values)):
        return outside
    what = "; ".join(f"{op.operand_name(i)}: {_described(v)}" for i, v in enumerate(values))
    shown = ", ".join(f"{k}={v!r}" for k, v in params.items() if not isinstance(v, np.ndarray))
    text = f"{op.shown}: {error} [{what}{'; ' + shown if shown else ''}]"
    if "broadcast" in str(error) or "mismatch" in str(error) or "align" in str(error):
        return ShapeMismatchError(
            f"{text}. The operands must have equal sizes, or size one, in every dimension that "
            "they share; reshape, expand_dims or permute_dims brings them together"
        )
    if isinstance(error, TypeError):
        if any(np.iscomplexobj(v) for v in values):
            return ComplexValueError(
                f"{text}. It is defined for real operands; take real(x), imag(x) or abs(x)"
            )
        return error
    # An axis that does not exist is both an index and a value that is wrong.
    index = isinstance(error, IndexError) and not isinstance(error, ValueError)
    return (IndexingError if index else InvalidArgumentError)(text)


def _format_lost(op: Any, fmt: str, shape: tuple[int, ...]) -> FormatClashError:
    return FormatClashError(
        f"{op.shown}: an operand of format {fmt!r} was combined by position with an unformatted "
        f"one of more dimensions, which gives shape {shape}; give the unformatted operand a format "
        "with dlarray(x, fmt), or drop the other one with stripdims"
    )
