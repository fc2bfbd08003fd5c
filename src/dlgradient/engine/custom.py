"""`DifferentiableFunction`: a forward and a backward pass in any code.

It is for functions without a mathematical rule that `define_operation` could take. It has a forward
pass, a backward pass that returns gradients, and saved values.

A backward pass that is written in functions of dlarrays is differentiated again like everything
else. One that is not has no second derivative: a request for it is an error. The same is true for a
saved value that is neither an argument nor a result, because its derivative is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.calls import (
    fixed_parameters,
    open_node,
    picked,
    record,
    values_and_parents,
    wrap,
)
from dlgradient.core.conversion import converted
from dlgradient.core.declaration import Declaration, Op
from dlgradient.core.graph import Node
from dlgradient.core.pulls import Pull
from dlgradient.core.surroundings import remember
from dlgradient.core.types import (
    Cotangent,
    Format,
    Function,
    Operand,
    Params,
    RawValue,
    Shape,
    Value,
)
from dlgradient.core.values import as_value
from dlgradient.engine.array import dlarray
from dlgradient.engine.context import Context
from dlgradient.engine.function_call import FunctionCall
from dlgradient.errors import RuleError

__all__ = ["DifferentiableFunction"]


class DifferentiableFunction:
    """Base class of functions with a forward and a backward pass.

    A subclass defines

    ``forward(self, context, *xs, **params)``
        Returns the results, one or a tuple, from the arguments, which are read-only NumPy arrays.
        Any code may compute them, also in a buffer that it uses again: what it returns and saves is
        copied then. It may be called again to recompute dropped values, so draw random numbers
        outside, and pass them as an argument.
    ``backward(self, context, *gs)``
        Returns the gradients with respect to the arguments, one or a tuple, None for zero. It gets
        a cotangent for each result (zeros for one that is not used). For complex arrays these are
        ∂/∂Re + i ∂/∂Im.

    The context of a call has

    ``save(*values)``
        Keeps arguments, results or keyword arguments for the backward pass, or other arrays.
    ``saved``
        These, in the backward pass: raw arrays, or dlarrays where it is differentiated.
    ``params``
        The keyword arguments, a dict. They are constants, in higher derivatives too.
    ``needs_gradient``
        For each argument, whether a gradient is needed; None may be returned for the others.

    Shapes, integers and texts may be set as other attributes, ``context.size = 3``.

    If results have formats, it also defines ``result_format(self, formats, shapes)``. An instance
    is called like a function, with arrays by position and parameters by name.

    For first derivatives, ``backward`` gets raw arrays and may also be any code. For higher
    derivatives and for forward mode it is called with dlarrays. It is then differentiated, if it is
    written in functions of dlarrays and the context saves the arguments and results that it needs.
    Otherwise it raises. Values that are taken out on purpose (`extractdata`, ``item``) are
    constants, as everywhere.

    Raises
    ------
    RuleError
        If the passes do not match each other, or a derivative is needed that is not known.
    ShapeMismatchError
        If the shape of a gradient is not that of its argument.

    See Also
    --------
    define_operation : make an operation of a NumPy function and its rule
    dlgradient.testing.check_derivatives : compare derivatives of a function with differences

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> class Sigmoid(dl.DifferentiableFunction):
    ...     def forward(self, context, x):
    ...         y = 1 / (1 + np.exp(-x))
    ...         context.save(y)
    ...         return y
    ...
    ...     def backward(self, context, g):
    ...         (y,) = context.saved
    ...         return g * y * (1 - y)
    >>> sigmoid = Sigmoid()
    >>> def first_and_second(x):
    ...     first = dl.dlgradient(sigmoid(x), x, enable_higher_derivatives=True)
    ...     return first, dl.dlgradient(first, x)
    >>> [g.item() for g in dl.dlfeval(first_and_second, dl.dlarray(0.0))]
    [0.25, 0.0]
    >>> from dlgradient.testing import check_derivatives
    >>> check_derivatives(sigmoid, [0.5, -1.5])

    Source: MATLAB ``deep.DifferentiableFunction``.
    """

    def forward(self, context: Context, *xs: RawValue, **params: Any) -> Any:  # noqa: ARG002
        """Return the results; a subclass defines it."""
        raise RuleError(f"{type(self).__name__}: forward(self, context, *xs) is not defined")

    def backward(self, context: Context, *gs: Cotangent) -> Any:  # noqa: ARG002
        """Return the gradients; a subclass defines it."""
        raise RuleError(f"{type(self).__name__}: backward(self, context, *gs) is not defined")

    def result_format(
        self,
        formats: tuple[Format, ...],  # noqa: ARG002 - for subclasses
        shapes: tuple[Shape, ...],  # noqa: ARG002 - for subclasses
    ) -> Format | tuple[Format, ...]:
        """Return the format of the result, or a tuple of them; by default results are unlabelled.

        Parameters
        ----------
        formats, shapes : tuple
            Of the arguments.
        """
        return None

    def __call__(self, *xs: Operand, **params: Any) -> Any:
        """Evaluate the function on arrays; the keyword arguments are parameters."""
        name = type(self).__name__
        for key, value in params.items():
            _refuse_traced(name, key, value)
        op = _operation(name, 1, ())
        operands = converted(op, xs)
        if not any(type(x) is dlarray for x in operands):
            call = FunctionCall(self, params, (False,) * len(operands))
            values = [as_value(x, f"{name}: argument {i}") for i, x in enumerate(operands)]
            results = call.run(values)[: len(call.results)]
        else:
            call, results = self._traced_call(op, operands, params)
        return results if call.several else results[0]

    def _traced_call(
        self, op: Op, operands: Sequence[Operand], params: Params
    ) -> tuple[FunctionCall, tuple[Value, ...]]:
        """Return a call with dlarrays, and its results, with a node if one of them is traced."""
        values, parents, trace = values_and_parents(op, operands)
        if trace is not None:
            params = fixed_parameters(params, params, trace)
        call = FunctionCall(self, params, tuple([type(p) is Node for p in parents]))
        outs = call.run(values)
        count = len(call.results)
        node = None
        if trace is not None:
            op = _operation(op.shown, count, call.saves())
            node = record(op, parents, values, outs, {"call": call}, trace)
            where, first, later = self._user_functions()
            remember(node, where, id(self), first, later, call.context_names)
        formats = self._formats(operands, values, count)
        return call, tuple([_wrap(node, i, outs[i], fmt) for i, fmt in enumerate(formats)])

    def _user_functions(self) -> tuple[str, Sequence[Function], Sequence[Function]]:
        """Return a name, and the functions of the forward pass and of the backward pass."""
        return type(self).__name__, (self.forward,), (self.backward,)

    def _formats(
        self, xs: Sequence[Operand], values: Sequence[RawValue], count: int
    ) -> Sequence[Format]:
        found = self.result_format(
            tuple(x._format if type(x) is dlarray else None for x in xs),
            tuple(np.shape(v) for v in values),
        )
        return found[:count] if isinstance(found, tuple) else (found,) * count


def _refuse_traced(name: str, key: str, value: Any) -> None:
    """Raise the error for a keyword argument that is a traced dlarray, or contains one."""
    for path, leaf in zip(tree.paths(value, key), tree.flatten(value)[0], strict=True):
        if type(leaf) is dlarray and open_node(leaf) is not None:
            raise RuleError(
                f"{name}: {path}= is a dlarray that is traced, and keyword arguments are static; "
                "give arrays by position, or extractdata(x) for a constant"
            )


def _wrap(node: Node | None, i: int, out: RawValue, fmt: Format) -> Value:
    """Return one result of a call; integers and booleans carry no derivative."""
    differentiable = node is not None and out.dtype.kind in "fc"
    return wrap(out, picked(node, i, out) if node is not None and differentiable else None, fmt)


# -- the operation of a call's node --------------------------------------------------------------


class _FunctionOp(Op):
    """The operation of a call's node; it is in no table, and saves what the call needs."""

    __slots__ = ("saved",)

    def __init__(self, declaration: Declaration, saved: tuple[bool, ...]) -> None:
        super().__init__(declaration, Pull(_pull, _pull_traced, ()))
        self.saved = saved

    def saves(self, traced: tuple[bool, ...]) -> tuple[bool, ...]:  # noqa: ARG002 - as the base
        """Return which values a node saves."""
        return self.saved


def _pull(node: Node, gs: Sequence[Cotangent]) -> Sequence[Cotangent]:
    call: FunctionCall = node.params["call"]
    return call.pull(node, gs)


def _pull_traced(node: Node, gs: Sequence[Cotangent]) -> Sequence[Cotangent]:
    call: FunctionCall = node.params["call"]
    return call.pull_traced(node, gs)


@lru_cache(maxsize=1024)
def _operation(name: str, count: int, saved: tuple[bool, ...]) -> Op:
    def forward(arrays: Sequence[RawValue], /, *, call: FunctionCall) -> tuple[RawValue, ...]:
        return call.run(arrays)

    declaration = Declaration(function=forward, kind="general", outputs=count, shown=name)
    return _FunctionOp(declaration, saved)
