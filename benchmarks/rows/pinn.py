"""A physics-informed network: second derivatives of the network inside its loss."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from harness.network import Network, Problem, fill, with_jax, with_torch

LAYERS, WIDTH = 8, 20
POINTS = 10_000
VISCOSITY = np.float32(0.01 / np.pi)


def _data(points: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(11)
    params = []
    for n, m in itertools.pairwise((2, *[WIDTH] * LAYERS, 1)):
        scale = np.float32((2 / (n + m)) ** 0.5)
        params += [rng.standard_normal((m, n), dtype=np.float32) * scale]
        params += [np.full(m, 0.01, np.float32)]
    t, x = (rng.uniform(low, 1, points).astype(np.float32) for low in (0, -1))
    return t, x, params


def _ours(data: Any) -> Problem:
    import dlgradient as dl

    t, x, params = data

    def network(params: Any, t: Any, x: Any) -> Any:
        y = dl.concat([t, x])
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            y = dl.tanh(W @ y + b)
        return params[-2] @ y + params[-1]

    def loss(params: Any, t: Any, x: Any) -> Any:
        params = [p if p.ndim == 2 else p[:, None] for p in params]
        u = network(params, t, x)
        u_t, u_x = dl.dlgradient(u.sum(), t, x, enable_higher_derivatives=True)
        u_xx = dl.dlgradient(u_x.sum(), x, enable_higher_derivatives=True)
        r = u_t + u * u_x - VISCOSITY * u_xx
        return dl.mean(r * r)

    return loss, [dl.dlarray(p) for p in params], dl.dlarray(t[None]), dl.dlarray(x[None])


def _torch(data: Any) -> Callable[[], Any]:
    import torch
    from torch import nn

    t, x, params = data
    layers: list[Any] = []
    for n, m in itertools.pairwise((2, *[WIDTH] * LAYERS, 1)):
        layers += [nn.Linear(n, m), nn.Tanh()]
    net = fill(nn.Sequential(*layers[:-1]), params)
    t, x = (torch.tensor(a[:, None], requires_grad=True) for a in (t, x))
    viscosity = float(VISCOSITY)

    def loss() -> Any:
        u = net(torch.cat([t, x], 1))
        u_t, u_x = torch.autograd.grad(u.sum(), (t, x), create_graph=True)
        (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
        r = u_t + u * u_x - viscosity * u_xx
        return (r * r).mean()

    return with_torch(loss, net.parameters())


def _jax(data: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    t, x, params = data

    def network(params: Any, t: Any, x: Any) -> Any:
        y = jnp.stack([t, x])
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            y = jnp.tanh(W @ y + b[:, None])
        return params[-2][0] @ y + params[-1]

    def loss(params: Any, t: Any, x: Any) -> Any:
        def u_x(x: Any) -> Any:
            return jax.jvp(lambda x: network(params, t, x), (x,), (one,))[1]

        # Forward mode, over all points at once, is twice as fast as `vmap` of `grad` of `grad`.
        one = jnp.ones_like(x)
        u, u_t = jax.jvp(lambda t: network(params, t, x), (t,), (one,))
        slope, curvature = jax.jvp(u_x, (x,), (one,))
        r = u_t + u * slope - VISCOSITY * curvature
        return jnp.mean(r * r)

    return with_jax(loss, params, t, x)


_PINN = Network(
    name="pinn",
    work="residual of Burgers' equation at 10⁴ points, 8 hidden layers of 20 tanh; second "
    "derivatives inside the loss",
    factor=1.2,
    full=POINTS,
    tiny=10,
    data=_data,
    ours=_ours,
    torch=_torch,
    jax=_jax,
)
PINN, FAST_PINN = _PINN.row(), _PINN.recorded(0.35)
