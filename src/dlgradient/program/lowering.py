"""Elementwise operations as steps of a loop: what each does to one element.

`lowered` writes the steps of a line. They are those of its kernel, in the same order, so that
arithmetic has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from dlgradient.core.types import Dtype, Shape
from dlgradient.native.loops import NAMES, RELATIONS, Step, Value
from dlgradient.program.lines import Line, Slot, is_known

__all__ = ["Writer", "is_lowered", "lowered", "number_of"]

_REAL = frozenset("fd")
_READ = frozenset("fd?") | {np.dtype(np.int64).char, np.dtype(np.int32).char}
_LOGICAL = frozenset({"logical_and", "logical_or", "logical_xor", "logical_not"})
_TESTS = frozenset({"isnan", "isinf", "isfinite"})
_RENAMED = {
    "root_of_squares": "sqrt",
    "larger": "maximum",
    "at_least": "maximum",
    "smaller": "minimum",
    "at_most": "minimum",
}
_NUMERIC = NAMES - RELATIONS.keys() - _LOGICAL - _TESTS
_WITH_PARAMETERS = frozenset({"cast", "elu"})
Kinds = Mapping[int, tuple[Shape, Dtype | None]]


class Writer:
    """Collects steps, each of them once.

    Attributes
    ----------
    steps : list of Step
    char : str
        The dtype of the results of steps that are written without one.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.char = "d"
        self._known: dict[Step, str] = {}

    def __call__(self, name: str, *operands: Value, char: str = "") -> Value:
        """Write a step, and return the name of its result."""
        step = Step(name, char or self.char, operands)
        if step not in self._known:
            self._known[step] = f"s{len(self.steps)}"
            self.steps.append(step)
        return self._known[step]

    def cast(self, x: Value, source: str, target: str) -> Value:
        """Return a value in another dtype; a number has any."""
        if source == target or not isinstance(x, str):
            return x
        return self("cast", x, char=target)


def _square(w: Writer, x: Value) -> Value:
    return w("multiply", x, x)


def _softplus(w: Writer, x: Value) -> Value:
    low = w("log1p", w("exp", w("negative", w("abs", x))))
    return w("add", w("maximum", x, 0.0), low)


def _elu(w: Writer, x: Value, alpha: float) -> Value:
    low = w("multiply", w("expm1", w("minimum", x, 0.0)), float(alpha))
    return w("add", w("maximum", x, 0.0), low)


_FORMULAS: dict[str, Callable[..., Value]] = {
    "square": _square,
    "abs2": _square,
    "reciprocal": lambda w, x: w("divide", 1.0, x),
    "gap_to_one": lambda w, x: w("multiply", w("subtract", 1.0, x), w("add", 1.0, x)),
    "one_minus_square": lambda w, x: w("subtract", 1.0, _square(w, x)),
    "sum_of_squares": lambda w, x, y: w("add", _square(w, x), _square(w, y)),
    "relu": lambda w, x: w("maximum", x, 0.0),
    "where_positive": lambda w, x, y: w("where", w("greater", y, 0.0, char="?"), x, 0.0),
    "softplus": _softplus,
    "swish": lambda w, x: w("multiply", x, w("sigmoid", x)),
    "mish": lambda w, x: w("multiply", x, w("tanh", _softplus(w, x))),
    "softsign": lambda w, x: w("divide", x, w("add", w("abs", x), 1.0)),
    "elu": _elu,
}
_POWERS: dict[float, Callable[[Writer, Value], Value]] = {
    2.0: _square,
    3.0: lambda w, x: w("multiply", _square(w, x), x),
    0.5: lambda w, x: w("sqrt", x),
    -1.0: lambda w, x: w("divide", 1.0, x),
}


def is_lowered(line: Line, kinds: Kinds) -> bool:
    """Return whether `lowered` knows a line.

    Parameters
    ----------
    line : Line
    kinds : dict
        Shapes and dtypes of values.
    """
    if line.dtype is None or not line.shape or not is_known(line.op):
        return False
    if not all(_is_read(x, kinds, line.dtype) for x in line.operands):
        return False
    chars = [c for c in [_char(x, kinds) for x in line.operands] if c]
    if line.dtype.char == "?":
        return _is_logical(line.op.name, line, chars)
    return line.dtype.char in _REAL and _is_numeric(line.op.name, line, kinds)


