"""`dlhessian`, `dlhvp`, `dlhessdiag` and `dllaplacian`: second derivatives of a real scalar.

Each is a derivative of the gradient, which one traced reverse walk computes. The tangents of the
gradient are pushed forward, all in one pass (`directions`). For several variables, rows are pulled
back instead, since one reverse walk reaches all of them.

Variables are real, and so are second derivatives, whatever the values between them are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.core.types import Cotangent
from dlgradient.engine.array import dlarray
from dlgradient.engine.directions import columns, diagonal, rows
from dlgradient.engine.forward import forward, seeds_of
from dlgradient.engine.gradient import checked_scalar, checked_traced, differentiable, like_variable
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
from dlgradient.engine.walk import reverse

__all__ = ["dlhessdiag", "dlhessian", "dlhvp", "dllaplacian"]


@checked
def dlhessian(
    y: Differentiated,
    x: Any,
    /,
    *,
    enable_higher_derivatives: bool = True,
    explain: bool = False,
) -> Any:
    """Hessian: the second derivatives of a real scalar by every pair of elements of the variables.

    Give a function and its argument, or a traced value and its variables inside a function that
    `dlfeval` evaluates. All rows are computed in one pass.

    Parameters
    ----------
    y : callable or dlarray
        A function of one argument that returns a real scalar, or the traced value.
    x : dlarray or container of dlarrays
        The argument of the function, or the variables. Real.
    enable_higher_derivatives : bool
        Trace the computation, so that the Hessian can be differentiated again.
    explain : bool
        Print which modes are chosen, and why.

    Returns
    -------
    dlarray or container
        With the shape of `x` twice. For containers, a block of each array by each array: the
        structure of `x`, and in each place of it the structure of `x` again. Unlabelled.

    Raises
    ------
    NonScalarError, ComplexValueError, NotDlarrayError, NotTracedError, IntegerVariableError
        If `y` or a variable is not as described; the message gives its name and path.

    See Also
    --------
    dlhvp : product of the Hessian and a vector, without the matrix
    dlhessdiag : diagonal of the Hessian
    dllaplacian : trace of the Hessian
    dljacobian : first derivatives of several values

    Examples
    --------
    >>> dl.dlhessian(lambda x: x[0] ** 2 * x[1], dl.dlarray([3.0, 4.0]))
    dlarray([[8., 6.],
             [6., 0.]])
    >>> x = {"a": dl.dlarray(1.0), "b": dl.dlarray(2.0)}
    >>> blocks = dl.dlhessian(lambda x: x["a"] * x["b"] ** 3, x)
    >>> blocks["a"]["b"].item(), blocks["b"]["b"].item()
    (12.0, 12.0)

    Source: JAX ``hessian``.
    """

    def derivative(y: Any, x: Any, *, higher: bool) -> Any:
        call, gradients = _gradients("dlhessian", y, x, higher and enable_higher_derivatives)
        nodes, traced = call.nodes, call.traced
        single = len(nodes) == 1
        if explain:
            counts = f"{sum([node.size for node in nodes])} {'columns' if single else 'rows'}"
            mode = "forward over reverse" if single else "reverse over reverse"
            reason = "x is one array" if single else f"x has {len(nodes)} arrays"
            say(f"dlhessian: {mode} mode, {counts} of the gradient in one pass, since {reason}")
        blocks = []
        for g in gradients:
            if single:
                found = [columns(g._node, nodes[0], None, traced=traced)]
            else:
                found = rows(g._node, nodes, None, real=True, traced=traced)
            shapes = [(*g.shape, *node.shape) for node in nodes]
            row = [reshaped(c, shape) for c, shape in zip(found, shapes, strict=True)]
            blocks.append(call.rebuild(call.results(row, [None] * len(row))))
        return call.rebuild(blocks)

    return _evaluated("dlhessian", y, x, derivative)


@checked
def dlhvp(
    y: Differentiated, x: Any, vectors: Any, /, *, enable_higher_derivatives: bool = True
) -> Any:
    """Hessian-vector product, without the matrix, at the cost of a few gradients.

    Give a function and its argument, or a traced value and its variables inside a function that
    `dlfeval` evaluates.

    Parameters
    ----------
    y : callable or dlarray
        A function of one argument that returns a real scalar, or the traced value.
    x : dlarray or container of dlarrays
        The argument of the function, or the variables. Real.
    vectors : dlarray, array_like or container
        The vector, with the structure and shapes of `x`.
    enable_higher_derivatives : bool
        Trace the computation, so that the product can be differentiated again.

    Returns
    -------
    dlarray or container
        Σⱼ ∂²y/∂xᵢ∂xⱼ vⱼ, with the structure, shapes and formats of `x`.

    Raises
    ------
    NonScalarError, ComplexValueError, NotDlarrayError, NotTracedError, IntegerVariableError
        If `y` or a variable is not as described; the message gives its name and path.
    ShapeMismatchError
        If the shape of a vector is not that of its variable.

    See Also
    --------
    dlhessian : the whole matrix
    dljvp : product of the Jacobian and a tangent

    Examples
    --------
    >>> dl.dlhvp(lambda x: (x**3).sum(), dl.dlarray([1.0, 2.0]), [1.0, 10.0])
    dlarray([  6., 120.])

    Source: PyTorch ``torch.autograd.functional.hvp``.
    """

    def derivative(y: Any, x: Any, *, higher: bool) -> Any:
        call, gradients = _gradients("dlhvp", y, x, higher and enable_higher_derivatives)
        seeds = seeds_of("dlhvp", "x", "vectors", call.nodes, x, vectors, traced=call.traced)
        found = forward([g._node for g in gradients], seeds, traced=call.traced)
        products = [like_variable(c, leaf) for c, leaf in zip(found, call.leaves, strict=True)]
        if not call.traced:
            return call.rebuild(products)
        return call.rebuild(call.results(products, [leaf._format for leaf in call.leaves]))

    return _evaluated("dlhvp", y, x, derivative)


@checked
def dlhessdiag(y: Differentiated, x: Any, /, *, enable_higher_derivatives: bool = True) -> Any:
    """Diagonal of the Hessian, ∂²y/∂xᵢ².

    Give a function and its argument, or a traced value and its variables inside a function that
    `dlfeval` evaluates. All products are computed in one pass, and the matrix is not kept.

    Parameters
    ----------
    y : callable or dlarray
        A function of one argument that returns a real scalar, or the traced value.
    x : dlarray or container of dlarrays
        The argument of the function, or the variables. Real.
    enable_higher_derivatives : bool
        Trace the computation, so that its result can be differentiated again.

    Returns
    -------
    dlarray or container
        With the structure, shapes and formats of `x`.

    Raises
    ------
    NonScalarError, ComplexValueError, NotDlarrayError, NotTracedError, IntegerVariableError
        If `y` or a variable is not as described; the message gives its name and path.

    See Also
    --------
    dlhessian : the whole matrix
    dllaplacian : the sum of the diagonal

    Examples
    --------
    >>> dl.dlhessdiag(lambda x: (x**3).sum() + x[0] * x[1], dl.dlarray([1.0, 2.0]))
    dlarray([ 6., 12.])
    """

    def derivative(y: Any, x: Any, *, higher: bool) -> Any:
        call, gradients = _gradients("dlhessdiag", y, x, higher and enable_higher_derivatives)
        found = [
            reshaped(diagonal(g._node, node, None, traced=call.traced), node.shape)
            for g, node in zip(gradients, call.nodes, strict=True)
        ]
        return call.rebuild(call.results(found, [leaf._format for leaf in call.leaves]))

    return _evaluated("dlhessdiag", y, x, derivative)


@checked
def dllaplacian(
    y: Differentiated, x: Any, /, axis: int | None = None, *, enable_higher_derivatives: bool = True
) -> Any:
    """Laplacian, Σᵢ ∂²y/∂xᵢ²: the trace of the Hessian.

    Give a function and its argument, or a traced value and its variables inside a function that
    `dlfeval` evaluates.

    Parameters
    ----------
    y : callable or dlarray
        A real scalar, or a function that returns one. With `axis`, the values of all observations,
        or their sum.
    x : dlarray or container of dlarrays
        The argument of the function, or the variables. Real. With `axis`, one dlarray.
    axis : int, optional
        Dimension of the coordinates. The other dimensions of `y` and `x` are independent
        observations, and the Laplacian of each is computed.
    enable_higher_derivatives : bool
        Trace the computation, so that its result can be differentiated again.

    Returns
    -------
    dlarray
        A scalar. With `axis`, the shape and format of `y`; if `y` is the sum over observations,
        those of `x`, and size one in that dimension.

    Raises
    ------
    NonScalarError, ComplexValueError, NotDlarrayError, NotTracedError, IntegerVariableError
        If `y` or a variable is not as described; the message gives its name and path.
    InvalidArgumentError
        If the shapes of `y` and `x` differ in a dimension other than `axis`.

    See Also
    --------
    dldivergence : trace of a Jacobian
    dlhessdiag : the second derivatives, not summed

    Examples
    --------
    >>> dl.dllaplacian(lambda x: (x**3).sum(), dl.dlarray([1.0, 2.0])).item()
    18.0

    Two points in the plane:

    >>> points = dl.dlarray([[1.0, 2.0], [1.0, 1.0]])
    >>> dl.dllaplacian(lambda x: (x**3).sum(axis=0, keepdims=True), points, 0)
    dlarray([[12., 18.]])

    Source: MATLAB ``dllaplacian``.
    """

    def derivative(y: Any, x: Any, *, higher: bool) -> Any:
        if axis is None:
            call, gradients = _gradients("dllaplacian", y, x, higher and enable_higher_derivatives)
            parts = [
                total(diagonal(g._node, node, None, traced=call.traced), None)
                for g, node in zip(gradients, call.nodes, strict=True)
            ]
            return call.results([sum(parts[1:], parts[0])], [None])[0]
        root = checked_traced("dllaplacian", "y", y)
        call = Variables("dllaplacian", root, x, higher and enable_higher_derivatives)
        check_real_values("dllaplacian", y, call)
        return _laplacians(call, y, check_axis("dllaplacian", y, x, axis, whole=True))

    return _evaluated("dllaplacian", y, x, derivative)


def _laplacians(call: Variables, y: dlarray, axis: int) -> Any:
    """Return the Laplacian of each element of the values along an axis, for each observation."""
    (node,), one = call.nodes, call.root.dtype.type(1)
    together = y.ndim != len(node.shape) or y.shape[axis] == 1
    found = []
    for k in range(1 if together else y.shape[axis]):
        seed = np.full(y.shape, one)
        if not together:
            seed = np.zeros(y.shape, one.dtype)
            np.moveaxis(seed, axis, 0)[k] = one
        (g,) = _gradients_along(call, seed[()])
        found.append(total(diagonal(g._node, node, axis, traced=call.traced), axis))
    fmt = call.x._format if y.ndim != len(node.shape) else y._format
    laplacian = found[0] if len(found) == 1 else FUNCTIONS["concat"](found, axis=axis)
    return call.results([laplacian], [fmt])[0]


def _evaluated(name: str, y: Any, x: Any, derivative: Callable[..., Any]) -> Any:
    if is_function(name, y):
        return of_function(y, x, derivative)
    return derivative(y, x, higher=True)


def _gradients(name: str, y: Any, x: Any, higher: bool) -> tuple[Variables, list[dlarray]]:
    """Return the variables of a real scalar and its gradients, traced."""
    root = checked_scalar(name, y)
    call = Variables(name, root, x, higher)
    check_real_values(name, y, call)
    one = root.dtype.type(1)
    return call, _gradients_along(call, np.full(root.shape, one) if root.shape else one)


def _gradients_along(call: Variables, seed: Cotangent) -> list[dlarray]:
    root = call.root
    found = reverse(root, wrap(seed, None), call.nodes, retain=True, traced=True, real=True)
    return [
        differentiable(like_variable(found.get(node), x), root.trace)
        for node, x in zip(call.nodes, call.leaves, strict=True)
    ]
