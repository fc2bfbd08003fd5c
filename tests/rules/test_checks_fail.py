"""The checks can fail: each finds the operation that was declared wrong on purpose."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.errors import FormatClashError, InvalidArgumentError, RuleError
from dlgradient.rules import constant, elementwise, general, linear, multilinear
from dlgradient.testing import (
    Check,
    CheckError,
    Error,
    case,
    central_difference,
    check_derivatives,
    check_operation,
    compare,
    inner,
    operation_checks,
)


def real(m: Any) -> list[Any]:
    return [case(m.real(3))]


def matrix(m: Any) -> list[Any]:
    return [case(m.real(2, 3))]


def complex_(m: Any) -> list[Any]:
    return [case(m.complex(3))]


def pair(m: Any) -> list[Any]:
    return [case(m.real(3), m.real(3))]


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make an operation of one operand named `op` of a kernel."""

    def op(x: Any, /) -> Any:
        return function(x)

    op.__doc__ = "Operation under test."
    return op


def two(function: Callable[..., Any]) -> Callable[..., Any]:
    def op(x: Any, y: Any, /) -> Any:
        return function(x, y)

    op.__doc__ = "Operation under test."
    return op


def total(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Operation under test."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


def in_place(x: Any) -> Any:
    x += 1.0
    return x


class Counter:
    """A kernel that does not give the same value twice."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return x * self.calls


def untraced(x: Any) -> Any:
    return dl.extractdata(x)


def refuse(x: Any) -> Any:
    raise FormatClashError(f"one of shape {x.shape}")


class Wrong(NamedTuple):
    """A wrong declaration, and the check that must find it."""

    aspect: str
    declare: Callable[[], Any]
    function: Callable[..., Any]
    text: str


WRONG = {
    "factor": Wrong(
        "derivatives",
        lambda: elementwise(x=lambda t, x: 3 * t * x, samples=real),
        kernel(lambda x: x * x),
        "order 1, argument x",
    ),
    "sign": Wrong(
        "derivatives",
        lambda: elementwise(x=lambda t, x: t * dl.sin(x), samples=real),
        kernel(np.cos),
        "order 1, argument x",
    ),
    "second operand": Wrong(
        "derivatives",
        lambda: multilinear(x=lambda g, y: g * y, y=lambda g, y: g * y, samples=pair),
        two(lambda x, y: x * y),
        "order 1, argument y",
    ),
    "missing operand": Wrong(
        "derivatives",
        lambda: elementwise(x=lambda t, y: t * y, samples=pair),
        two(lambda x, y: x * y),
        "argument y",
    ),
    "no conjugate": Wrong(
        "derivatives",
        lambda: linear(x=lambda g: g * 1j, samples=complex_),
        kernel(lambda x: x * 1j),
        "vjp",
    ),
    "constant that is none": Wrong(
        "derivatives",
        lambda: constant(samples=real),
        kernel(np.sin),
        "jvp gives 0.0",
    ),
    "jvp and vjp disagree": Wrong(
        "derivatives",
        lambda: general(
            x=lambda g, x: g * dl.cos(x), jvp={"x": lambda t, x: t * dl.sin(x)}, samples=real
        ),
        kernel(np.sin),
        "jvp gives",
    ),
    "first order right, second wrong": Wrong(
        "derivatives",
        lambda: elementwise(x=lambda t, x: t * dl.cos(untraced(x)), samples=real),
        kernel(np.sin),
        "order 2",
    ),
    "value": Wrong(
        "value",
        lambda: elementwise(x=lambda t: t, samples=real, numpy=np.negative),
        kernel(lambda x: x),
        "numpy=negative",
    ),
    "reference": Wrong(
        "value",
        lambda: elementwise(x=lambda t: t, samples=real, reference=lambda x: x + 1e-9),
        kernel(lambda x: x),
        "reference=",
    ),
    "double precision forward": Wrong(
        "dtype",
        lambda: linear(x=lambda g: g, samples=real),
        kernel(lambda x: x * np.ones(3)),
        "float64 for operands of single precision",
    ),
    "operand changed": Wrong(
        "untouched",
        lambda: linear(x=lambda g: g, samples=real),
        kernel(in_place),
        "read-only",
    ),
    "value that changes": Wrong(
        "paths",
        lambda: linear(x=lambda g: g, samples=real),
        kernel(Counter()),
        "on dlarrays gives",
    ),
    "gradient at a kink": Wrong(
        "kink",
        lambda: elementwise(
            x=lambda t, x: t * dl.sign(x),
            samples=lambda _: [case(np.zeros(2), kink=True, gradient={"x": np.ones(2)})],
        ),
        kernel(np.abs),
        "the declaration 1.0",
    ),
    "gradient of a name that does not exist": Wrong(
        "kink",
        lambda: elementwise(
            x=lambda t, x: t * dl.sign(x),
            samples=lambda _: [case(np.zeros(2), kink=True, gradient={"x": np.zeros(2), "y": 0})],
        ),
        kernel(np.abs),
        "gradient= names y; the operands are x",
    ),
    "gradient that is left out": Wrong(
        "kink",
        lambda: elementwise(
            x=lambda t, x: t * dl.sign(x),
            samples=lambda _: [case(np.zeros(2), kink=True, gradient={})],
        ),
        kernel(np.abs),
        "gradient= says nothing of argument x",
    ),
    "labels of a reduction": Wrong(
        "format",
        lambda: linear(
            x=lambda g, x_like: dl.broadcast_to(g, shape=x_like.shape),
            format=lambda formats, _shapes, _params: formats[0],
            samples=matrix,
        ),
        total,
        "format 'CB': refused",
    ),
    "labels of no operand": Wrong(
        "format",
        lambda: linear(x=lambda g: g, format=lambda *_: "TB", samples=matrix),
        kernel(lambda x: x),
        "labels of no operand",
    ),
    "error that is not raised": Wrong(
        "error",
        lambda: linear(
            x=lambda g: g,
            samples=real,
            errors=lambda m: [Error(case(m.real(2)), InvalidArgumentError, "never")],
        ),
        kernel(lambda x: x),
        "no InvalidArgumentError is raised",
    ),
    "error with another text": Wrong(
        "error",
        lambda: linear(
            x=lambda g: g,
            samples=real,
            errors=lambda m: [Error(case(m.real(2)), FormatClashError, "two")],
        ),
        kernel(refuse),
        "does not match 'two'",
    ),
    "read but not named": Wrong(
        "unkept",
        lambda: multilinear(
            x=lambda g, y_like: g * y_like,
            y=lambda g, x: g * x,
            samples=lambda m: [case(m.real(3), 2.5)],
        ),
        two(lambda x, y: x * y),
        "unsupported operand .* 'Like'",
    ),
    "complex cotangent of a real result": Wrong(
        "complex",
        lambda: general(x=lambda g, x: g * dl.sign(x), samples=complex_),
        kernel(np.abs),
        "order 1, argument x",
    ),
    "modes that disagree at a kink": Wrong(
        "adjoint",
        lambda: general(
            x=lambda g, x: g * dl.sign(x),
            jvp={"x": lambda t: t},
            samples=lambda _: [case(np.zeros(2), kink=True)],
        ),
        kernel(np.abs),
        "vjp gives .*, jvp",
    ),
    "array without dimensions": Wrong(
        "paths",
        lambda: linear(x=lambda g: g, samples=lambda m: [case(m.real())]),
        kernel(np.asarray),
        "an array, not a scalar",
    ),
    "shape of the cotangent": Wrong(
        "derivatives",
        lambda: linear(x=lambda g: g, samples=lambda m: [case(m.real(2, 3))]),
        kernel(np.transpose),
        r"made a cotangent of shape \(3, 2\) for \(2, 3\)",
    ),
    "no conjugate for a real variable": Wrong(
        "derivatives",
        lambda: general(x=lambda g: g * (1 + 1j), samples=real),
        kernel(lambda x: x * (1 + 1j)),
        "argument x: jvp gives",
    ),
}

WRONG |= {
    "wrong faster rule": Wrong(
        "fast",
        lambda: general(
            vjp=lambda g, x: (g * dl.cos(x),),
            fast_vjp=lambda g, x: (g * np.sin(x),),
            samples=real,
        ),
        kernel(np.sin),
        "argument x: fast_vjp gives .*, vjp",
    ),
    "wrong faster rule of a result that is used alone": Wrong(
        "fast",
        lambda: general(
            vjp=lambda g, x: (sum(c * dl.cos(x) for c in g if c is not None),),
            fast_vjp=lambda g, x: ((0.0 if g[1] is None else g[1] + (g[0] or 0)) * np.cos(x),),
            outputs=2,
            format="new",
            samples=lambda m: [case(m.real())],
        ),
        kernel(lambda x: (np.sin(x), np.sin(x) + 1)),
        "fast_vjp gives .*, vjp",
    ),
}

WRONG |= {
    "no conjugate, real samples of products": Wrong(
        "complexified",
        lambda: multilinear(x=lambda g, y: g * y, y=lambda g, x: g * x, samples=pair),
        two(lambda x, y: x * y),
        "domain='real'.*argument x: vjp gives",
    ),
    "no conjugate, real samples of a general rule": Wrong(
        "complexified",
        lambda: general(x=lambda g, x: g * dl.cos(x), samples=real),
        kernel(np.sin),
        "domain='real'.*argument x: jvp gives",
    ),
    "complex operands that are not known to be refused": Wrong(
        "complexified",
        lambda: elementwise(x=lambda t, x: t / dl.abs(x) * x, samples=real),
        kernel(np.fabs),
        "domain='real'.*TypeError|domain='real'.*ComplexValueError",
    ),
    "dimensions that change places": Wrong(
        "format",
        lambda: linear(x=lambda g: g.T, format="same", samples=matrix),
        kernel(np.transpose),
        r"shape \(3, 2\), an operand \(2, 3\), and the family 'same'",
    ),
    "an operand that is saved and not read": Wrong(
        "saved",
        lambda: elementwise(x=lambda t, x: -t, samples=real),  # noqa: ARG005 - this is wrong
        kernel(np.negative),
        "the rule x names x, which is saved",
    ),
    "a result that is saved and not read": Wrong(
        "saved",
        lambda: general(
            vjp=lambda g, x, out: (2 * g * dl.conj(x),),  # noqa: ARG005 - this is wrong
            samples=complex_,
        ),
        kernel(lambda x: x * x),
        "the rule vjp names out, which is saved",
    ),
    "a direction that is shown": Wrong(
        "derivatives",
        lambda: linear(x=lambda g: 2 * g, samples=real),
        kernel(lambda x: x * 1.0),
        r"in the direction t = \[.*\], for the cotangent g = \[",
    ),
}


def run(checks: list[Check]) -> None:
    for check in checks:
        check()


@pytest.mark.parametrize("what", WRONG)
def test_wrong_declaration_is_found(what: str, declared: Any) -> None:
    aspect, declare, function, text = WRONG[what]
    public = declared(declare(), function)
    checks = [check for check in operation_checks(public) if check.aspect == aspect]
    with pytest.raises((CheckError, TypeError, ValueError, RuleError), match=text):
        run(checks)


def test_right_declarations_pass(declared: Any) -> None:
    check_operation(
        declared(elementwise(x=lambda t, x: t * dl.cos(x), samples=real), kernel(np.sin))
    )


def test_check_derivatives_names_the_argument() -> None:
    def fun(x: Any, y: Any) -> Any:
        return x * dl.dlarray(dl.extractdata(y))

    with pytest.raises(CheckError, match=r"fun, order 1, argument args\[1\]: jvp gives"):
        check_derivatives(fun, [1.0, 2.0], np.array([3.0, 4.0]))


@pytest.mark.parametrize("point", [[1.0, 2.0], (1.0, 2.0), [[1.0], [2.0]], [1j, 2.0]])
def test_check_derivatives_of_numbers_in_lists(point: Any) -> None:
    def fun(x: Any) -> Any:
        return dl.sin(x) * dl.extractdata(dl.sin(x))

    with pytest.raises(CheckError, match="gives"):
        check_derivatives(fun, point)
    check_derivatives(dl.sin, point)


def test_check_derivatives_of_nothing() -> None:
    for args in ((), (1.0,), ([1, 2],), (np.arange(3),), ([],)):
        with pytest.raises(dl.InvalidArgumentError, match="nothing to check"):
            check_derivatives(lambda *_: dl.zeros(2), *args)
    with pytest.raises(dl.InvalidArgumentError, match=r"must return a dlarray.*not float"):
        check_derivatives(lambda x: x.sum().item(), np.ones(2))


@pytest.mark.parametrize("mode", ["vjp", "jvp"])
def test_check_derivatives_of_one_mode(mode: str) -> None:
    def fun(x: Any) -> Any:
        return x * dl.extractdata(x)

    with pytest.raises(CheckError, match=f"{mode} gives"):
        check_derivatives(fun, np.array([3.0, 4.0]), modes=[mode])
    check_derivatives(dl.sin, np.array([3.0, 4.0]), modes=[mode], order=3)


def test_check_derivatives_at_the_edge_of_the_domain() -> None:
    with pytest.raises(CheckError, match="not finite"):
        check_derivatives(dl.sqrt, np.array([0.0, 1.0]))


def test_check_derivatives_of_containers_and_formats() -> None:
    def fun(p: Any, factor: float) -> Any:
        return {"y": p["x"] * p["w"] * factor, "z": dl.sin(p["w"])}

    x = dl.dlarray(np.array([[0.5, 1.5]]), "CB")
    check_derivatives(fun, {"x": x, "w": np.array([[2.0], [3.0]])}, 2.0)


def test_compare_says_where() -> None:
    with pytest.raises(CheckError, match=r"f: a gives 3.0 at \(1,\), b 2.0 \(difference 1"):
        compare("f", "a", [1.0, 3.0], "b", [1.0, 2.0], rtol=1e-6)
    with pytest.raises(CheckError, match=r"a has shape \(2,\), b: \(\)"):
        compare("f", "a", [1.0, 3.0], "b", 1.0, rtol=1e-6)
    with pytest.raises(CheckError, match="a gives nan"):
        compare("f", "a", [np.nan, 3.0], "b", [1.0, 3.0], rtol=1e-6)
    compare("f", "a", [np.nan, np.inf, 3.0], "b", [np.nan, np.inf, 3.0], rtol=0)


def test_central_difference_of_a_complex_function() -> None:
    z, t = np.array(0.5 + 1j), np.array(1 - 2j)
    (found,) = central_difference(lambda x: [np.exp(x)], [z], [t])
    assert abs(found - np.exp(z) * t) < 1e-11
    assert inner(z, t) == (z.conj() * t).real
