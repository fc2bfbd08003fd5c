"""`define_operation`: operations of users, declared as in this library."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from dlgradient import rules
from dlgradient.core.arguments import checked
from dlgradient.core.types import Declarer

__all__ = ["define_operation"]

Kind: TypeAlias = Literal["elementwise", "linear", "multilinear", "constant", "general"]

_DECLARERS = {
    "elementwise": rules.elementwise,
    "linear": rules.linear,
    "multilinear": rules.multilinear,
    "constant": rules.constant,
    "general": rules.general,
}


@checked
def define_operation(kind: Kind, /, **declaration: Any) -> Declarer:
    """Declare an operation by a kernel and one mathematical rule, as this library does.

    The decorated function is the kernel, on raw arrays: operands are before ``/``, parameters after
    it. The decorator returns a function of dlarrays, with forward mode and derivatives of every
    order. A declaration that runs again, as the cell of a notebook, replaces the one before.

    Parameters
    ----------
    kind : {"elementwise", "linear", "multilinear", "constant", "general"}
        What the rule is: a differential, an adjoint, an adjoint for each operand, nothing, or a
        vector-Jacobian product.
    **declaration
        A rule for each operand, by its name, and these options:

        * ``samples=``, ``errors=``: functions of a maker that return the calls to test, and wrong
          calls with their errors. Samples are required;
        * ``vjp=``, ``fast_vjp=``, ``jvp=``: one rule for the cotangents of all operands; the same
          on raw arrays of real values, faster; rules for tangents, by the names of operands;
        * ``format=``, ``format_family=``: the format family, or a function of the result's format;
          the family of such a function;
        * ``domain="real"``, ``floating=True``: complex operands are refused; integers become
          float64 first;
        * ``masks=``, ``selects=``: whether it makes structural zeros; whether its rules then only
          select and scale;
        * ``outputs=``: number of results, if the kernel returns a tuple;
        * ``kernel=``, ``numpy=``, ``reference=``, ``shown=``: the kernel, if it is another
          function; NumPy's counterpart; another oracle; the name in messages.

        The page on writing a rule explains each.

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

    See Also
    --------
    DifferentiableFunction : class with a forward and a backward pass of your own
    dlgradient.testing.check_operation : check all that a declaration promises

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
    return _DECLARERS[kind](**declaration)
