"""`dlaccelerate`: what users see of it."""

from __future__ import annotations

import gc
import multiprocessing
import re
import threading
import tracemalloc
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

import dlgradient as dl


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Point:
    x: Any
    y: Any
    name: str = "p"


def rosenbrock(x: Any) -> Any:
    y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    return y, dl.dlgradient(y, x)


def lists(value: Any) -> Any:
    """Return a result as lists, to be compared bit by bit."""
    if dl.isdlarray(value):
        return value.tolist(), str(value.dtype), dl.dims(value)
    if isinstance(value, dict):
        return {key: lists(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [lists(v) for v in value]
    return value


def test_properties_are_those_of_the_original() -> None:
    accelerated = dl.dlaccelerate(rosenbrock)
    assert accelerated.function is rosenbrock
    assert (accelerated.enabled, accelerated.cache_size) == (True, 50)
    assert (accelerated.hit_rate, accelerated.occupancy) == (0, 0)
    assert (accelerated.check_mode, accelerated.check_tolerance) == ("none", 1e-4)
    for value in range(5):
        accelerated(dl.dlarray([float(value), 2.0]))
    assert (accelerated.hit_rate, accelerated.occupancy) == (60, 2)
    accelerated.clear_cache()
    assert (accelerated.hit_rate, accelerated.occupancy) == (0, 0)
    assert accelerated.source().startswith("# no program yet")


@pytest.mark.parametrize(
    ("name", "value"),
    [("enabled", 2), ("cache_size", 0), ("check_mode", "always"), ("check_tolerance", -1.0)],
)
def test_a_wrong_value_of_a_property_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(dl.InvalidArgumentError, match=name):
        setattr(dl.dlaccelerate(rosenbrock), name, value)


def test_only_functions_are_accelerated() -> None:
    with pytest.raises(dl.InvalidArgumentError, match="fun must be a function, not a dlarray"):
        dl.dlaccelerate(dl.dlarray(1.0))  # type: ignore[arg-type]


def test_the_source_is_a_program_that_can_be_read() -> None:
    accelerated = dl.dlaccelerate(lambda x, w: dl.tanh(x @ w).sum())
    for _ in range(2):
        accelerated(dl.dlarray(np.ones((2, 3))), dl.dlarray(np.ones((3, 4))))
    assert accelerated.source() == (
        "def program(x0, x1):\n"
        "    v0 = matmul(x0, x1)\n"
        "    v1 = tanh(v0)\n"
        "    v2 = sum(v1, axis=None, dtype=None, keepdims=False)\n"
        "    return (v2,)\n"
    )


def test_scalars_are_floats_and_mean_what_they_mean_in_numpy() -> None:
    def fun(x: Any) -> Any:
        y = dl.log(x[0]) / x[1] + dl.exp(x[2]) * x[0] ** 0.5
        return y, dl.dlgradient(y, x)

    accelerated = dl.dlaccelerate(fun)
    for x in ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.0]):
        found, expected = accelerated(dl.dlarray(x)), dl.dlfeval(fun, dl.dlarray(x))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-14)
    assert "math.log" in accelerated.source()
    for x in (
        [0.0, 2.0, 3.0],
        [-1.0, 2.0, 3.0],
        [1.0, 0.0, 3.0],
        [1.0, 2.0, 1e3],
        [1.0, np.inf, np.nan],
    ):
        with np.errstate(all="ignore"):
            found, expected = accelerated(dl.dlarray(x)), dl.dlfeval(fun, dl.dlarray(x))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-14)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: [x, 2 * x],
        lambda x: (x, [x + 1], {"a": x}, None, 3, "name"),
        lambda x: {"b": x, "a": (x,)},
        lambda x: Pair(x, 2.5),
        lambda x: Point(x, {"z": x + 1}),
        lambda x: OrderedDict(b=x, a=x + 1),
    ],
)
def test_containers_go_in_and_come_out(make: Any) -> None:
    def fun(given: Any) -> Any:
        return given, dl.dlupdate(lambda v: v * 2 if dl.isdlarray(v) else v, given)

    def parts(value: Any) -> Any:
        return [lists(value)] if not isinstance(value, Point) else [lists(value.x), lists(value.y)]

    accelerated = dl.dlaccelerate(fun)
    for i in range(4):
        given = make(dl.dlarray([[i + 0.5, 2.0]], "CB"))
        found, expected = accelerated(given), dl.dlfeval(fun, given)
        for a, b in zip(found, expected, strict=True):
            assert type(a) is type(b)
            assert parts(a) == parts(b)
    assert accelerated.hit_rate == 50


