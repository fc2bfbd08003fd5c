"""A backward pass that cannot be traced runs eagerly in what records calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dlgradient as dl


class Squared(dl.DifferentiableFunction):
    """The square, with a backward pass that NumPy computes."""

    def forward(self, context: Any, x: Any) -> Any:
        context.save(x)
        return x * x

    def backward(self, context: Any, g: Any) -> Any:
        gradient = np.zeros(g.shape)
        np.add.at(gradient, np.arange(g.size), 2 * context.saved[0] * g)
        return gradient


def gradient(x: Any, higher: bool | None) -> Any:
    options = {} if higher is None else {"enable_higher_derivatives": higher}
    return dl.dlgradient((Squared()(x) * [1.0, 2.0, 3.0]).sum(), x, **options)


@pytest.mark.parametrize("higher", [None, False])
def test_an_accelerated_function_runs_eagerly(higher: bool | None) -> None:
    accelerated = dl.dlaccelerate(lambda x: gradient(x, higher))
    for k in range(4):
        x = np.array([1.0, -2.0, 0.5]) + k
        np.testing.assert_allclose(accelerated(dl.dlarray(x)), 2 * x * [1, 2, 3])
    assert accelerated.hit_rate == 0
    assert "the backward pass of Squared is not in functions of dlarrays" in accelerated.explain()


def test_members_of_a_batch_run_eagerly() -> None:
    x = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0]])
    found = dl.dlvmap(lambda x: gradient(x, None), dl.dlarray(x))
    np.testing.assert_allclose(found, 2 * x * [1, 2, 3])


def test_its_second_derivative_is_still_an_error() -> None:
    def second(x: Any) -> Any:
        return dl.dlgradient((gradient(x, None) ** 2).sum(), x)

    with pytest.raises(dl.RuleError, match="Squared"):
        dl.dlaccelerate(second)(dl.dlarray([1.0, 2.0, 3.0]))
    with pytest.raises(dl.RuleError, match="not written in functions of dlarrays"):
        dl.dlfeval(lambda x: gradient(x, True), dl.dlarray([1.0, 2.0, 3.0]))