def _is_numeric(name: str, line: Line, kinds: Kinds) -> bool:
    first = line.operands[0]
    if name == "pow":
        return type(first) is Slot and _exponent(line) in _POWERS
    if name == "where":
        return type(first) is Slot and _char(first, kinds) == "?"
    if name == "where_positive":  # a number that is converted may become zero
        return {_char(x, kinds) for x in line.operands} == {line.dtype.char}  # type: ignore[union-attr]
    if line.params and name not in _WITH_PARAMETERS:
        return False
    return name == "cast" or name in _FORMULAS or _RENAMED.get(name, name) in _NUMERIC


def _is_logical(name: str, line: Line, chars: Sequence[str]) -> bool:
    if name in RELATIONS:
        return _compared(line, chars) in _REAL
    if name in _LOGICAL:
        return set(chars) == {"?"} and len(chars) == len(line.operands)
    return name in _TESTS and set(chars) <= _REAL


def _exponent(line: Line) -> float | None:
    y = line.operands[1]
    return None if type(y) is Slot or isinstance(y, np.ndarray) else float(y)


def _is_read(x: Any, kinds: Kinds, dtype: Dtype) -> bool:
    """Return whether an operand is one that a loop reads, or a number."""
    if type(x) is Slot:
        _, found = kinds[x]
        return found is not None and found.char in _READ and found.isnative
    if isinstance(x, np.ndarray) and number_of(x) is None:
        return x.dtype.char in _READ and x.dtype.isnative
    if not isinstance(x, bool | int | float | np.generic | np.ndarray):
        return False
    if np.result_type(x).kind not in "bfiu":
        return False
    number = number_of(x)
    if number is None:
        return False
    most = float(np.finfo(np.float32 if dtype.char == "f" else np.float64).max)
    return abs(number) <= most or not isfinite(number)


def number_of(x: Any) -> float | None:
    """Return the number that a constant is in all its elements; None if they may differ."""
    if not isinstance(x, np.ndarray):
        return float(x)
    return float(x.flat[0]) if x.size == 1 or (x.size and not any(x.strides)) else None


def _char(x: Any, kinds: Kinds) -> str:
    if isinstance(x, np.ndarray):
        return "" if number_of(x) is not None else x.dtype.char
    if type(x) is not Slot:
        return ""
    dtype = kinds[x][1]
    assert dtype is not None
    return dtype.char


def _compared(line: Line, chars: Sequence[str]) -> str:
    """Return the dtype in which operands are compared."""
    numbers = [x for x in line.operands if type(x) is not Slot and number_of(x) is not None]
    numbers = [x.dtype if isinstance(x, np.ndarray) else x for x in numbers]
    return np.result_type(*[np.dtype(c) for c in chars], *numbers).char


def lowered(w: Writer, line: Line, xs: Sequence[Value], kinds: Kinds) -> Value:
    """Write the steps of a line, and return the name of its result.

    Parameters
    ----------
    w : Writer
    line : Line
    xs : sequence of str or float
        Its operands.
    kinds : dict
        Shapes and dtypes of values.
    """
    assert line.dtype is not None
    name, char = line.op.name, line.dtype.char
    chars = [_char(x, kinds) for x in line.operands]
    w.char = char
    if name == "where":
        return w(name, xs[0], *[w.cast(x, c, char) for x, c in zip(xs[1:], chars[1:], strict=True)])
    if name == "cast":
        return w.cast(xs[0], chars[0], char)
    target = (
        char
        if char != "?"
        else "?"
        if name in _LOGICAL
        else _compared(line, [c for c in chars if c])
    )
    ys = [w.cast(x, c, target) for x, c in zip(xs, chars, strict=True)]
    if name == "pow":
        exponent = _exponent(line)
        assert exponent is not None
        return _POWERS[exponent](w, ys[0])
    if name in _FORMULAS:
        return _FORMULAS[name](w, *ys, **line.params)
    return w(_RENAMED.get(name, name), *ys)
