"""Call paths: what users call, made for each operation.

`_general_path` is the path of any number of operands, in plain Python. With one or two operands, a
loop over them would cost more than the arithmetic of small arrays (rows overhead and chain of the
benchmarks). So these paths are the same steps, written out for each operand and made from one
template when the module is loaded. A test compares both for every operation.

With raw arrays only, a path is the kernel. So a rule is written once, in the public functions, and
works on raw and on traced operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.arguments import (
    SLIPS,
    checked_parameters,
    explained,
    index_error,
    refuse_call,
    sequence_of,
    split_arguments,
)
from dlgradient.core.calls import (
    NAMES,
    NODE,
    aligned,
    checked_format,
    compile_template,
    fixed_key,
    fixed_parameters,
    format_of,
    indented,
    mixed_operand,
    raw_operand,
    record,
    values_and_parents,
    wrap,
    wrap_several,
)
from dlgradient.core.conversion import converted, known
from dlgradient.core.sizes import COPY_BYTES
from dlgradient.core.trace import two_traces
from dlgradient.core.types import Function, Op, Params
from dlgradient.core.values import PYTHON_SCALARS, RAW_TYPES, Unconverted
from dlgradient.errors import DlgradientError

__all__ = ["make_operator", "make_path"]


def make_operator(op: Op) -> Function:
    """Return a path of two operands for Python's operators: what it does not know is theirs.

    ``x == None`` and ``x * other`` then ask the other object. Only the end of the failing path is
    another one than that of the function.
    """
    return _template_path(op, "operator")


def make_path(op: Op) -> Function:
    """Return the function that users call for `op`."""
    arity = len(op.operands)
    if op.variadic or op.outputs or arity > 2:
        return _general_path(op)
    if op.indexing == "get":
        return _template_path(op, "indexing")
    if op.params or (arity == 1 and not op.pointwise):
        return _template_path(op, "one, parameters" if arity == 1 else "two, parameters")
    return _template_path(op, "one" if arity == 1 else "two")


def _general_path(op: Op) -> Function:
    kernel, variadic = op.kernel, op.variadic
    arity = len(op.operands)

    def run(values: Sequence[Any], params: Params) -> Any:
        try:
            return kernel(values, **params) if variadic else kernel(*values, **params)
        except DlgradientError:
            raise
        except SLIPS as error:
            raise explained(op, values, params, error) from error

    def call(*args: Any, **given: Any) -> Any:
        if len(args) != arity:
            args, given = split_arguments(op, args, given)
        params = op.params
        if given or op.required:
            params = checked_parameters(op, given, calls.dlarray)
        operands = sequence_of(op, args[0]) if variadic else args
        formats = [a._format for a in operands if type(a) is calls.dlarray]
        formatted = any(formats)
        if formatted and op.format_family == "align":
            operands = aligned(*operands)
        try:
            if not formats:
                values = [raw_operand(a) for a in operands]
            else:
                values, parents, trace = values_and_parents(op, operands)
        except Unconverted:
            operands = converted(op, operands)
            return call(operands, **given) if variadic else call(*operands, **given)
        out = run(values, params)
        if not formats:
            return out
        fmt = format_of(op, operands, values, params) if formatted else None
        fixed = params if trace is None else fixed_parameters(params, given, trace)
        node = None if trace is None else record(op, parents, values, out, fixed, trace)
        if op.outputs:
            return wrap_several(op, out, node, fmt)
        return wrap(out, node, checked_format(op, fmt, out))

    return call


# -- the paths of one and two operands -----------------------------------------------------------

_PATH = """\
def path(op, kernel, params, required, align, keeps_format, saves):
    defaults = params
    def call({signature}):
{arguments}
        try:
{values}
        except Unconverted:
{unconverted}
{run}
        result = new(dlarray)
        result._value = out
{format}
{parents}
{node}
        result._node = node
        return result
    return call
"""

_SIGNATURES = {
    # Python's own error for a wrong call names the function too: `*more, **unknown` would cost a
    # sixth of the call (row overhead).
    "one": "x, /",
    "two": "x=ABSENT, y=ABSENT, /, *more, **unknown",
    "operator": "x, y, /",
    "one, parameters": "*args, **given",
    "two, parameters": "*args, **given",
    "indexing": "x, /, key",
}
_ARGUMENTS = {
    "one": "",
    "operator": "",
    "two": """\
if y is ABSENT or more or unknown:
    given = [a for a in (x, y, *more) if a is not ABSENT]
    refuse_call(op, tuple(given), unknown, dlarray)
""",
    "one, parameters": """\
if len(args) != 1:
    args, given = split_arguments(op, args, given)
x = args[0]
params = checked_parameters(op, given, dlarray) if given or required else defaults
""",
    "two, parameters": """\
if len(args) != 2:
    args, given = split_arguments(op, args, given)
x, y = args
params = checked_parameters(op, given, dlarray) if given or required else defaults
""",
    "indexing": "",
}
_VALUES_INDEXING = """\
if type(x) is not dlarray:
    return kernel(x, key=key)
x_value = x._value
if type(key) is not int:
    key = fixed_key(key)
params = {"key": key}
"""
_VALUES = {
    1: """\
if type(x) is not dlarray:
    x_value = x if type(x) in RAW_TYPES else raw_operand(x)
{raw}
x_value = x._value
""",
    2: """\
if type(x) is dlarray:
    if type(y) is dlarray:
        if align and x._format is not y._format and x._format and y._format:
            x, y = aligned(x, y)
        q, y_value = y._node, y._value
        fmt = x._format or y._format
    else:
        q, y_value = None, y if type(y) in WEAK_REALS else mixed_operand(op, 1, y, x._value)
        fmt = x._format
    p, x_value = x._node, x._value
