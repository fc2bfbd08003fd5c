"""A declaration that is incomplete or contradicts itself is an error when it is loaded."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dlgradient.errors import RuleError
from dlgradient.rules import (
    OPS,
    Factor,
    constant,
    derived,
    elementwise,
    general,
    linear,
    multilinear,
)
from dlgradient.testing import case


def samples(m: Any) -> list[Any]:
    return [case(m.real(3))]


def identity(t: Any) -> Any:
    return t


def fun(x: Any, /) -> Any:
    """Operation under test."""
    return x


def with_param(x: Any, /, *, axis: Any = None) -> Any:
    """Operation under test."""
    return x if axis is None else -x


def undocumented(x: Any, /) -> Any:
    return x


def two(x: Any, y: Any, /) -> Any:
    """Operation under test."""
    return x + y


def no_operand(*, x: Any) -> Any:
    """Operation under test."""
    return x


def star_args(x: Any, /, *more: Any) -> Any:
    """Operation under test."""
    return x, more


def star_kwargs(x: Any, /, **more: Any) -> Any:
    """Operation under test."""
    return x, more


def exp(x: Any, /) -> Any:
    """Operation whose name is taken."""
    return x


@pytest.fixture(autouse=True)
def _table_unchanged(declared: Any) -> Iterator[None]:  # noqa: ARG001 - restores the table
    before = set(OPS)
    yield
    assert set(OPS) == before


BAD: dict[str, tuple[Callable[[], Any], Callable[..., Any], str]] = {
    "rule for an unknown operand": (
        lambda: elementwise(z=identity, samples=samples),
        fun,
        r"operation fun: a rule for 'z', operands \('x',\)",
    ),
    "option with a slip": (
        lambda: elementwise(x=identity, domian="real", samples=samples),
        fun,
        r"operation fun: a rule for 'domian', operands \('x',\); write domain=",
    ),
    "floating-point numbers of two operands": (
        lambda: elementwise(x=identity, floating=True, samples=samples),
        two,
        r"operation two: floating=True is for one operand, and there are \('x', 'y'\)",
    ),
    "rule that asks for an unknown name": (
        lambda: elementwise(x=lambda t, w: t * w, samples=samples),
        fun,
        "operation fun: the rule <lambda> asks for 'w', which is neither an operand",
    ),
    "factor that asks for an unknown name": (
        lambda: elementwise(x=Factor(lambda w: w), samples=samples),
        fun,
        "operation fun: the rule <lambda> asks for 'w', which is neither an operand",
    ),
    "rule of any number of arguments": (
        lambda: elementwise(x=lambda t, *rest: t * len(rest), samples=samples),
        fun,
        "operation fun: the rule <lambda> asks for 'rest', which is neither an operand",
    ),
    "_like of an unknown operand": (
        lambda: linear(x=lambda g, y_like: (g, y_like), samples=samples),
        fun,
        "asks for 'y_like'",
    ),
    "parameter of another operation": (
        lambda: linear(x=lambda g, keepdims: (g, keepdims), samples=samples),
        with_param,
        r"asks for 'keepdims', .* nor a parameter \('axis',\)",
    ),
    "jvp for an unknown operand": (
        lambda: general(x=identity, jvp={"y": identity}, samples=samples),
        fun,
        "a rule for 'y'",
    ),
    "no samples": (lambda: elementwise(x=identity), fun, "operation fun: no samples"),
    "no docstring": (
        lambda: elementwise(x=identity, samples=samples),
        undocumented,
        "operation undocumented: no docstring",
    ),
    "no rule": (lambda: linear(samples=samples), fun, "linear needs a rule"),
    "no rule, multilinear": (
        lambda: multilinear(samples=samples),
        fun,
        "multilinear needs a rule",
    ),
    "constant with a rule": (
        lambda: constant(x=identity, samples=samples),
        fun,
        "constant operations have no rule",
    ),
    "constant with a joint rule": (
        lambda: constant(vjp=identity, samples=samples),
        fun,
        "constant operations have no rule",
    ),
    "unknown format family": (
        lambda: linear(x=identity, samples=samples, format="shuffle"),
        fun,
        "unknown format family 'shuffle'",
    ),
    "no operand": (
        lambda: constant(samples=samples),
        no_operand,
        "no operand",
    ),
    "variable number of operands": (
        lambda: constant(samples=samples),
        star_args,
        "one sequence named arrays",
    ),
    "unnamed parameters": (
        lambda: constant(samples=samples),
        star_kwargs,
        "every parameter has a name",
    ),
    "nothing to reduce": (
        lambda: linear(x=identity, format="reduce", samples=samples),
        fun,
        "'reduce' needs a parameter axis",
    ),
    "factor of two": (
        lambda: elementwise(x=Factor(lambda x, out: x * out), samples=samples),
        fun,
        r"a Factor is a function of one operand.*takes \('x', 'out'\)",
    ),
    "factor of none": (
        lambda: elementwise(x=Factor(lambda: 2.0), samples=samples),
        fun,
        r"a Factor is a function of one operand.*takes \(\)",
    ),
    "declared twice": (
        lambda: elementwise(x=identity, samples=samples),
        exp,
        "operation exp is declared twice",
    ),
    "composition declared twice": (
        lambda: derived(samples=samples),
        exp,
        "exp is declared twice",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_declaration(what: str) -> None:
    declare, function, text = BAD[what]
    with pytest.raises(RuleError, match=text):
        declare()(function)


def test_a_good_declaration_is_entered(declared: Any) -> None:
    public = declared(linear(x=identity, samples=samples), fun)
    assert OPS["fun"].call is public
    assert public.__doc__ == fun.__doc__
    declared.undo()
    assert "fun" not in OPS