def test_shapes_dtypes_and_formats_are_in_the_key() -> None:
    def fun(x: Any) -> Any:
        return x * 2, dl.dlgradient(dl.real(x * x).sum(), x)

    accelerated = dl.dlaccelerate(fun)
    kinds = [
        dl.dlarray([[1.0, 2.0]]),
        dl.dlarray([[1.0, 2.0]], "CB"),
        dl.dlarray([[1.0, 2.0]], "BC"),
        dl.dlarray(np.array([[1.0, 2.0]], np.float32)),
        dl.dlarray([[1.0 + 1j, 2.0]]),
        dl.dlarray([1.0, 2.0]),
    ]
    for _ in range(4):
        for x in kinds:
            assert lists(accelerated(x)) == lists(dl.dlfeval(fun, x))
    assert accelerated.hit_rate == 50
    assert accelerated.occupancy == 2 * len(kinds)


def test_a_network_is_an_argument_and_a_result() -> None:
    rng = np.random.default_rng(0)
    layers = [dl.layers.FeatureInput(3), dl.layers.BatchNormalization()]
    net = dl.dlnetwork([*layers, dl.layers.FullyConnected(2)], generator=1)

    def step(net: Any, x: Any, t: Any, average: Any, average_sq: Any) -> Any:
        y, state = net.forward(x)
        loss = dl.mse(y, t)
        gradients = dl.dlgradient(loss, net.learnables)
        net.state = state
        net, average, average_sq = dl.adamupdate(net, gradients, average, average_sq, 3)
        return loss, net, average, average_sq

    accelerated = dl.dlaccelerate(step)
    states: list[Any] = [[net, None, None], [net, None, None]]
    for _ in range(6):
        x = dl.dlarray(rng.standard_normal((5, 3), np.float32), "BC")
        t = dl.dlarray(rng.standard_normal((5, 2), np.float32), "BC")
        found = accelerated(states[0][0], x, t, *states[0][1:])
        expected = dl.dlfeval(step, states[1][0], x, t, *states[1][1:])
        states = [list(found[1:]), list(expected[1:])]
        np.testing.assert_allclose(found[0].item(), expected[0].item(), rtol=1e-4)
        for table in ("learnables", "state"):
            tables = [getattr(s[0], table) for s in states]
            assert list(tables[0]) == list(tables[1])
            for key in tables[0]:
                np.testing.assert_allclose(
                    tables[0][key].tolist(), tables[1][key].tolist(), rtol=1e-3, atol=1e-5
                )
    assert accelerated.hit_rate == 50  # the first call had no averages


def test_dropout_runs_eagerly_and_says_so() -> None:
    layers = [dl.layers.FeatureInput(3), dl.layers.Dropout(0.5), dl.layers.FullyConnected(2)]
    net = dl.dlnetwork(layers)
    accelerated = dl.dlaccelerate(lambda net, x: net.forward(x)[0])
    x = dl.dlarray(np.ones((50, 3)), "BC")
    found = [accelerated(net, x).tolist() for _ in range(4)]
    assert all(a != b for a, b in pairwise(found))
    assert "random numbers" in accelerated.explain()


def test_dlfeval_may_call_it() -> None:
    accelerated = dl.dlaccelerate(rosenbrock)
    for value in range(4):
        x = dl.dlarray([float(value), 2.0])
        assert lists(dl.dlfeval(accelerated, x)) == lists(dl.dlfeval(rosenbrock, x))
    assert accelerated.hit_rate == 50


