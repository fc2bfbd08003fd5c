"""A step of an optimiser for many small learnables, as a network has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness.contestants import Call, Maker
from harness.result import OURS, Result
from harness.row import Context, Row

COUNT, SIZE = 100, 10_000


def _data() -> list[Any]:
    rng = np.random.default_rng(4)
    return [rng.standard_normal(SIZE, dtype=np.float32) for _ in range(COUNT)]


def _ours() -> Call:
    import dlgradient as dl

    layers = [dl.layers.FeatureInput(SIZE), *[dl.layers.RmsNormalization() for _ in range(COUNT)]]
    net = dl.dlnetwork(layers)
    keys = list(net.learnables)
    net.learnables = dict(zip(keys, _data(), strict=True))
    gradients = dl.dlupdate(lambda p: 0.1 * p, net)
    state: list[Any] = [net, None, None, 1]

    def call() -> Any:
        net, average, average_sq, iteration = state
        # A gradient is made of arrays, which the step gathers.
        fresh = dl.dlupdate(lambda g: g, gradients)
        state[:3] = dl.adamupdate(net, fresh, average, average_sq, iteration)
        state[3] = iteration + 1
        return list(state[0].learnables.values())

    return call


def _torch(**options: bool) -> Call:
    import torch

    params = [torch.tensor(p, requires_grad=True) for p in _data()]
    for p in params:
        p.grad = 0.1 * p.detach()
    optimiser = torch.optim.Adam(params, **options)

    def call() -> Any:
        optimiser.step()
        return params

    return call


def _makers() -> dict[str, Maker]:
    return {
        OURS: _ours,
        "torch": lambda: _torch(foreach=True),
        "torch fused": lambda: _torch(fused=True),
    }


def _run(context: Context) -> Result:
    figures = context.timed(_makers(), seconds=15, pause=0.05, reference="torch", rtol=1e-5)
    result = Result("adam", f"a step over {COUNT} arrays of {SIZE} float32", "s", figures)
    result.ask("torch", 0.7, "at most 0.7 of torch's, over arrays and fused")
    result.ask("torch fused", 0.7, "at most 0.7 of torch's, over arrays and fused")
    return result


ADAM = Row("adam", _run, _makers)
