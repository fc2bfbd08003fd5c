"""`dljacobian` and `dldivergence`: derivatives of values with several elements.

Rows are cotangents pulled back, columns are tangents pushed forward. Whichever are fewer are
computed, all of them in one pass (`directions`).
"""

from __future__ import annotations

from typing import Any

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.graph import Node
from dlgradient.core.types import Cotangent
from dlgradient.engine.array import dlarray
from dlgradient.engine.directions import columns, diagonal, rows
from dlgradient.engine.gradient import check_real, checked_traced
from dlgradient.engine.variables import (
    Differentiated,
    Variables,
    check_axis,
    check_real_values,
    is_function,
    of_function,
    reshaped,
    say,
    total,
)
from dlgradient.engine.walk import between
from dlgradient.errors import NotDlarrayError, ShapeMismatchError

__all__ = ["dldivergence", "dljacobian"]


@checked
def dljacobian(
    y: Differentiated,
    x: Any,
    /,
    axis: int | None = None,
    *,
    enable_higher_derivatives: bool = True,
    allow_complex: bool = True,
    explain: bool = False,
) -> Any:
    """Jacobian: the derivatives of every element of a value by every element of the variables.

    Give a function and its argument, or a traced value and its variables inside a function that
    `dlfeval` evaluates. All rows or all columns, whichever are fewer, are computed in one pass.

    Parameters
    ----------
    y : callable, or dlarray or container of dlarrays
        A function of one argument, or the traced value.
    x : dlarray or container of dlarrays
        The argument of the function, or the variables.
    axis : int, optional
        Dimension of operations. The other dimensions of `y` and `x` are independent observations,
        and the Jacobian of each is computed.
    enable_higher_derivatives : bool
        Trace the computation, so that the Jacobian can be differentiated again.
    allow_complex : bool
        Whether variables and Jacobians may be complex, as in `dlgradient`.
    explain : bool
        Print which mode is chosen, and why.

    Returns
    -------
    dlarray or container
        With the shape of `y` followed by that of `x`. For containers, a block of each array in `y`
        by each array in `x`: the structure of `y`, and in it that of `x`. With `axis`, this
        dimension is replaced by two, that of `y` and that of `x`. If `y` has size one there, the
        result has the shape of `x`. It is unlabelled, but has the format of `x` if it has the shape
        of `x`. Each row is the gradient of an element's real part, so in complex numbers it is the
        conjugate of the complex derivative.

    Raises
    ------
    OutsideDlfevalError, NotDlarrayError, NotTracedError, IntegerVariableError
        If `y` or a variable is not as described; the message gives its name and path.
    InvalidArgumentError
        If the shapes of `y` and `x` differ in a dimension other than `axis`.

    See Also
    --------
    dlgradient : gradient of a real scalar
    dlvjp : product of cotangents and the Jacobian
    dljvp : product of the Jacobian and a tangent
    dldivergence : trace of the Jacobian

    Examples
    --------
    >>> dl.dljacobian(dl.square, dl.dlarray([1.0, 2.0]))
    dlarray([[2., 0.],
             [0., 4.]])
    >>> def value_and_jacobian(x):
    ...     y = x[:1] * x
    ...     return y, dl.dljacobian(y, x)
    >>> y, J = dl.dlfeval(value_and_jacobian, dl.dlarray([1.0, 2.0]))
    >>> J
    dlarray([[2., 0.],
             [2., 1.]])

    Three independent observations of one operation:

    >>> dl.dljacobian(dl.square, dl.dlarray([[1.0, 2.0, 3.0]]), 0)
    dlarray([[2., 4., 6.]])

    Source: MATLAB ``dljacobian``; JAX ``jacobian``.
    """

    def derivative(y: Any, x: Any, *, higher: bool) -> Any:
        def of_value(y: Any) -> Any:
            root = checked_traced("dljacobian", "y", y)
            call = Variables("dljacobian", root, x, higher and enable_higher_derivatives)
            if not allow_complex:
                check_real("dljacobian", (x,), call.leaves)
            if axis is not None:
                return _of_observations(call, y, axis, not allow_complex, explain)
            return _whole(call, y, not allow_complex, explain)

        if not tree.flatten(y)[0]:
            raise NotDlarrayError(
                f"dljacobian: there is no dlarray in y, {y!r}; give a traced value"
            )
        return tree.map_leaves(of_value, y)

    if is_function("dljacobian", y):
        return of_function(y, x, derivative)
    return derivative(y, x, higher=True)


