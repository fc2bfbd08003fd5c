"""Single layers: pooling, normalization and embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness.network import Network, Problem, parameter, with_jax, with_torch

# -- pooling -------------------------------------------------------------------------------------


def _pool_data(shape: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(5)
    number = int(np.prod(shape))
    # No two are equal: maxima are unique, and so is the gradient.
    return (rng.permutation(number) / np.float32(number)).astype(np.float32).reshape(shape)


def _pool_ours(x: Any) -> Problem:
    import dlgradient as dl

    def loss(params: Any) -> Any:
        (x,) = params
        pools = [pool(x, k, stride=2) for k in (2, 3) for pool in (dl.maxpool, dl.avgpool)]
        return sum(dl.mean(y * y) for y in pools)

    return loss, [dl.dlarray(x, "BCSS")]


def _pool_torch(x: Any) -> Callable[[], Any]:
    from torch.nn.functional import avg_pool2d, max_pool2d

    x = parameter(x)

    def loss() -> Any:
        pools = [pool(x, k, stride=2) for k in (2, 3) for pool in (max_pool2d, avg_pool2d)]
        return sum((y * y).mean() for y in pools)

    return with_torch(loss, [x])


def _pool_jax(x: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    def windows(x: Any, size: int, operation: Any, start: float) -> Any:
        shape, strides = (1, 1, size, size), (1, 1, 2, 2)
        return jax.lax.reduce_window(x, np.float32(start), operation, shape, strides, "VALID")

    def loss(params: Any) -> Any:
        (x,) = params
        total = 0
        for size in (2, 3):
            largest = windows(x, size, jax.lax.max, -np.inf)
            average = windows(x, size, jax.lax.add, 0) / size**2
            total += jnp.mean(largest * largest) + jnp.mean(average * average)
        return total

    return with_jax(loss, [x])


_POOL = Network(
    name="pool",
    work="maxima and means of 2×2 and 3×3 windows with stride 2 of 32×32×56×56",
    factor=1.5,
    full=(32, 32, 56, 56),
    tiny=(1, 2, 8, 8),
    data=_pool_data,
    ours=_pool_ours,
    torch=_pool_torch,
    jax=_pool_jax,
)
POOL, FAST_POOL = _POOL.row(), _POOL.recorded(0.7)


# -- normalization -------------------------------------------------------------------------------

GROUPS, EPSILON = 8, 1e-5


def _norms_data(shape: tuple[int, ...]) -> tuple[Any, ...]:
    rng = np.random.default_rng(6)
    params = [rng.standard_normal(shape, dtype=np.float32)]
    for size in (shape[1], shape[1:], shape[1], shape[1]):
        params += [np.full(size, 1.1, np.float32), np.full(size, 0.1, np.float32)]
    return rng.standard_normal(shape, dtype=np.float32), params


def _norms_ours(data: Any) -> Problem:
    import dlgradient as dl

    factors, (x, *affine) = data
    statistics = 0 * affine[0], affine[0]

    def loss(params: Any, factors: Any) -> Any:
        x, scale_b, offset_b, scale_l, offset_l, scale_g, offset_g, scale_i, offset_i = params
        y, *_ = dl.batchnorm(x, offset_b, scale_b, *statistics, training=True)
        results = [y, dl.layernorm(x, offset_l, scale_l)]
        results.append(dl.groupnorm(x, GROUPS, offset_g, scale_g))
        results.append(dl.instancenorm(x, offset_i, scale_i))
        return sum(dl.mean(y * factors) for y in results)

    affine = [dl.dlarray(p, "CSS" if p.ndim == 3 else "C") for p in affine]
    return loss, [dl.dlarray(x, "BCSS"), *affine], dl.dlarray(factors, "BCSS")


def _norms_torch(data: Any) -> Callable[[], Any]:
    import torch
    from torch.nn import functional as nnf

    factors, arrays = data
    params = [parameter(p) for p in arrays]
    factors = torch.tensor(factors)
    mean, variance = torch.zeros(factors.shape[1]), torch.ones(factors.shape[1])

    def loss() -> Any:
        x, scale_b, offset_b, scale_l, offset_l, scale_g, offset_g, scale_i, offset_i = params
        results = [
            nnf.batch_norm(x, mean, variance, scale_b, offset_b, training=True),
            nnf.layer_norm(x, x.shape[1:], scale_l, offset_l),
            nnf.group_norm(x, GROUPS, scale_g, offset_g),
            nnf.instance_norm(x, weight=scale_i, bias=offset_i),
        ]
        return sum((y * factors).mean() for y in results)

    return with_torch(loss, params)


def _norms_jax(data: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    factors, params = data

    def normalized(x: Any, axes: tuple[int, ...]) -> Any:
        mean, variance = (f(x, axes, keepdims=True) for f in (jnp.mean, jnp.var))
        return (x - mean) * jax.lax.rsqrt(variance + EPSILON)

    def loss(params: Any, factors: Any) -> Any:
        x, *affine = params
        grouped = x.reshape(len(x), GROUPS, -1, *x.shape[2:])
        results = [
            normalized(x, (0, 2, 3)),
            normalized(x, (1, 2, 3)),
            normalized(grouped, (2, 3, 4)).reshape(x.shape),
            normalized(x, (2, 3)),
        ]
        total = 0
        affine = [p if p.ndim == 3 else p[:, None, None] for p in affine]
        for y, scale, offset in zip(results, affine[::2], affine[1::2], strict=True):
            total += jnp.mean((y * scale + offset) * factors)
        return total

    return with_jax(loss, params, factors)


_NORMS = Network(
    name="norms",
    work="batch, layer, group (8) and instance normalization of 32×64×28×28",
    factor=1.5,
    full=(32, 64, 28, 28),
    tiny=(2, 8, 3, 3),
    data=_norms_data,
    ours=_norms_ours,
    torch=_norms_torch,
    jax=_norms_jax,
)
NORMS, FAST_NORMS = _NORMS.row(), _NORMS.recorded(0.7)


# -- embedding -----------------------------------------------------------------------------------


def _embed_data(sizes: tuple[int, ...]) -> tuple[Any, ...]:
    symbols, channels, batch, steps = sizes
    rng = np.random.default_rng(7)
    indices = rng.integers(0, symbols, (batch, steps))
    targets = rng.standard_normal((batch, steps, channels), dtype=np.float32)
    return indices, targets, [rng.standard_normal((symbols, channels), dtype=np.float32)]


def _embed_ours(data: Any) -> Problem:
    import dlgradient as dl

    indices, targets, (weights,) = data

    def loss(params: Any, indices: Any, targets: Any) -> Any:
        y = dl.embed(indices, params[0])
        return dl.l2loss(y, targets, normalization_factor="all-elements")

    inputs = dl.dlarray(indices, "BT"), dl.dlarray(targets, "BTC")
    return loss, [dl.dlarray(weights, "UC")], *inputs


def _embed_torch(data: Any) -> Callable[[], Any]:
    import torch
    from torch.nn import functional as nnf

    indices, targets, (weights,) = data
    indices, targets, weights = torch.tensor(indices), torch.tensor(targets), parameter(weights)
    return with_torch(lambda: nnf.mse_loss(nnf.embedding(indices, weights), targets), [weights])


def _embed_jax(data: Any) -> Callable[[], Any]:
    import jax.numpy as jnp

    indices, targets, params = data

    def loss(params: Any, indices: Any, targets: Any) -> Any:
        return jnp.mean((params[0][indices] - targets) ** 2)

    return with_jax(loss, params, indices, targets)


EMBED = Network(
    name="embed",
    work="64×128 indices of 10⁴ symbols, 128 channels, mean square of the difference to targets",
    factor=1.5,
    full=(10_000, 128, 64, 128),
    tiny=(64, 16, 16, 64),
    data=_embed_data,
    ours=_embed_ours,
    torch=_embed_torch,
    jax=_embed_jax,
).row()
