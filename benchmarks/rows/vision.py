"""Networks of images: a classifier, and the critic of a generative adversarial network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from harness.network import Network, Problem, fill, with_jax, with_torch


def _normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Any:
    scale = np.float32((2 / fan_in) ** 0.5)
    return rng.standard_normal(shape, dtype=np.float32) * scale


def _filters(rng: np.random.Generator, filters: int, channels: int, size: int) -> list[Any]:
    weights = _normal(rng, (filters, channels, size, size), channels * size * size)
    return [weights, np.full(filters, 0.01, np.float32)]


# -- convolutional classifier --------------------------------------------------------------------

SIDE, FILTERS, CLASSES = 28, 20, 10


def _cnn_data(batch: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(3)
    params = []
    for channels, size in ((1, 5), (FILTERS, 3), (FILTERS, 3)):
        params += _filters(rng, FILTERS, channels, size)
        # Scale and offset of the batch normalization.
        params += [np.full(FILTERS, 1.1, np.float32), np.full(FILTERS, 0.1, np.float32)]
    inputs = FILTERS * (SIDE - 4) ** 2
    params += [_normal(rng, (CLASSES, inputs), inputs), np.zeros(CLASSES, np.float32)]
    X = rng.standard_normal((batch, 1, SIDE, SIDE), dtype=np.float32)
    return X, rng.integers(0, CLASSES, batch), params


def _cnn_ours(data: Any) -> Problem:
    import dlgradient as dl

    X, classes, params = data
    statistics = np.zeros(FILTERS, np.float32), np.ones(FILTERS, np.float32)

    def loss(params: Any, X: Any) -> Any:
        h = X
        for i in range(3):
            weights, bias, scale, offset = params[4 * i : 4 * i + 4]
            h = dl.dlconv(h, weights, bias, padding=1 if i else 0, weights_format="UCSS")
            h, *_ = dl.batchnorm(h, offset, scale, *statistics, training=True)
            h = dl.relu(h)
        logits = dl.fullyconnect(h, *params[-2:])
        return dl.indexcrossentropy(logits, classes, from_logits=True)

    return loss, [dl.dlarray(p) for p in params], dl.dlarray(X, "BCSS")


def _cnn_torch(data: Any) -> Callable[[], Any]:
    import torch
    from torch import nn

    X, classes, params = data
    layers: list[Any] = []
    for i in range(3):
        channels, size, padding = (FILTERS, 3, 1) if i else (1, 5, 0)
        layers += [nn.Conv2d(channels, FILTERS, size, padding=padding), nn.BatchNorm2d(FILTERS)]
        layers.append(nn.ReLU())
    layers += [nn.Flatten(), nn.Linear(FILTERS * (SIDE - 4) ** 2, CLASSES)]
    net = fill(nn.Sequential(*layers), params)
    X, classes = torch.tensor(X), torch.tensor(classes)
    return with_torch(lambda: nn.functional.cross_entropy(net(X), classes), net.parameters())


def _jax_conv(x: Any, weights: Any, bias: Any, stride: int = 1, padding: int = 0) -> Any:
    import jax

    y = jax.lax.conv_general_dilated(x, weights, (stride,) * 2, [(padding,) * 2] * 2)
    return y + bias[:, None, None]


def _cnn_jax(data: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    X, classes, params = data

    def loss(params: Any, X: Any, classes: Any) -> Any:
        h = X
        for i in range(3):
            weights, bias, scale, offset = params[4 * i : 4 * i + 4]
            h = _jax_conv(h, weights, bias, padding=1 if i else 0)
            mean, variance = (f(h, (0, 2, 3), keepdims=True) for f in (jnp.mean, jnp.var))
            h = (h - mean) * jax.lax.rsqrt(variance + 1e-5)
            h = jax.nn.relu(h * scale[:, None, None] + offset[:, None, None])
        logits = h.reshape(len(h), -1) @ params[-2].T + params[-1]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], axis=1)
        return -jnp.mean(chosen)

    return with_jax(loss, params, X, classes)


_CNN = Network(
    name="cnn",
    work="28×28×1, batch 128; convolution 5×5×20 and two 3×3×20, each with batch normalization and "
    "relu; 10 classes, cross-entropy",
    factor=1.3,
    full=128,
    tiny=2,
    data=_cnn_data,
    ours=_cnn_ours,
    torch=_cnn_torch,
    jax=_cnn_jax,
)
CNN, FAST_CNN = _CNN.row(), _CNN.recorded(0.7)


# -- critic with gradient penalty ----------------------------------------------------------------

WIDTHS = (3, 32, 64, 128, 256)
PENALTY, SLOPE = 10.0, 0.2


def _gan_data(batch: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(4)
    params = []
    for channels, filters in itertools.pairwise(WIDTHS):
        params += _filters(rng, filters, channels, 4)
    params += [_normal(rng, (1, WIDTHS[-1], 4, 4), 16 * WIDTHS[-1])]
    shape = (batch, 3, 64, 64)
    real, fake = (rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(2))
    between = rng.uniform(0, 1, (batch, 1, 1, 1)).astype(np.float32)
    return real, fake, between * real + (1 - between) * fake, params


def _gan_ours(data: Any) -> Problem:
    import dlgradient as dl

    real, fake, mixed, params = data

    def critic(params: Any, x: Any) -> Any:
        for weights, bias in zip(params[:-1:2], params[1:-1:2], strict=True):
            y = dl.dlconv(x, weights, bias, stride=2, padding=1, weights_format="UCSS")
            x = dl.leakyrelu(y, SLOPE)
        return dl.dlconv(x, params[-1], 0, weights_format="UCSS")

    def loss(params: Any, real: Any, fake: Any, mixed: Any) -> Any:
        scores = critic(params, mixed)
        slope = dl.dlgradient(scores.sum(), mixed, enable_higher_derivatives=True)
        norms = dl.sqrt(dl.sum(slope * slope, axis=(1, 2, 3)) + 1e-10)
        penalty = PENALTY * dl.mean((norms - 1) ** 2)
        return dl.mean(critic(params, fake)) - dl.mean(critic(params, real)) + penalty

    images = [dl.dlarray(x, "BCSS") for x in (real, fake, mixed)]
    return loss, [dl.dlarray(p) for p in params], *images


def _gan_torch(data: Any) -> Callable[[], Any]:
    import torch
    from torch import nn

    real, fake, mixed, params = data
    layers: list[Any] = []
    for channels, filters in itertools.pairwise(WIDTHS):
        layers += [nn.Conv2d(channels, filters, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
    layers.append(nn.Conv2d(WIDTHS[-1], 1, 4, bias=False))
    critic = fill(nn.Sequential(*layers), params)
    mixed = torch.tensor(mixed, requires_grad=True)
    real, fake = torch.tensor(real), torch.tensor(fake)

    def loss() -> Any:
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        norms = torch.sqrt((slope * slope).sum((1, 2, 3)) + 1e-10)
        penalty = PENALTY * ((norms - 1) ** 2).mean()
        return critic(fake).mean() - critic(real).mean() + penalty

    return with_torch(loss, critic.parameters())


def _gan_jax(data: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    real, fake, mixed, params = data

    def critic(params: Any, x: Any) -> Any:
        for weights, bias in zip(params[:-1:2], params[1:-1:2], strict=True):
            x = jax.nn.leaky_relu(_jax_conv(x, weights, bias, 2, 1), SLOPE)
        return _jax_conv(x, params[-1], jnp.zeros(1, x.dtype))

    def loss(params: Any, real: Any, fake: Any, mixed: Any) -> Any:
        slope = jax.grad(lambda x: critic(params, x).sum())(mixed)
        norms = jnp.sqrt((slope * slope).sum((1, 2, 3)) + 1e-10)
        penalty = PENALTY * jnp.mean((norms - 1) ** 2)
        return critic(params, fake).mean() - critic(params, real).mean() + penalty

    return with_jax(loss, params, real, fake, mixed)


_GAN = Network(
    name="gan",
    work="critic of 64×64×3 images, batch 16: convolutions 4×4 with stride 2 to 32, 64, 128 and "
    "256 channels, Wasserstein loss with a penalty of the gradient for the images",
    factor=1.3,
    full=16,
    tiny=1,
    data=_gan_data,
    ours=_gan_ours,
    torch=_gan_torch,
    jax=_gan_jax,
    # Rounding decides which slope the relu has next to its kink, and torch's is another than that
    # of float64 for an element or two of a million; the others are right to 1e-6.
    rtol=1e-2,
)
GAN, FAST_GAN = _GAN.row(), _GAN.recorded(0.8)
