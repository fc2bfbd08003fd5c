"""Arguments of a call: parameters completed and checked, and the errors of wrong calls.

Every error names the function, the argument, what was found, what was expected, and the fix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dlgradient.core.domain import complex_operand
from dlgradient.core.spelling import nearest
from dlgradient.core.types import Array, Key, Node, Op, Params, RawValue, Shape, Value
from dlgradient.core.values import PYTHON_SCALARS
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

__all__ = [
    "checked_parameters",
    "explained",
    "index_error",
    "lost_format",
    "refuse_call",
    "sequence_of",
    "split_arguments",
    "unknown_keyword",
]


def split_arguments(
    op: Op, args: tuple[Value, ...], given: Params
) -> tuple[tuple[Value, ...], Params]:
    """Split the arguments of a call into operands and parameters, which may follow by position."""
    operands, extra = args[: len(op.operands)], args[len(op.operands) :]
    named = dict(zip(op.positional, extra, strict=False))
    if len(operands) < len(op.operands) or len(extra) > len(named) or named.keys() & given.keys():
        positional = ", ".join((*op.operands, *op.positional))
        raise UnknownKeywordError(
            f"{op.shown}: takes {positional} by position, {len(args)} arguments were given"
            + (f" and {', '.join(given)} by name" if given else "")
            + f"; its keywords are {', '.join(op.params) or 'none'}"
        )
    return operands, {**named, **given}


def checked_parameters(op: Op, given: Params, array_type: type[Value]) -> Params:
    """Complete the parameters of a call; none of them may be a traced `array_type`."""
    params = {**op.params, **given}
    if len(params) != len(op.params):
        unknown = next(name for name in given if name not in op.params)
        raise unknown_keyword(op.shown, unknown, op.params)
    for name in op.required:
        if name not in given:
            raise UnknownKeywordError(f"{op.shown}: the keyword argument {name} is missing")
    for name, value in given.items():
        if type(value) is np.float64:
            params[name] = value.item()  # its dtype must be weak next to an array
        node: Node | None = value._node if type(value) is array_type else None
        if node is not None and node.trace.is_open:
            raise traced_parameter(op.shown, name)
    return params


def refuse_call(op: Op, args: tuple[Value, ...], given: Params, array_type: type[Value]) -> None:
    """Raise the error for wrong arguments of an operation without parameters."""
    if len(args) != len(op.operands):
        split_arguments(op, args, given)
    checked_parameters(op, given, array_type)


def sequence_of(op: Op, arrays: Iterable[Value]) -> tuple[Value, ...]:
    """Return the operands of a variadic operation: a sequence, or an array along its first axis."""
    try:
        return tuple(arrays)
    except TypeError as error:
        raise InvalidArgumentError(
            f"{op.shown}: {op.operands[0]} must be a sequence of arrays, not "
            f"{type(arrays).__name__}; write {op.shown}([x, y])"
        ) from error


def unknown_keyword(function: str, name: str, accepted: Iterable[str]) -> UnknownKeywordError:
    """Return the error for a keyword that does not exist, with a suggestion."""
    meant = nearest(name, accepted)
    fix = f"; write {meant}=" if meant else ""
    have = ", ".join(sorted(accepted)) or "none"
    return UnknownKeywordError(f"{function}: unknown keyword {name!r}{fix} (it has: {have})")


def explained(op: Op, values: Sequence[RawValue], params: Params, error: Exception) -> Exception:
    """Turn an exception of a kernel into one that names the function and its operands."""
    if isinstance(error, DlgradientError):
        return error
    if op.domain == "real" and (outside := complex_operand(op, values)):
        return outside
    what = "; ".join(f"{op.operand_name(i)}: {_description(v)}" for i, v in enumerate(values))
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
    # An axis that does not exist is both an index and a wrong value.
    index = isinstance(error, IndexError) and not isinstance(error, ValueError)
    return (IndexingError if index else InvalidArgumentError)(text)


def index_error(x: Array, key: Key, error: IndexError) -> IndexingError:
    """Return the error for an index that does not fit an array."""
    return IndexingError(f"indexing a dlarray of shape {x.shape} {x.dtype} with {key!r}: {error}")


def _description(value: RawValue) -> str:
    if type(value) in PYTHON_SCALARS:
        return f"Python {type(value).__name__}"
    array: Array = value
    return f"shape {array.shape} {array.dtype}"


def lost_format(op: Op, fmt: str, shape: Shape) -> FormatClashError:
    """Return the error for a format that does not name every dimension of a result."""
    return FormatClashError(
        f"{op.shown}: an operand of format {fmt!r} was combined by position with an unlabelled "
        f"one of more dimensions, which gives shape {shape}; give the unlabelled operand a format "
        "with dlarray(x, fmt), or drop the other one with stripdims"
    )
