"""Operations of single numbers, as instructions.

A rule gets the function that is written, and registers of one type; it returns a register. The
operations are those of the kernels, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from dlgradient.native.code import Register
from dlgradient.native.loops import RELATIONS
from dlgradient.native.objects import PythonFunction
from dlgradient.program.machine.cells import Unsupported, compared

__all__ = ["ARITHMETIC", "LOGICAL", "RELATIONS", "TESTS", "power"]

Rule: TypeAlias = Callable[..., Register]
_REAL = ("double", "float")


def _real(x: Register) -> None:
    if x.kind not in _REAL:
        raise Unsupported(f"an operation of {x.kind}")


def _number(x: Register) -> None:
    if x.kind == "i1":
        raise Unsupported("arithmetic of bool")


# -- arithmetic ----------------------------------------------------------------------------------


def _add(_: PythonFunction, x: Register, y: Register) -> Register:
    _number(x)
    return x + y


def _subtract(_: PythonFunction, x: Register, y: Register) -> Register:
    _number(x)
    return x - y


def _multiply(_: PythonFunction, x: Register, y: Register) -> Register:
    _number(x)
    return x * y


def _divide(_: PythonFunction, x: Register, y: Register) -> Register:
    _real(x)
    return x / y


def _negative(f: PythonFunction, x: Register) -> Register:
    if x.kind == "i64":
        return f.assign(f"sub i64 0, {x.name}", "i64")
    _real(x)
    return f.assign(f"fneg {x.kind} {x.name}", x.kind)


def _positive(_: PythonFunction, x: Register) -> Register:
    _number(x)
    return x


def _abs(f: PythonFunction, x: Register) -> Register:
    _real(x)
    return f.call("fabs", x)


def _square(_: PythonFunction, x: Register) -> Register:
    _number(x)
    return x * x


def _reciprocal(f: PythonFunction, x: Register) -> Register:
    _real(x)
    return f.constant(1, x.kind) / x


def _sum_of_squares(_: PythonFunction, x: Register, y: Register) -> Register:
    _real(x)
    return x * x + y * y


def _one_minus_square(f: PythonFunction, x: Register) -> Register:
    _real(x)
    return f.constant(1, x.kind) - x * x


def _gap_to_one(f: PythonFunction, x: Register) -> Register:
    _real(x)
    one = f.constant(1, x.kind)
    return (one - x) * (one + x)


def _sqrt(f: PythonFunction, x: Register) -> Register:
    _real(x)
    return f.call("sqrt", x)


def _rounding(name: str) -> Rule:
    def rule(f: PythonFunction, x: Register) -> Register:
        _real(x)
        return f.call(name, x)

    return rule


def _copysign(f: PythonFunction, x: Register, y: Register) -> Register:
    _real(x)
    return f.call("copysign", x, y)


def _sign(f: PythonFunction, x: Register) -> Register:
    _real(x)
    negative = f.choose(compared(f, "lt", x, 0), f.constant(-1, x.kind), x)
    whole = f.choose(compared(f, "gt", x, 0), f.constant(1, x.kind), negative)
    return f.choose(compared(f, "eq", x, 0), f.constant(0, x.kind), whole)


def _where_positive(f: PythonFunction, x: Register, y: Register) -> Register:
    _real(x)
    return f.choose(compared(f, "gt", y, 0), x, f.constant(0, x.kind))


def _extremum(relation: str) -> Rule:
    def rule(f: PythonFunction, x: Register, y: Register) -> Register:
        """Return an operand that is NaN, and the second one of equal ones."""
        _real(x)
        nan = f.assign(f"fcmp uno {x.kind} {x.name}, {x.name}", "i1")
        return f.choose(nan, x, f.choose(compared(f, relation, x, y), x, y))

    return rule


# -- functions of the C library ------------------------------------------------------------------


def _of_library(name: str) -> Rule:
    """Return the rule of a function; one of float is computed as double, and rounded once more."""

    def rule(f: PythonFunction, *operands: Register) -> Register:
        _real(operands[0])
        if operands[0].kind == "double":
            return f.invoke(name, "double", *operands)
        wide = [f.assign(f"fpext float {x.name} to double", "double") for x in operands]
        found = f.invoke(name, "double", *wide)
        return f.assign(f"fptrunc double {found.name} to float", "float")

    return rule


_power = _of_library("pow")


def power(f: PythonFunction, x: Register, exponent: Any, *, scalar: bool) -> Register:
    """Return a power; the usual exponents without a call.

    Of arrays, the power one half is a root, as in NumPy.
    """
    _real(x)
    if type(exponent) is not Register:
        if exponent == 1:
            return x
        if exponent == 2:
            return x * x
        if exponent == 3:
            return x * x * x
        if exponent == -1:
            return _reciprocal(f, x)
        if exponent == 0.5 and not scalar:
            return _sqrt(f, x)
        exponent = f.constant(exponent, x.kind)
    return _power(f, x, exponent)


# Operands are converted to the dtype of the result.
ARITHMETIC: dict[str, Rule] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "positive": _positive,
    "abs": _abs,
    "square": _square,
    "abs2": _square,
    "reciprocal": _reciprocal,
    "sum_of_squares": _sum_of_squares,
    "one_minus_square": _one_minus_square,
    "gap_to_one": _gap_to_one,
    "sqrt": _sqrt,
    "root_of_squares": _sqrt,
    "floor": _rounding("floor"),
    "ceil": _rounding("ceil"),
    "trunc": _rounding("trunc"),
    "copysign": _copysign,
    "sign": _sign,
    "where_positive": _where_positive,
    **dict.fromkeys(("larger", "at_least"), _extremum("gt")),
    **dict.fromkeys(("smaller", "at_most"), _extremum("lt")),
    **{name: _of_library(name) for name in ("exp", "exp2", "expm1", "log", "log1p", "log2")},
    **{name: _of_library(name) for name in ("log10", "cbrt", "sin", "cos", "tan", "hypot")},
    **{name: _of_library(name) for name in ("asin", "acos", "atan", "atan2")},
    **{name: _of_library(name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
}

# -- conditions ----------------------------------------------------------------------------------


def _is_nan(f: PythonFunction, x: Register) -> Register:
    return f.assign(f"fcmp uno {x.kind} {x.name}, {x.name}", "i1")


def _is_inf(f: PythonFunction, x: Register) -> Register:
    return compared(f, "eq", f.call("fabs", x), float("inf"))


def _is_finite(f: PythonFunction, x: Register) -> Register:
    return compared(f, "lt", f.call("fabs", x), float("inf"))


# Of real numbers.
TESTS: dict[str, Rule] = {"isnan": _is_nan, "isinf": _is_inf, "isfinite": _is_finite}


def _logic(instruction: str) -> Rule:
    def rule(f: PythonFunction, x: Register, y: Register) -> Register:
        return f.assign(f"{instruction} i1 {x.name}, {y.name}", "i1")

    return rule


# Operands are converted to bool.
LOGICAL: dict[str, Rule] = {
    "logical_and": _logic("and"),
    "logical_or": _logic("or"),
    "logical_xor": _logic("xor"),
    "logical_not": lambda f, x: f.assign(f"xor i1 {x.name}, true", "i1"),
}
