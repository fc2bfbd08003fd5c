"""`define_operation`: operations of users, declared as in this library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from dlgradient import rules
from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.declaration import OPS
from dlgradient.core.types import Declarer, P, R
from dlgradient.errors import RuleError

__all__ = ["define_operation"]

Kind: TypeAlias = Literal["elementwise", "linear", "multilinear", "constant", "general"]

_DECLARERS = {
    "elementwise": rules.elementwise,
    "linear": rules.linear,
    "multilinear": rules.multilinear,
    "constant": rules.constant,
    "general": rules.general,
}
# Operations that users declared, and may declare again.
_defined: set[str] = set()


@checked
def define_operation(kind: Kind, /, **declaration: Any) -> Declarer:
    """Declare an operation by a kernel and one mathematical rule, as this library does.

    The decorated function is the kernel, on raw arrays: operands are before ``/``, parameters after
    it. The decorator returns a function of dlarrays, with forward mode and derivatives of every
    order. A second declaration with the same name replaces the first.

    Parameters
    ----------
    kind : {"elementwise", "linear", "multilinear", "constant", "general"}
        What the rule is: a differential, an adjoint, an adjoint for each operand, nothing, or a
        vector-Jacobian product.
    **declaration
        The rules, by the names of operands (or ``vjp=`` for all together), and ``samples=``, a
        function of a maker that returns cases to test. See the page on writing a rule.

    Returns
    -------
    callable
        The decorator.

    Raises
    ------
    RuleError
        If the declaration is incomplete or contradicts itself, or the name is that of a function of
        this library.
    InvalidArgumentError
        If there is no such kind.

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> from dlgradient.testing import case, check_operation
    >>> @dl.define_operation(
    ...     "elementwise",
    ...     x=lambda t, x: t * dl.cos(x),
    ...     samples=lambda m: [case(m.real(3)), case(m.complex(2, 2))],
    ... )
    ... def sine(x, /):
    ...     "Sine, elementwise."
    ...     return np.sin(x)
    >>> check_operation(sine)
    >>> dl.dlfeval(lambda x: dl.dlgradient(sine(x), x), dl.dlarray(0.0)).item()
    1.0
    """
    declare = _DECLARERS[kind](**declaration)

    def decorate(function: Callable[P, R], /) -> Callable[P, R]:
        name = function.__name__
        before = None
        if name in _defined and name in OPS:
            before = OPS.pop(name), FUNCTIONS.pop(name)
        try:
            path = declare(function)
        except RuleError:
            if before is not None:
                OPS[name], FUNCTIONS[name] = before
            raise
        _defined.add(name)
        return path

    return decorate
