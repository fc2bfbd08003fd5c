"""Jacobians, Hessians and functions of a batch, against those of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import dlgradient as dl


def numbers(*shape: int) -> np.ndarray:
    """Return different numbers between -1 and 1."""
    return np.cos(1 + 2 * np.arange(np.prod(shape))).reshape(shape)


def raw(x: Any) -> Any:
    return dl.extractdata(x)


def network(xp: Any, W: Any) -> Any:
    return lambda x: xp.tanh(W @ xp.sin(x)) * x[0]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own
def test_jacobians_and_hessians() -> None:
    W, x = numbers(5, 3), numbers(3)
    ours, theirs = network(dl, W), network(torch, torch.tensor(W))
    found = dl.dljacobian(ours, dl.dlarray(x))
    assert_allclose(raw(found), torch.func.jacrev(theirs)(torch.tensor(x)).numpy(), rtol=1e-11)
    hessian = dl.dlhessian(lambda x: (ours(x) ** 2).sum(), dl.dlarray(x))
    expected = torch.func.hessian(lambda x: (theirs(x) ** 2).sum())(torch.tensor(x)).numpy()
    assert_allclose(raw(hessian), expected, rtol=1e-10, atol=1e-12)
    v = numbers(3) ** 2
    product = dl.dlhvp(lambda x: (ours(x) ** 2).sum(), dl.dlarray(x), v)
    assert_allclose(raw(product), expected @ v, rtol=1e-10)


@pytest.mark.parametrize("name", ["square", "exp", "abs", "sin"])
def test_complex_jacobians(name: str) -> None:
    """Rows are gradients of real parts, as a backward pass of torch computes them."""
    z = numbers(3) + 1j * numbers(6)[3:]
    found = raw(dl.dljacobian(getattr(dl, name), dl.dlarray(z)))
    x = torch.tensor(z, requires_grad=True)
    y = getattr(torch, name)(x)
    rows = [torch.autograd.grad(v.real, x, retain_graph=True)[0].numpy() for v in y]
    assert_allclose(found, np.stack(rows), rtol=1e-11)


def test_gradients_of_each_example() -> None:
    X, w = numbers(6, 3), numbers(3)

    def each(w: Any, X: Any) -> Any:
        return dl.dlvmap(lambda x: dl.dlgradient(dl.tanh(w @ x) ** 2, w), X)

    found = dl.dlfeval(each, dl.dlarray(w), X)
    loss = torch.func.grad(lambda w, x: torch.tanh(w @ x) ** 2)
    expected = torch.func.vmap(loss, in_dims=(None, 0))(torch.tensor(w), torch.tensor(X))
    assert_allclose(raw(found), expected.numpy(), rtol=1e-11)