def test_inside_another_evaluation_it_is_traced() -> None:
    cube = dl.dlaccelerate(lambda x: x**3)
    for _ in range(3):
        cube(dl.dlarray(2.0))

    def fun(x: Any) -> Any:
        first = dl.dlgradient(cube(x), x, enable_higher_derivatives=True)
        return first, dl.dlgradient(first, x)

    outer = dl.dlaccelerate(fun)
    for value in (2.0, 3.0, 4.0, 5.0):
        x = dl.dlarray(value)
        for found in (outer(x), dl.dlfeval(fun, x)):
            assert [g.item() for g in found] == [3 * value**2, 6 * value]
    assert outer.hit_rate == 50


def test_errors_are_those_of_the_function() -> None:
    def fun(x: Any) -> Any:
        if x.sum() < 0:
            raise ArithmeticError("negative")
        return x

    accelerated = dl.dlaccelerate(fun)
    for factor in (1.0, 2.0, 3.0):
        accelerated(dl.dlarray([factor]))
    with pytest.raises(ArithmeticError, match="negative"):
        accelerated(dl.dlarray([-1.0]))
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        accelerated()  # type: ignore[call-arg]
    with pytest.raises(dl.NonScalarError):
        dl.dlaccelerate(lambda x: dl.dlgradient(x, x))(dl.dlarray([1.0, 2.0]))
    with pytest.raises(dl.InvalidArgumentError, match="generator"):
        dl.dlaccelerate(lambda x: (v for v in [x]))(dl.dlarray(1.0))


def test_the_least_recently_used_program_is_forgotten() -> None:
    accelerated = dl.dlaccelerate(lambda x: x * 2)
    accelerated.cache_size = 2
    for n in (1, 2, 1, 2, 3, 3, 1, 1, 1):
        accelerated(dl.dlarray(np.ones(n)))
    assert accelerated.occupancy == 100
    accelerated.cache_size = 1
    assert accelerated.occupancy == 100
    assert lists(accelerated(dl.dlarray(np.ones(1)))) == lists(dl.dlarray([2.0]))


def test_many_shapes_keep_memory_flat() -> None:
    accelerated = dl.dlaccelerate(lambda x: x * 2)
    accelerated.cache_size = 5

    def calls(first: int, last: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n in range(first, last):
                accelerated(dl.dlarray(np.ones(n)))

    calls(1, 300)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    calls(300, 1200)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 200_000


def test_the_mode_tolerance_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerated = dl.dlaccelerate(rosenbrock)
    accelerated.check_mode = "tolerance"
    for value in range(4):
        accelerated(dl.dlarray([float(value), 2.0]))
    assert accelerated.hit_rate == 50
    (_, entry), *_ = accelerated._cache
    monkeypatch.setattr(entry.paths[0], "run", lambda _: (np.float64(1.0), np.ones(2)))
    with pytest.warns(RuntimeWarning, match="Accelerated outputs differ.*result"):
        found = accelerated(dl.dlarray([-1.0, 2.0]))
    assert found[0].item() == 104.0


def test_threads_share_a_cache() -> None:
    accelerated = dl.dlaccelerate(rosenbrock)
    wrong: list[Any] = []

    def run(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for i in range(200):
            x = dl.dlarray(rng.integers(-3, 4, 2).astype(np.float64 if i % 3 else np.float32))
            found, expected = accelerated(x), dl.dlfeval(rosenbrock, x)
            for a, b in zip(found, expected, strict=True):
                if not np.allclose(a.tolist(), b.tolist(), rtol=1e-5):
                    wrong.append((x, a, b))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert accelerated.hit_rate > 90


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="it needs fork")
def test_a_forked_child_goes_on() -> None:
    accelerated = dl.dlaccelerate(rosenbrock)
    for _ in range(3):
        accelerated(dl.dlarray([-1.0, 2.0]))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child() -> None:
        found = accelerated(dl.dlarray([-1.0, 2.0]))[0].item()
        new = accelerated(dl.dlarray(np.array([-1.0, 2.0], np.float32)))[0].item()
        queue.put((found, new))

    process = context.Process(target=child)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        process.start()
    assert queue.get(timeout=60) == (104.0, 104.0)
    process.join()


def test_explain_names_programs_checks_and_reasons() -> None:
    def fun(x: Any, rate: float) -> Any:
        return x * rate if x.sum() > 0 else -x

    accelerated = dl.dlaccelerate(fun)
    for rate in (0.1, 0.1, 0.2):
        accelerated(dl.dlarray([1.0, 2.0]), rate)
    text = accelerated.explain()
    assert "3 calls, 0 of them replayed" in text
    assert "x: dlarray of shape (2,) float64; rate: float 0.1" in text
    assert "checks what Python reads: a condition, as if does (1)" in text
    assert "rate varies: float 0.1, then float 0.2" in text
    accelerated.enabled = False
    accelerated(dl.dlarray([1.0, 2.0]), 0.1)
    assert "enabled is false" in accelerated.explain()


def test_a_long_program_is_recorded_and_replayed() -> None:
    def fun(x: Any) -> Any:
        y = x
        for _ in range(2000):
            y = dl.sin(y)
        return y, dl.dlgradient(y, x)

    accelerated = dl.dlaccelerate(fun)
    for value in (0.5, 0.6, 0.7):
        found = accelerated(dl.dlarray(value))
        expected = dl.dlfeval(fun, dl.dlarray(value))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.item(), b.item(), rtol=1e-12)
    assert accelerated.hit_rate > 30