elif type(y) is dlarray:
    p, x_value = None, x if type(x) in WEAK_REALS else mixed_operand(op, 0, x, y._value)
    q, y_value = y._node, y._value
    fmt = y._format
else:
    x_value = x if type(x) in RAW_TYPES else raw_operand(x)
    y_value = y if type(y) in RAW_TYPES else raw_operand(y)
{raw}
traced = 0
if p is not None and p.trace.is_open:
    traced, trace = 1, p.trace
if q is not None and q.trace.is_open:
    if traced and q.trace is not trace:
        raise two_traces(op.shown, trace, q.trace)
    traced, trace = traced + 2, q.trace
if traced == 1 and type(y_value) is ndarray and type(y) is not dlarray:
    y_value = y_value.copy("K") if y_value.nbytes <= COPY_BYTES else trace.hold(y_value)
elif traced == 2 and type(x_value) is ndarray and type(x) is not dlarray:
    x_value = x_value.copy("K") if x_value.nbytes <= COPY_BYTES else trace.hold(x_value)
""",
}
# An operand is a list, for instance: the call begins again, with what it is converted to.
_UNCONVERTED = {
    "one": "return call(*converted(op, (x,)))",
    "two": "return call(*converted(op, (x, y)))",
    "operator": "operands = known(op, (x, y))\n"
    "return NotImplemented if operands is None else call(*operands)",
    "one, parameters": "return call(*converted(op, (x,)), **params)",
    "two, parameters": "return call(*converted(op, (x, y)), **params)",
    "indexing": "raise",
}
# Run the kernel; with raw operands only, its result is that of the call.
_RUN = """\
try:
    {does} kernel({call})
except DlgradientError:
    raise
except SLIPS as error:
    raise explained(op, [{operands}], params, error) from error
"""
# The kernel would only add a call to the subscription (row indexed loop).
_RUN_INDEXING = """\
try:
    out = x_value[key]
except IndexError as error:
    raise index_error(x_value, key, error) from error
"""
_FORMAT = {
    1: """\
fmt = x._format
if fmt is not None and not keeps_format:
    fmt = checked_format(op, op.result_format((fmt,), (x_value.shape,), params), out)
result._format = fmt
""",
    2: """\
if fmt is not None:
    if not keeps_format:
        fmt = format_of(op, (x, y), (x_value, y_value), params)
    fmt = checked_format(op, fmt, out)
result._format = fmt
""",
}
_PARENTS = {
    1: """\
p = x._node
if p is None or not p.trace.is_open:
    result._node = x._node = None
    return result
trace, parents = p.trace, (p,)
save_x, save_out = saves
saved = (x_value if save_x else None, out if save_out else None) if save_x or save_out else ()
""",
    2: """\
if not traced:
    result._node = None
    return result
parents = (p if traced & 1 else x_value, q if traced & 2 else y_value)
saved = saves[traced]
if saved:
    save_x, save_y, save_out = saved
    saved = (x_value if save_x else None, y_value if save_y else None, out if save_out else None)
""",
}


NAMES.update(
    {
        "ABSENT": object(),  # an operand that was not given
        "COPY_BYTES": COPY_BYTES,
        "DlgradientError": DlgradientError,
        "SLIPS": SLIPS,
        "Unconverted": Unconverted,
        "RAW_TYPES": RAW_TYPES,
        "WEAK_REALS": PYTHON_SCALARS - {complex},
        "aligned": aligned,
        "checked_format": checked_format,
        "checked_parameters": checked_parameters,
        "converted": converted,
        "explained": explained,
        "fixed_key": fixed_key,
        "fixed_parameters": fixed_parameters,
        "format_of": format_of,
        "index_error": index_error,
        "known": known,
        "ndarray": np.ndarray,
        "mixed_operand": mixed_operand,
        "raw_operand": raw_operand,
        "refuse_call": refuse_call,
        "split_arguments": split_arguments,
        "two_traces": two_traces,
    }
)


@cache
def _path_maker(shape: str) -> Function:
    """Return the function that makes paths of one shape; all operations of the shape share it."""
    arity = 2 if shape in ("two", "operator", "two, parameters") else 1
    indexing = shape == "indexing"
    operands = ", ".join(("x_value", "y_value")[:arity])
    parameters = "" if shape in ("one", "two", "operator") else ", **params"
    names = {"operands": operands, "call": operands + parameters}
    raw = indented(_RUN.format(does="return", **names), 4).rstrip()
    values = _VALUES_INDEXING if indexing else _VALUES[arity].format(raw=raw)
    parts = {
        "arguments": _ARGUMENTS[shape],
        "values": indented(values, 4),
        "unconverted": indented(_UNCONVERTED[shape], 4),
        "run": _RUN_INDEXING if indexing else _RUN.format(does="out =", **names),
        "format": _FORMAT[arity],
        "parents": _PARENTS[arity],
        "node": NODE,
    }
    if "parameters" in shape:
        parts["parents"] += "if given:\n    params = fixed_parameters(params, given, trace)\n"
    parts = {name: indented(lines, 8) for name, lines in parts.items()}
    return compile_template(
        _PATH.format(signature=_SIGNATURES[shape], **parts), f"call path, {shape}"
    )


def _template_path(op: Op, shape: str) -> Function:
    """Return the call path of an operation of one or two operands."""
    saves: tuple[object, ...]
    if len(op.operands) == 1:
        saves = op.saves((True,)) or (False, False)
    else:  # by which operands are traced: 1 for x, 2 for y, 3 for both
        saves = tuple([op.saves((bool(t & 1), bool(t & 2))) for t in range(4)])
    align = op.format_family == "align"
    make: Callable[..., Function] = _path_maker(shape)
    return make(op, op.kernel, op.params, op.required, align, op.keeps_format, saves)
