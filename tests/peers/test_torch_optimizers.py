"""Update functions against the optimisers of torch, over a hundred steps."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import _muon

import dlgradient as dl
from dlgradient.testing import maker

TWO = {"average": None, "average_sq": None}
UPDATES: dict[str, Any] = {
    "SGD": (dl.sgdmupdate, {"learning_rate": 0.01, "momentum": 0.9}, {"lr": 0.01, "momentum": 0.9}),
    "Adam": (dl.adamupdate, {"learning_rate": 0.02}, {"lr": 0.02}),
    "RMSprop": (dl.rmspropupdate, {"learning_rate": 0.01}, {"lr": 0.01, "alpha": 0.9}),
    "AdamW": (dl.adamwupdate, {"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "NAdam": (dl.nadamupdate, {}, {}),
    "Adagrad": (dl.adagradupdate, {}, {}),
    "Adadelta": (dl.adadeltaupdate, {}, {}),
    "Muon": (dl.muonupdate, {}, {"adjust_lr_fn": "match_rms_adamw"}),
}


@pytest.fixture
def _double_precision(monkeypatch):
    """Let torch compute as exactly as we do: NAdam has a float32 number, Muon rounds to 8 bits."""
    source = inspect.getsource(_muon._zeropower_via_newtonschulz)
    names: dict[str, Any] = dict(vars(_muon))
    exec(source.replace("grad.bfloat16()", "grad.clone()"), names)
    name = "_zeropower_via_newtonschulz"
    monkeypatch.setattr(_muon, name, names[name])
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("_double_precision")
@pytest.mark.parametrize("name", UPDATES)
def test_a_hundred_steps(name):
    update, ours, theirs = UPDATES[name]
    rng = maker(name).rng
    shapes = [(4, 3), (2, 5)] if name == "Muon" else [(4, 3), (5,), ()]
    start = [rng.standard_normal(s) for s in shapes]
    tensors = [torch.tensor(a, requires_grad=True) for a in start]
    optimiser = getattr(torch.optim, name)(tensors, **theirs)
    q, state = [dl.dlarray(a) for a in start], []
    for i in range(1, 101):
        gs = [rng.standard_normal(s) for s in shapes]
        for x, g in zip(tensors, gs, strict=True):
            x.grad = torch.tensor(g)
        optimiser.step()
        counted = {"iteration": i} if "iteration" in inspect.signature(update).parameters else {}
        q, *state = update(q, gs, *state, **counted, **ours)
    for a, x in zip(q, tensors, strict=True):
        np.testing.assert_allclose(dl.extractdata(a), x.detach().numpy(), rtol=1e-11)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_norm_of_all_gradients(limit):
    rng = maker("clip").rng
    gs = [rng.standard_normal(s) for s in [(4, 3), (5,)]]
    tensors = [torch.zeros(g.shape, requires_grad=True) for g in gs]
    for x, g in zip(tensors, gs, strict=True):
        x.grad = torch.tensor(g, dtype=x.dtype)
    torch.nn.utils.clip_grad_norm_(tensors, limit)
    for a, x in zip(dl.clip_by_global_norm(gs, limit), tensors, strict=True):
        np.testing.assert_allclose(a, x.grad, rtol=1e-5)