@pytest.mark.parametrize("layer", [dl.layers.Lstm, dl.layers.Gru])
def test_a_fused_operation_has_a_fused_pull_back(layer: Any) -> None:
    net = dl.dlnetwork([dl.layers.SequenceInput((3,)), layer(4)], generator=0)

    def loss(net: Any, x: Any) -> Any:
        y = net.predict(x)
        return dl.dlgradient((y * y).sum(), net.learnables)

    accelerated = dl.dlaccelerate(loss)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = dl.dlarray(rng.standard_normal((7, 2, 3), np.float32), "TBC")
        found, expected = accelerated(net, x), dl.dlfeval(loss, net, x)
        for key in expected:
            np.testing.assert_allclose(found[key].tolist(), expected[key].tolist(), rtol=2e-3)
    assert accelerated.hit_rate > 30
    assert "_pull(" in accelerated.source()


def test_the_number_of_a_step_may_be_an_array() -> None:
    def step(p: Any, m: Any, s: Any, t: Any, rate: Any) -> Any:
        g = dl.dlgradient((p**4).sum(), p)
        return dl.adamupdate(p, g, m, s, t, rate)

    accelerated = dl.dlaccelerate(step)
    found = expected = (dl.dlarray([1.0, 2.0]), dl.dlarray([0.0, 0.0]), dl.dlarray([0.0, 0.0]))
    for t in range(1, 8):
        rate = 0.1 / t
        found = accelerated(*found, dl.dlarray(np.int64(t)), dl.dlarray(rate))
        expected = dl.dlfeval(step, *expected, t, rate)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-12)
    assert accelerated.hit_rate > 70


