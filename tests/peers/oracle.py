"""One check for all functions: value, gradient and second gradient are those of torch.

Run by `make test-peers`, in the environment of the benchmarks: that of the tests has no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import dlgradient as dl
from dlgradient.testing import maker

# Relative to the largest element; differences of torch's gradients are less exact than itself.
EXACT, DIFFERENCE = 1e-10, 1e-6


@dataclass(frozen=True)
class Input:
    """What a variable is like: data format, shape, and how to draw it."""

    data_format: str
    shape: tuple[int, ...]
    draw: Callable[[np.random.Generator, tuple[int, ...]], Any]


def normal(data_format: str, *shape: int) -> Input:
    """Return a variable with the normal distribution; without a format for ''."""
    return Input(data_format, shape, lambda rng, shape: rng.standard_normal(shape))


def positive(data_format: str, *shape: int) -> Input:
    """Return a variable between 0.2 and 2."""
    return Input(data_format, shape, lambda rng, shape: rng.uniform(0.2, 2, shape))


def within(data_format: str, *shape: int) -> Input:
    """Return a variable between 0.1 and 0.9."""
    return Input(data_format, shape, lambda rng, shape: rng.uniform(0.1, 0.9, shape))


def complex_normal(data_format: str, *shape: int) -> Input:
    """Return a complex variable."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    return Input(data_format, shape, draw)


@dataclass(frozen=True)
class Row:
    """One function with one setting.

    Parameters
    ----------
    name : str
        Name of the test.
    inputs : list of Input
        The variables.
    ours, peer : callable
        The function of dlarrays, and that of tensors; the result may be a tuple.
    twice : bool
        Whether torch differentiates its gradient. If it does not, differences of its gradients
        take the place of its second gradient.
    """

    name: str
    inputs: list[Input]
    ours: Callable[..., Any]
    peer: Callable[..., Any]
    twice: bool = True


def rows(table: Iterable[Row]) -> Any:
    """Return the decorator that runs a test for every row, by name."""
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in table])


def check(row: Row) -> None:
    """Compare the value, the gradient of a projection, and the gradient of a projection of that."""
    rng = maker(row.name).rng
    arrays = [variable.draw(rng, variable.shape) for variable in row.inputs]
    values = [_array(y) for y in _tuple(row.peer(*map(torch.tensor, arrays)))]
    p, q = _directions(rng, values), _directions(rng, arrays)

    found = _ours(row, arrays, p, q)
    _compare("value", found[0], values, EXACT)
    _compare("gradient", found[1], _gradient(row, arrays, p), EXACT)
    if row.twice:
        _compare("second gradient", found[2], _second_gradient(row, arrays, p, q), EXACT)
    else:
        _compare("second gradient", found[2], _difference(row, arrays, p, q), DIFFERENCE)


def _tuple(y: Any) -> tuple[Any, ...]:
    return tuple(y) if isinstance(y, tuple | list) else (y,)


def _directions(rng: np.random.Generator, arrays: list[Any]) -> list[Any]:
    """Draw an array like each, complex for a complex one."""
    parts = [rng.standard_normal((2, *a.shape)) for a in arrays]
    complex_ = [np.iscomplexobj(a) for a in arrays]
    return [d[0] + 1j * d[1] if c else d[0] for d, c in zip(parts, complex_, strict=True)]


def _compare(what: str, found: list[Any], expected: list[Any], tolerance: float) -> None:
    assert len(found) == len(expected), what
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), f"{what} {i}"
        scale = max(1.0, np.max(np.abs(b), initial=0))
        np.testing.assert_allclose(
            a, b, rtol=0, atol=tolerance * scale, equal_nan=False, err_msg=f"{what} {i}"
        )


# -- dlgradient ----------------------------------------------------------------------------------


def _ours(row: Row, arrays: list[Any], p: list[Any], q: list[Any]) -> list[list[Any]]:
    def evaluated(*xs: Any) -> Any:
        ys = _tuple(row.ours(*xs))
        s = sum(_our_inner(d, y) for d, y in zip(p, ys, strict=True))
        g = dl.dlgradient(s, list(xs), enable_higher_derivatives=True, allow_complex=complex_)
        # Without the last term, nothing would be traced if the function is linear.
        twice = sum(_our_inner(d, v) for d, v in zip(q, g, strict=True)) + 0 * s
        return ys, g, dl.dlgradient(twice, list(xs), allow_complex=complex_)

    # Torch has real gradients for real variables that act through complex values.
    complex_ = any(map(np.iscomplexobj, arrays))
    formats = [variable.data_format or None for variable in row.inputs]
    xs = [dl.dlarray(a, f) for a, f in zip(arrays, formats, strict=True)]
    return [[dl.extractdata(a) for a in part] for part in dl.dlfeval(evaluated, *xs)]


def _our_inner(direction: Any, value: Any) -> Any:
    product = np.conj(direction) * dl.stripdims(value)
    return dl.sum(dl.real(product) if np.iscomplexobj(direction) else product)


# -- torch ---------------------------------------------------------------------------------------


def _array(tensor: Any) -> Any:
    return tensor.detach().resolve_conj().numpy()


def _peer_inner(direction: Any, value: Any) -> Any:
    product = torch.tensor(direction).conj() * value
    return (product.real if product.is_complex() else product).sum()


def _traced_gradient(row: Row, arrays: list[Any], p: list[Any], *, traced: bool) -> Any:
    xs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ys = _tuple(row.peer(*xs))
    s = sum(_peer_inner(d, y) for d, y in zip(p, ys, strict=True))
    g = torch.autograd.grad(s, xs, create_graph=traced, materialize_grads=True)
    return xs, s, g


def _gradient(row: Row, arrays: list[Any], p: list[Any]) -> list[Any]:
    return [_array(g) for g in _traced_gradient(row, arrays, p, traced=False)[2]]


def _second_gradient(row: Row, arrays: list[Any], p: list[Any], q: list[Any]) -> list[Any]:
    xs, s, g = _traced_gradient(row, arrays, p, traced=True)
    twice = sum(_peer_inner(d, v) for d, v in zip(q, g, strict=True)) + 0 * s
    return [_array(a) for a in torch.autograd.grad(twice, xs, materialize_grads=True)]


def _difference(row: Row, arrays: list[Any], p: list[Any], q: list[Any]) -> list[Any]:
    """Derivative of torch's gradient in the direction q: second derivatives are symmetric."""
    step = 1e-3
    at = {
        k: _gradient(row, [a + k * step * d for a, d in zip(arrays, q, strict=True)], p)
        for k in (-2, -1, 1, 2)
    }
    columns = zip(*(at[k] for k in (-2, -1, 1, 2)), strict=True)
    return [(8 * (c - b) - (d - a)) / (12 * step) for a, b, c, d in columns]
