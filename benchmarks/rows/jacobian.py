"""Whole Jacobians, Hessians and their diagonals: all directions in one pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from harness.contestants import Call, Maker, Written
from harness.recorded import EAGER
from harness.result import OURS, Result
from harness.row import Context, Row

Derivative = Callable[[Any, Any], Any]

# -- the functions -------------------------------------------------------------------------------

WIDTH = 100
POINTS, CENTRES, FEATURES = 1000, 10, 8


def _network(xp: Any) -> Any:
    rng = np.random.default_rng(0)
    layers = [_constant(xp, rng.standard_normal((WIDTH, WIDTH)) / 10) for _ in range(3)]

    def fun(x: Any) -> Any:
        for W in layers:
            x = xp.tanh(W @ x)
        return x

    return fun


def _rosenbrock(xp: Any) -> Any:
    return lambda x: xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def _k_means(xp: Any) -> Any:
    data = np.random.default_rng(1).standard_normal((POINTS, 1, FEATURES))
    points = _constant(xp, data)
    # Of torch, the reduction that returns values only.
    least = getattr(xp, "amin", None) or xp.min

    def cost(centres: Any) -> Any:
        distances = xp.sum((points - centres) ** 2, **{_axis(xp): -1})
        return xp.sum(least(distances, **{_axis(xp): 1}))

    return cost


def _constant(xp: Any, data: Any) -> Any:
    convert = getattr(xp, "dlarray", None) or xp.asarray
    return convert(data)


def _axis(xp: Any) -> str:
    return "dim" if xp.__name__ == "torch" else "axis"


# -- the contestants -----------------------------------------------------------------------------


def _ours(name: str, written: Written, start: Any, *, recorded: bool) -> Call:
    import dlgradient as dl

    fun, derivative = written(dl), getattr(dl, name)

    def evaluated(x: Any) -> Any:
        return derivative(fun(x), x, enable_higher_derivatives=False)

    x = dl.dlarray(start)
    if recorded:
        accelerated = dl.dlaccelerate(evaluated)
        return lambda: accelerated(x)
    return lambda: derivative(fun, x)


def _torch(name: str, written: Written, start: Any) -> Call:
    import torch
    from torch import func

    fun, x = written(torch), torch.tensor(start)
    if name != "dlhessdiag":
        derivative = func.jacrev(fun) if name == "dljacobian" else func.hessian(fun)
        return lambda: derivative(x)
    units = torch.eye(x.numel(), dtype=x.dtype).reshape(-1, *x.shape)

    def element(v: Any) -> Any:
        return (func.jvp(func.grad(fun), (x,), (v,))[1] * v).sum()

    return lambda: func.vmap(element)(units).reshape(x.shape)


def _jax(name: str, written: Written, start: Any) -> Call:
    import jax
    import jax.numpy as jnp

    fun, x = written(jnp), jnp.asarray(start)
    if name == "dlhessdiag":
        units = jnp.eye(x.size).reshape(-1, *x.shape)

        def derivative(x: Any) -> Any:
            def element(v: Any) -> Any:
                return (jax.jvp(jax.grad(fun), (x,), (v,))[1] * v).sum()

            return jax.vmap(element)(units).reshape(x.shape)
    else:
        derivative = jax.jacrev(fun) if name == "dljacobian" else jax.hessian(fun)
    compiled = jax.jit(derivative)
    return lambda: jax.block_until_ready(compiled(x))


def _makers(name: str, written: Written, start: Any) -> dict[str, Maker]:
    return {
        OURS: partial(_ours, name, written, start, recorded=True),
        EAGER: partial(_ours, name, written, start, recorded=False),
        "torch": partial(_torch, name, written, start),
        "jax.jit": partial(_jax, name, written, start),
    }


def _run(row: str, work: str, makers: Callable[[], dict[str, Maker]], context: Context) -> Result:
    figures = context.timed(makers(), seconds=10, reference="torch")
    result = Result(row, work, "s", figures)
    result.ask("torch", 0.5, "at most 0.5 of torch.func")
    result.ask("jax.jit", 1.0, "at most 1.0 of jax.jit")
    return result


def _row(row: str, work: str, name: str, written: Written, start: Any) -> Row:
    makers = partial(_makers, name, written, start)
    return Row(row, partial(_run, row, work, makers), makers)


_RNG = np.random.default_rng(2)
JACOBIAN = _row(
    "jacobian",
    f"{WIDTH}-{WIDTH}-{WIDTH}-{WIDTH}, tanh, float64, Jacobian of one point",
    "dljacobian",
    _network,
    _RNG.standard_normal(WIDTH),
)
HESSIAN = _row(
    "hessian",
    f"Rosenbrock of {WIDTH} variables, float64, Hessian",
    "dlhessian",
    _rosenbrock,
    _RNG.standard_normal(WIDTH),
)
HESSIAN_DIAGONAL = _row(
    "hessian-diagonal",
    f"k-means, {POINTS} points, {CENTRES} centres, {FEATURES} features, diagonal of the Hessian",
    "dlhessdiag",
    _k_means,
    _RNG.standard_normal((CENTRES, FEATURES)),
)