def test_nothing_is_replayed_if_acceleration_is_none() -> None:
    accelerated = dl.dlaccelerate(rosenbrock)
    x = dl.dlarray([-1.0, 2.0])
    for _ in range(4):
        accelerated(x)
    with dl.acceleration("none"):
        assert accelerated(x)[0].item() == 104.0
    assert accelerated.hit_rate == 40
    assert 'acceleration is "none"' in accelerated.explain()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_memory_of_operands_is_used_again(dtype: Any, rng: np.random.Generator) -> None:
    def fun(x: Any, w: Any) -> Any:
        z = x @ w + 1
        h = dl.tanh(z) * x - z / (x * x + 2)
        y = (dl.sqrt(h * h + 1) - dl.exp(-h) * z).sum()
        return y, h, dl.dlgradient(y, x, w)

    accelerated = dl.dlaccelerate(fun)
    for _ in range(4):
        args = [dl.dlarray(rng.standard_normal((130, 130)).astype(dtype)) for _ in range(2)]
        y, h, gradients = accelerated(*args)
        expected = dl.dlfeval(fun, *args)
        for a, b in zip((y, h, *gradients), (*expected[:2], *expected[2]), strict=True):
            x, z = dl.extractdata(a), dl.extractdata(b)
            tolerance = 20 * float(np.finfo(dtype).eps) * float(np.max(np.abs(z)))
            np.testing.assert_allclose(x, z, rtol=0, atol=tolerance * 20)
    assert "out=" in accelerated.source()
    assert accelerated.hit_rate == 50


def test_explain_names_the_member_that_varies() -> None:
    given: list[Any] = [
        ({"w": [1, 2]}, {"w": [1, 3]}, r"p\['w'\]\[1\] varies: int 2, then int 3"),
        (
            [1, dl.dlarray(1.0)],
            [1, dl.dlarray([1.0])],
            r"p\[1\] varies: dlarray of shape \(\) .*, then dlarray of shape \(1,\)",
        ),
    ]
    for first, second, text in given:
        double = dl.dlaccelerate(lambda p, x: (p, 2 * x))
        double(first, dl.dlarray(1.0))
        double(second, dl.dlarray(1.0))
        assert re.search(text, double.explain())


def test_explain_names_the_array_of_a_network_that_varies() -> None:
    net = dl.dlnetwork([dl.layers.SequenceInput(2), dl.layers.Lstm(3, name="own")], generator=0)
    step = dl.dlaccelerate(lambda net, x: net.forward(x))
    for _ in range(2):
        _, net.state = step(net, dl.dlarray(np.ones((4, 2, 5), np.float32), "TCB"))
    assert "net['own/hidden_state'] varies: dlarray of shape () float32, then" in step.explain()


def test_statistics_of_a_network_need_one_program(rng: np.random.Generator) -> None:
    net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.BatchNormalization()], generator=0)
    step = dl.dlaccelerate(lambda net, x: net.forward(x))
    for _ in range(5):
        _, net.state = step(net, dl.dlarray(rng.normal(size=(4, 2)).astype(np.float32), "BC"))
    assert step.hit_rate == 60.0


def test_a_function_that_always_runs_eagerly_warns_once() -> None:
    net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.Dropout(0.5)])
    step = dl.dlaccelerate(lambda net, x: net.forward(x)[0])
    x = dl.dlarray(np.ones((4, 2), np.float32), "BC")
    with pytest.warns(RuntimeWarning, match="has run eagerly 20 times, since a layer") as found:
        assert len([step(net, x) for _ in range(50)]) == 50
    assert len(found) == 1
    assert found[0].filename == __file__


def test_a_function_that_reads_ever_new_values_warns_once(rng: np.random.Generator) -> None:
    step = dl.dlaccelerate(lambda x: x * x.sum().item())
    with pytest.warns(RuntimeWarning, match="has run eagerly .* times, since .*return") as found:
        assert len([step(dl.dlarray(x)) for x in rng.standard_normal((60, 3))]) == 60
    assert len(found) == 1


