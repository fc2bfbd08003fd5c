"""Declarations of kinds that no operation of the library has yet are promised all the same."""

import inspect
import math
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.rules import OPS, general, multilinear
from dlgradient.testing import case, check_operation


def product_of(arrays: Any, /) -> Any:
    """Product of any number of arrays."""
    out = arrays[0]
    for a in arrays[1:]:
        out = out * a
    return out


def three_way(x: Any, y: Any, z: Any, /, *, factor: float = 2.0) -> Any:
    """Product of three arrays and a factor."""
    return factor * x * y * z


def variadic_samples(m: Any) -> list[Any]:
    return [
        case([m.real(3), m.real(3)]),
        case([m.real(3), m.real(3), m.real(3)]),
        case([m.real(3), 2.5]),
        case([m.real(3)]),
    ]


def test_rule_that_reads_all_operands_and_the_result(declared: Any) -> None:
    declarer = general(
        vjp=lambda g, arrays, out: [g * np.conj(out / a) for a in arrays],
        format="new",
        samples=variadic_samples,
    )
    check_operation(declared(declarer, product_of))
    op = OPS["product_of"]
    assert op.saves((True, True)) == (True, True, True)
    assert op.saves((True, False)) == (True, True, True)
    assert op.saves((False, False)) == ()


def test_rule_that_reads_all_operands(declared: Any) -> None:
    def pulled(g: Any, arrays: Any) -> list[Any]:
        return [
            g * np.conj(math.prod(a for j, a in enumerate(arrays) if j != i))
            for i in range(len(arrays))
        ]

    declarer = general(vjp=pulled, format="new", samples=variadic_samples)
    check_operation(declared(declarer, product_of))
    assert OPS["product_of"].saves((False, True, False)) == (True, True, True, False)


def test_rules_of_three_arguments(declared: Any) -> None:
    declarer = multilinear(
        x=lambda g, y, z, factor: g * y * z * factor,
        y=lambda g, x, z, factor: g * x * z * factor,
        z=lambda g, x, y, factor: g * x * y * factor,
        domain="real",
        format="align",
        samples=lambda m: [
            case(m.real(3), m.real(3), m.real(3)),
            case(m.real(3), m.real(3), m.real(3), factor=-1.5),
            case(m.real(3), 2.0, m.real(2, 1)),
        ],
    )
    check_operation(declared(declarer, three_way))


@pytest.mark.parametrize("traced", [True, False])
def test_rule_of_three_values(declared: Any, traced: bool) -> None:
    declarer = general(
        x=lambda g, x, y, out: g * out * y / (x * y),
        y=lambda g, x, y, out: g * out * x / (x * y),
        domain="real",
        format="align",
        samples=lambda m: [case(m.real(3), m.real(3))],
    )

    def multiplied(x: Any, y: Any, /) -> Any:
        """Product of two arrays."""
        return x * y

    public = declared(declarer, multiplied)
    check_operation(public)

    def run(x: Any, y: Any) -> Any:
        return dl.dlgradient(public(x, y).sum(), x, y, enable_higher_derivatives=traced)

    x, y = dl.dlfeval(run, dl.dlarray([1.0, 2.0]), dl.dlarray([3.0, 4.0]))
    np.testing.assert_allclose(x.tolist(), [3.0, 4.0])
    np.testing.assert_allclose(y.tolist(), [1.0, 2.0])


@pytest.mark.parametrize("traced", [True, False])
def test_a_joint_rule_is_told_which_operands_are_traced(declared: Any, traced: bool) -> None:
    asked = []

    def pulled(g: Any, x: Any, y: Any, x_wanted: bool, y_wanted: bool) -> tuple[Any, Any]:
        asked.append((x_wanted, y_wanted))
        return g * y if x_wanted else None, g * x if y_wanted else None

    def multiplied(x: Any, y: Any, /) -> Any:
        """Product of two arrays."""
        return x * y

    declarer = general(
        vjp=pulled,
        domain="real",
        format="align",
        samples=lambda m: [case(m.real(3), m.real(3))],
    )
    public = declared(declarer, multiplied)
    check_operation(public)
    asked.clear()

    def run(x: Any) -> Any:
        y = public(x, np.array([3.0, 4.0])).sum()
        return dl.dlgradient(y, x, enable_higher_derivatives=traced)

    assert dl.dlfeval(run, dl.dlarray([1.0, 2.0])).tolist() == [3.0, 4.0]
    assert asked == [(True, False)]


def test_parameters_are_those_of_the_signature() -> None:
    kinds = inspect.Parameter
    for op in OPS.values():
        parameters = inspect.signature(op.call).parameters.values()
        assert op.operands == tuple(p.name for p in parameters if p.kind is kinds.POSITIONAL_ONLY)
        assert op.positional == tuple(
            p.name for p in parameters if p.kind is kinds.POSITIONAL_OR_KEYWORD
        )
        assert list(op.params) == [p.name for p in parameters if p.name not in op.operands]
        assert all(op.params[p.name] is p.default for p in parameters if p.name in op.params)


def test_kernel_that_is_no_plain_function(declared: Any) -> None:
    class Scaled:
        """An array, scaled."""

        __name__ = "scaled_by_object"

        def __call__(self, x: Any, /, *, factor: float = 2.0) -> Any:
            return factor * x

    declarer = general(
        x=lambda g, factor: factor * g,
        samples=lambda m: [case(m.real(3)), case(m.real(2, 2), factor=-1.5)],
    )
    check_operation(declared(declarer, Scaled()))


def _first_squared(g: Any, x: Any, y: Any) -> Any:  # noqa: ARG001 - one cotangent is missing
    return (2 * g * dl.conj(x),)


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        (_first_squared, 1),
        (lambda g, x, y: [g * y, g * x, g], 3),
        (lambda g, x, y: g * x * y, 1),
        (lambda g: (), 0),  # noqa: ARG005
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_a_joint_rule_of_a_user_returns_a_cotangent_for_each_operand(
    rule: Any, count: int, order: int, declared: Any
) -> None:
    def times(x: Any, y: Any, /) -> Any:
        """Product."""
        return x * y

    def samples(m: Any) -> list[Any]:
        return [case(m.real(3), m.real(3))]

    declarer = dl.define_operation("general", vjp=rule, format="align", samples=samples)
    product = declared(declarer, times)

    def fun(x: Any, y: Any) -> Any:
        loss = product(x, y).sum()
        return dl.dlgradient(loss, x, y, enable_higher_derivatives=order == 2)

    x = dl.dlarray(np.arange(3.0))
    message = rf"operation times: vjp= returned {count} of 2 cotangents; return a tuple"
    with pytest.raises(dl.RuleError, match=message):
        dl.dlfeval(fun, x, x + 1)
    with pytest.raises(dl.RuleError, match=message):
        dl.dlfeval(lambda x: dl.dljvp(product(x, x + 1), x, np.ones(3)), x)