def _whole(call: Variables, y: dlarray, real: bool, explain: bool) -> Any:
    """Return the Jacobian by all elements."""
    root, count = call.root, sum([node.size for node in call.nodes])
    forward = _is_forward(call, y.size, count, explain)
    if forward:
        found = [columns(root, node, None, traced=call.traced) for node in call.nodes]
        found = [
            FUNCTIONS["permute_dims"](reshaped(c, (c.shape[0], root.size)), (1, 0)) for c in found
        ]
    else:
        found = rows(root, call.nodes, None, real=real, traced=call.traced)
    blocks = [
        reshaped(_precise(c, node), (*y.shape, *node.shape))
        for c, node in zip(found, call.nodes, strict=True)
    ]
    formats = [x._format if not y.shape else None for x in call.leaves]
    return call.rebuild(call.results(blocks, formats))


def _precise(c: Cotangent, node: Node) -> Cotangent:
    """Return a real derivative in the dtype of its variable, as a gradient is."""
    same = c.dtype == node.dtype or c.dtype.kind == "c" or node.dtype.kind != "f"
    return c if same else FUNCTIONS["astype"](c, dtype=node.dtype)


def _of_observations(call: Variables, y: dlarray, axis: int, real: bool, explain: bool) -> Any:
    """Return the Jacobian of each observation."""
    axis = check_axis("dljacobian", y, call.x, axis)
    (node,), ndim = call.nodes, y.ndim
    own = tuple(range(1, axis + 1)), tuple(range(axis + 2, ndim + 1))
    if _is_forward(call, y.shape[axis], node.shape[axis], explain):
        found = columns(call.root, node, axis, traced=call.traced)
        order = (*own[0], axis + 1, 0, *own[1])
    else:
        (found,) = rows(call.root, [node], axis, real=real, traced=call.traced)
        order = (*own[0], 0, axis + 1, *own[1])
    found = FUNCTIONS["permute_dims"](_precise(found, node), order)
    single = y.shape[axis] == 1
    found = reshaped(found, node.shape) if single else found
    return call.results([found], [call.x._format if single else None])[0]


def _is_forward(call: Variables, rows: int, columns: int, explain: bool) -> bool:
    """Return whether forward mode needs fewer directions than reverse mode."""
    # In forward mode, a real variable that acts through complex values has no complex derivative.
    # A node with several results has no dtype; those that pick one have it.
    is_complex = call.root.dtype.kind == "c" or any(
        getattr(node.dtype, "kind", "f") == "c" for node in between((call.root,), call.nodes)[0]
    )
    forward = columns < rows and not is_complex
    if explain:
        mode, kind, count = (
            ("forward", "columns", columns) if forward else ("reverse", "rows", rows)
        )
        reason = "values are complex" if is_complex and columns < rows else "these are fewer"
        reason = reason if rows != columns else "there are as many columns"
        say(f"{call.name}: {mode} mode, {count} {kind} in one pass, since {reason}")
    return forward


@checked
def dldivergence(
    y: Differentiated, x: Any, /, axis: int | None = None, *, enable_higher_derivatives: bool = True
) -> Any:
    """Divergence of a vector field, Σᵢ ∂yᵢ/∂xᵢ: the trace of its Jacobian.

    Give a function and its argument, or a traced value and its variable inside a function that
    `dlfeval` evaluates.

    Parameters
    ----------
    y : callable or dlarray
        A real value with the shape of `x`, or a function that returns one.
    x : dlarray
        Real.
    axis : int, optional
        Dimension of the vectors. The other dimensions are independent observations.
    enable_higher_derivatives : bool
        Trace the computation, so that its result can be differentiated again.

    Returns
    -------
    dlarray
        A scalar. With `axis`, the shape and format of `y`, and size one in that dimension.

    Raises
    ------
    ShapeMismatchError
        If the shapes of `y` and `x` differ.

    See Also
    --------
    dljacobian : the whole matrix
    dllaplacian : divergence of the gradient

    Examples
    --------
    >>> def field(x):
    ...     return x**2
    >>> dl.dldivergence(field, dl.dlarray([1.0, 2.0])).item()
    6.0
    >>> dl.dldivergence(field, dl.dlarray([[1.0, 3.0], [2.0, 4.0]]), 0)
    dlarray([[ 6., 14.]])

    Source: MATLAB ``dldivergence``.
    """

    def derivative(y: Any, x: Any, *, higher: bool) -> Any:
        root = checked_traced("dldivergence", "y", y)
        call = Variables("dldivergence", root, x, higher and enable_higher_derivatives)
        check_real_values("dldivergence", y, call)
        if type(x) is not dlarray or y.shape != x.shape:
            found = f"shape {x.shape}" if type(x) is dlarray else f"a {type(x).__name__}"
            raise ShapeMismatchError(
                f"dldivergence: y has shape {y.shape}, x {found}; a field has one element for each "
                "variable, so that the shapes are equal"
            )
        place = None if axis is None else check_axis("dldivergence", y, x, axis)
        picked = diagonal(root, call.nodes[0], place, traced=call.traced)
        return call.results([total(picked, place)], [None if axis is None else y._format])[0]

    if is_function("dldivergence", y):
        return of_function(y, x, derivative)
    return derivative(y, x, higher=True)