@pytest.mark.parametrize("last", [dl.layers.Relu, dl.layers.BatchNormalization])
def test_a_replay_sees_what_a_network_is_made_of(last: Any, rng: np.random.Generator) -> None:
    """Arrays that are parts of vectors or not, of another dtype or shape, and other layers."""

    def loss(net: Any, x: Any) -> tuple[Any, Any]:
        y, _ = net.forward(x)
        value = (y * y).sum()
        return value, dl.dlgradient(value, net.learnables)

    layers = [dl.layers.FeatureInput(3), dl.layers.FullyConnected(4), dl.layers.Tanh()]
    net = dl.dlnetwork([*layers, last()], generator=0)
    x = dl.dlarray(rng.normal(size=(5, 3)).astype(np.float32), "BC")
    fast = dl.dlaccelerate(loss)
    assigned = net.copy()
    assigned.learnables["fc/bias"] = np.arange(4.0)
    updated, *_ = dl.adamupdate(net, dl.dlfeval(loss, net, x)[1])
    _, state = net.forward(x)
    moved = net.copy()
    moved.state = state
    other = dl.dlnetwork([*layers, last()], generator=0)
    double = dl.dlupdate(lambda p: dl.astype(p, "float64"), updated)
    doubled, *_ = dl.adamupdate(double, dl.dlfeval(loss, double, x)[1])
    frozen = updated.set_learn_rate_factor("fc", 0.0)
    single = dl.dlupdate(lambda p: dl.astype(p, "float32"), doubled)
    nets = [net, assigned, updated, moved, other, double, doubled, frozen, single]
    for _ in range(40):  # from the 33rd answer of a path on, machine code is asked for, too
        for i in rng.permutation(len(nets)):
            value, gradients = fast(nets[i], x)
            expected, wanted = dl.dlfeval(loss, nets[i], x)
            assert value.dtype == expected.dtype
            assert value.item() == expected.item()
            for a, b in zip(gradients.values(), wanted.values(), strict=True):
                assert a.dtype == b.dtype
                assert a.tolist() == b.tolist()
    assert fast.hit_rate > 80


@pytest.mark.parametrize("clip", [dl.clip_by_norm, dl.clip_by_global_norm, dl.clip_by_value])
@pytest.mark.parametrize("update", [dl.adamupdate, dl.adamwupdate])
def test_a_step_with_clipping_and_update_is_replayed(
    clip: Any, update: Any, rng: np.random.Generator
) -> None:
    def step(p: Any, average: Any, average_sq: Any, iteration: Any, x: Any) -> Any:
        loss = ((dl.matmul(x, p["w"]) + p["b"]) ** 2).mean()
        gradients = clip(dl.dlgradient(loss, p), 0.1)
        return update(p, gradients, average, average_sq, iteration, 0.05)

    accelerated = dl.dlaccelerate(step)
    start = {"w": dl.dlarray(rng.normal(size=3)), "b": dl.dlarray(1.0)}
    here, there = (start, None, None), (start, None, None)
    for i in range(1, 9):
        x = dl.dlarray(rng.normal(size=(4, 3)) * (1 if i < 8 else 0))
        here = accelerated(*here, dl.dlarray(np.array(i)), x)
        there = dl.dlfeval(step, *there, i, x)
        np.testing.assert_allclose(here[0]["w"], there[0]["w"], rtol=1e-12)
    assert accelerated.hit_rate > 50


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32])
def test_labels_of_any_dtype_are_replayed(dtype: Any, rng: np.random.Generator) -> None:
    accelerated = dl.dlaccelerate(
        lambda y, t: dl.dlgradient(dl.indexcrossentropy(dl.softmax(y), t), y)
    )
    for _ in range(6):
        y = dl.dlarray(rng.normal(size=(4, 3)), "BC")
        t = dl.dlarray(rng.integers(0, 3, 4).astype(dtype), "B")
        expected = dl.dlfeval(accelerated.function, y, t)
        np.testing.assert_allclose(accelerated(y, t), expected, rtol=1e-12)
    assert accelerated.hit_rate > 50
    with pytest.raises(dl.IndexingError, match="a target is 7"):
        accelerated(y, dl.dlarray(np.full(4, 7).astype(dtype), "B"))


def test_targets_that_are_no_whole_numbers_are_refused(rng: np.random.Generator) -> None:
    y = dl.softmax(dl.dlarray(rng.normal(size=(2, 3)), "BC"))
    with pytest.raises(dl.InvalidArgumentError, match="they must be integers"):
        dl.indexcrossentropy(y, dl.dlarray([0.5, 1.0], "B"))
