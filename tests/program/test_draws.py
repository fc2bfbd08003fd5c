"""Random numbers in accelerated functions: each call draws those that an eager call would draw."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.program.draws import state_of

CALLS = 8


def rows(rng: np.random.Generator, *shape: int) -> list[Any]:
    return [dl.dlarray(rng.standard_normal(shape)) for _ in range(CALLS)]


def loss_of(rate: float = 0.5) -> Callable[..., Any]:
    def loss(x: Any, generator: np.random.Generator) -> Any:
        y = dl.dropout(x, probability=rate, generator=generator)
        z = dl.dropout(dl.sin(y), probability=0.1, generator=generator)
        value = (z * z).sum()
        return value, dl.dlgradient(value, x)

    return loss


def compare(
    fun: Callable[..., Any], calls: list[Any], seed: int = 4, between: int = 0
) -> dl.AcceleratedFunction[..., Any]:
    """Compare an accelerated function with itself, call by call, to the bit."""
    accelerated = dl.dlaccelerate(fun)
    first, second = np.random.default_rng(seed), np.random.default_rng(seed)
    for x in calls:
        expected = dl.dlfeval(fun, x, first)
        found = accelerated(x, second)
        assert [np.asarray(a).tobytes() for a in found] == [
            np.asarray(a).tobytes() for a in expected
        ]
        assert state_of(first) == state_of(second)
        first.random(between), second.random(between)
    return accelerated


@pytest.mark.parametrize("between", [0, 3])
def test_each_call_draws_what_an_eager_one_draws(between: int, rng: np.random.Generator) -> None:
    accelerated = compare(loss_of(), rows(rng, 3, 4), between=between)
    assert accelerated.hit_rate == 100 * (CALLS - 2) / CALLS
    assert "_uniform(generator=" in accelerated.source()


def test_a_captured_generator_is_drawn_from(rng: np.random.Generator) -> None:
    calls = rows(rng, 5)
    results = []
    for accelerate in (False, True):
        generator = np.random.default_rng(1)

        def fun(x: Any, generator: np.random.Generator = generator) -> Any:
            return dl.dropout(x, probability=0.5, generator=generator) * 2

        call = dl.dlaccelerate(fun) if accelerate else fun
        results.append([call(x).tolist() for x in calls])
        if accelerate:
            assert call.hit_rate == 100 * (CALLS - 2) / CALLS
    assert results[0] == results[1]


def test_numbers_that_nothing_needs_are_drawn_too(rng: np.random.Generator) -> None:
    def fun(x: Any, generator: np.random.Generator) -> Any:
        dl.dropout(x, probability=0.5, generator=generator)
        return (dl.dropout(x, probability=0.5, generator=generator).sum(),)

    assert compare(fun, rows(rng, 6)).hit_rate == 75


def test_equal_draws_are_two_draws(rng: np.random.Generator) -> None:
    def fun(x: Any, generator: np.random.Generator) -> Any:
        masks = [dl.dropout(x, probability=0.5, generator=generator) for _ in range(2)]
        return masks[0], masks[1]

    assert compare(fun, rows(rng, 20)).hit_rate == 75


def test_a_check_that_fails_after_a_draw_draws_once(rng: np.random.Generator) -> None:
    def fun(x: Any, generator: np.random.Generator) -> Any:
        y = dl.dropout(x, probability=0.5, generator=generator)
        if y.sum() > 0:
            y = dl.dropout(y * 3, probability=0.5, generator=generator)
        return (y,)

    calls = [x for _ in range(4) for x in rows(rng, 4)]
    accelerated = compare(fun, calls)
    assert 0 < accelerated.hit_rate < 100


def test_a_call_that_raises_after_a_draw_draws_once(rng: np.random.Generator) -> None:
    def fun(x: Any, i: Any, generator: np.random.Generator) -> Any:
        y = dl.dropout(x, probability=0.5, generator=generator)
        return dl.take(y, i)

    accelerated = dl.dlaccelerate(fun)
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    for index in (0, 1, 2, 9, 1):
        i, x = dl.dlarray(np.array([index])), dl.dlarray(rng.standard_normal(4))
        found = []
        for call, generator in ((fun, first), (accelerated, second)):
            try:
                found.append(call(x, i, generator).tolist())
            except dl.IndexingError as error:
                found.append(str(error))
        assert found[0] == found[1]
        assert state_of(first) == state_of(second)


def test_other_draws_of_the_generator_are_noticed(rng: np.random.Generator) -> None:
    def before(x: Any, generator: np.random.Generator) -> Any:
        shift = generator.normal()
        return (dl.dropout(x, probability=0.5, generator=generator) + shift,)

    def after(x: Any, generator: np.random.Generator) -> Any:
        y = dl.dropout(x, probability=0.5, generator=generator)
        return (y * generator.normal(),)

    def in_between(x: Any, generator: np.random.Generator) -> Any:
        y = dl.dropout(x, probability=0.5, generator=generator) * generator.random()
        return (dl.dropout(y, probability=0.5, generator=generator),)

    for fun in (before, after, in_between):
        accelerated = compare(fun, rows(rng, 5))
        assert accelerated.hit_rate == 0
        assert "random numbers" in accelerated.explain()


def test_the_numbers_of_a_seed_are_the_same_in_each_call(rng: np.random.Generator) -> None:
    def fun(x: Any, generator: np.random.Generator) -> Any:
        del generator
        return (dl.dropout(x, probability=0.5, seed=3),)

    assert compare(fun, rows(rng, 9)).hit_rate == 75


def test_checked_calls_draw_the_same_numbers_twice(rng: np.random.Generator) -> None:
    accelerated = dl.dlaccelerate(loss_of())
    accelerated.check_mode = "tolerance"
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    for x in rows(rng, 8):
        expected = dl.dlfeval(loss_of(), x, first)
        assert [a.tolist() for a in accelerated(x, second)] == [a.tolist() for a in expected]
        assert state_of(first) == state_of(second)
    assert accelerated.hit_rate == 75


class Noise(dl.layers.Layer):
    def predict(self, x: Any) -> Any:
        return x

    def forward(self, x: Any) -> Any:
        return x + self.generator.normal(size=x.shape)


@pytest.mark.parametrize("layer", [Noise, lambda: dl.layers.Dropout(0.5)])
def test_networks_draw_from_the_generator_of_the_call(
    layer: Callable[[], Any], rng: np.random.Generator
) -> None:
    net = dl.dlnetwork([dl.layers.FeatureInput(4), layer(), dl.layers.FullyConnected(2)])

    def fun(x: Any, generator: np.random.Generator) -> Any:
        y, _ = net.forward(x, generator=generator)
        return (y,)

    calls = [dl.dlarray(np.asarray(x), "BC") for x in rows(rng, 3, 4)]
    accelerated = compare(fun, calls)
    assert accelerated.hit_rate == (0 if layer is Noise else 75)
