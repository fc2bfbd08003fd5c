"""What special functions share: kernels of SciPy, samples, and parameters without a derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.threads import threaded
from dlgradient.core.types import Kernel, Operand, Rule, Value
from dlgradient.errors import ComplexValueError, UnsupportedFunctionError

__all__ = ["above", "no_derivative", "numbers", "of_scipy", "pairs", "refused", "unit"]


def of_scipy(name: str) -> Kernel:
    """Return a function of SciPy, on all cores; SciPy is imported when it is first needed."""

    def kernel(x: Operand, *others: Operand) -> Value:
        from scipy import special

        function: Callable[..., Value] = getattr(special, name)
        if not others:
            return threaded(function)(x)
        # An integer of Python would make single precision double.
        out = function(x, *others)
        dtype = np.result_type(x, *others)
        return out.astype(dtype, copy=False) if dtype.kind == "f" else out

    return kernel


def no_derivative(name: str, operand: str, what: str) -> Rule:
    """Return the rule of an operand whose derivative has no closed form."""

    def rule(g: Value) -> NoReturn:
        del g
        raise UnsupportedFunctionError(
            f"special.{name}: the derivative by {operand}, {what}, has no closed form, and is not "
            f"computed; give extractdata({operand}) if it is not wanted, or differences"
        )

    return rule


def numbers(m: Maker) -> list[Case]:
    """One real operand of both signs."""
    return [case(m.real(3)), case(m.real()), case(m.real(2, 0)), case(m.real(2, 2) * 2)]


def above(m: Maker) -> list[Case]:
    """One positive operand."""
    return [
        case(m.positive(3)),
        case(m.positive()),
        case(m.positive(2, 0)),
        case(m.positive(2) + 2),
    ]


def pairs(m: Maker) -> list[Case]:
    """Two positive operands."""
    return [
        case(m.positive(3), m.positive(3)),
        case(m.positive(2, 1), m.positive(3)),
        case(m.positive(), m.positive(2)),
        case(m.positive(0), m.positive()),
    ]


def unit(m: Maker) -> list[Case]:
    """One operand between 0 and 1."""
    return [case(m.between(0.1, 0.9, 3)), case(m.between(0.2, 0.8)), case(m.between(0.0, 1.0, 0))]


def refused(m: Maker, *others: Any) -> list[Error]:
    """A complex last operand, after others."""
    return [Error(case(*others, m.complex(2)), ComplexValueError, "must be real")]
