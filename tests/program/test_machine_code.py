"""Programs as one function of machine code: the same results, types and errors as an eager call.

Everything here runs with the mode "native", in which machine code is made at the first answer.
"""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.declaration import OPS
from dlgradient.native import interface
from dlgradient.program.machine import entry as machine

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(
    bool(getattr(sys, "_is_gil_enabled", lambda: True)() is False), reason="no machine code there"
)


@pytest.fixture(autouse=True)
def native() -> Iterator[None]:
    with dl.acceleration("native"):
        yield


def rosenbrock(x: Any) -> Any:
    y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    return y, dl.dlgradient(y, x)


def path_of(accelerated: Any) -> Any:
    """Return the only path."""
    (path,) = [path for _, entry in accelerated._cache for path in entry.paths]
    return path


def made(fun: Callable[..., Any], *args: Any) -> Any:
    """Return an accelerated function whose machine code is made, and answers."""
    accelerated = dl.dlaccelerate(fun)
    for _ in range(4):
        accelerated(*args)
    assert callable(path_of(accelerated).machine), path_of(accelerated).machine
    assert accelerated._enter(args) is not machine.MISS
    return accelerated


def bits(value: Any) -> Any:
    """Return all that can be seen of a result: types, formats, and bits; NaN is NaN."""
    if dl.isdlarray(value):
        raw = dl.extractdata(value)
        seen = np.where(np.isnan(raw), np.nan, raw) if raw.dtype.kind == "f" else raw
        kind = type(value._value), str(raw.dtype), raw.shape, dl.dims(value)
        return kind, np.asarray(seen).tobytes()
    if isinstance(value, dict):
        return type(value), {key: bits(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [bits(v) for v in value]
    return type(value), repr(value)


def check(accelerated: Any, *args: Any) -> None:
    """Compare the answer of the machine code with the eager one, bit by bit."""
    with np.errstate(all="ignore"):
        expected = dl.dlfeval(accelerated.function, *args)
    found = accelerated._enter(args)
    assert found is not machine.MISS
    assert bits(found) == bits(expected)


# -- what is assumed -----------------------------------------------------------------------------


def test_objects_are_as_machine_code_expects() -> None:
    assert interface.fault() == ""
    slots = interface.slots_of(dl.dlarray)
    assert slots is not None
    assert sorted(slots) == ["_format", "_node", "_value"]
    assert len(set(slots.values())) == 3


@pytest.mark.parametrize("fault", ["_fault_of_scalars", "_fault_of_arrays"])
def test_without_the_layout_python_answers(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, fault, lambda: "it is elsewhere")
    interface.fault.cache_clear()
    try:
        accelerated = dl.dlaccelerate(rosenbrock)
        for _ in range(4):
            y, _ = accelerated(dl.dlarray([-1.0, 2.0]))
        assert y.item() == 104.0
        assert accelerated.hit_rate == 50
        assert path_of(accelerated).machine == "it is elsewhere"
    finally:
        monkeypatch.undo()
        interface.fault.cache_clear()


# -- results -------------------------------------------------------------------------------------


def test_a_function_of_two_numbers(rng: np.random.Generator) -> None:
    accelerated = made(rosenbrock, dl.dlarray([-1.0, 2.0]))
    for _ in range(20):
        check(accelerated, dl.dlarray(rng.standard_normal(2)))
    assert "machine code" in accelerated.explain()


SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e308, -1.7e308, 0.5]
UNARY = [
    *("-x", "+x", "abs(x)", "x * x", "1 / x", "x - x", "dl.square(x)", "dl.abs2(x)", "dl.sqrt(x)"),
    *("dl.sign(x)", "dl.floor(x)", "dl.ceil(x)", "dl.trunc(x)", "dl.reciprocal(x)"),
    *("dl.isnan(x)", "dl.isinf(x)", "dl.isfinite(x)", "x > 0", "x >= 0.5", "x == x", "x != 1"),
    *("dl.where(x > 0, x, 0)", "dl.where(dl.isnan(x), 2.0, x)", "(x > 0) * x", "x < 1e300"),
    *("dl.logical_and(x > 0, x < 1)", "dl.logical_or(x > 0, dl.logical_not(x < 1))"),
    *("dl.logical_xor(x, x > 1)", "dl.astype(x, np.float32)", "dl.astype(x > 0, np.float32) + 1"),
    *("x ** 1", "x ** 2", "dl.maximum(x, 0.25)", "dl.minimum(0.25, x)", "x * 0.1 + 0.2", "7"),
]
BINARY = [
    # Of equal zeros, NumPy takes one or the other, by the processor.
    *("x + y", "x - y", "x * y", "x / y", "dl.maximum(x, y) + 0", "dl.minimum(x, y) + 0", "x < y"),
    *("x <= y", "x > y", "x >= y", "x == y", "x != y", "dl.where(x < y, x, y)"),
    *("dl.copysign(x, y)", "dl.logical_and(x, y)", "dl.stack([x, y]).sum()"),
]
FUNCTIONS = [
    *("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "cbrt", "sin", "cos", "tan"),
    *("asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
]


def function_of(text: str, names: str) -> Callable[..., Any]:
    found: Callable[..., Any] = eval(f"lambda {names}: ({text}, x)", {"dl": dl, "np": np})
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("text", UNARY)
def test_operations_of_one_number_have_the_bits_of_numpy(text: str, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        accelerated = made(function_of(text, "x"), dl.dlarray(dtype(0.75)))
        for value in SPECIAL:
            check(accelerated, dl.dlarray(dtype(value)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("text", BINARY)
def test_operations_of_two_numbers_have_the_bits_of_numpy(text: str, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        fun = function_of(text, "x, y")
        accelerated = made(fun, dl.dlarray(dtype(0.75)), dl.dlarray(dtype(2.5)))
        for a in SPECIAL:
            for b in SPECIAL:
                check(accelerated, dl.dlarray(dtype(a)), dl.dlarray(dtype(b)))


# Of arrays of shape (2, 3); with its gradient, none of them sums eight elements.
SHORT = (
    "x.sum(), x.mean(), x.sum(axis=0), x.mean(axis=1)",
    "x.mT.sum(axis=0), x.mT.mean(axis=1)",
    "x[::-1].sum(), x[:, ::-1].sum(axis=1)",
    "x / y, 1 / x, x - y * 3, x**3 - x**2, 1 / dl.sqrt((x * x).sum())",
    "x.max(), x.max(axis=0), dl.maximum(x, y), dl.where(x > y, x, 2 * y)",
    "dl.stack([x, y]).sum(axis=0), dl.concat([x, y * 2], axis=1).sum(axis=0)",
    "x.reshape((1, 2, 3)).sum(axis=(0, 1)), dl.broadcast_to(x[:1], (2, 3)).sum()",
    "dl.abs(x) + dl.sign(y), dl.floor(x), -x, dl.copysign(x, y), x[0] + y",
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("text", SHORT)
def test_short_sums_have_the_bits_of_numpy(text: str, dtype: Any, rng: np.random.Generator) -> None:
    values = eval(f"lambda x, y: ({text},)", {"dl": dl})

    def fun(x: Any, y: Any) -> Any:
        found = values(x, y)
        total = sum([dl.reshape(z, (-1,))[:3].sum() for z in found], 0 * x[0, 0])
        return *found, total, *dl.dlgradient(total, x, y)

    draws = [[dl.dlarray(rng.standard_normal((2, 3)).astype(dtype)) for _ in "xy"] for _ in "1234"]
    accelerated = made(fun, *draws[0])
    for xs in draws:
        check(accelerated, *xs)


def units(found: Any, expected: Any) -> float:
    """Return the difference in units in the last place; special values must be the same."""
    x, y = np.asarray(found), np.asarray(expected)
    if not np.isfinite(x) or not np.isfinite(y):
        return 0.0 if np.array_equal(x, y, equal_nan=True) else math.inf
    spacing = np.spacing(np.maximum(np.abs(y), np.finfo(y.dtype).tiny))
    return float(np.abs(x.astype(np.float64) - y.astype(np.float64)) / spacing)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_differ_by_rounding(name: str, dtype: Any, rng: np.random.Generator) -> None:
    fun = function_of(f"dl.{name}(x)", "x")
    with np.errstate(all="ignore"):
        accelerated = made(fun, dl.dlarray(dtype(0.75)))
        for value in [*SPECIAL, *rng.standard_normal(50), *rng.uniform(-100, 100, 50), 1e5, -1e10]:
            found = accelerated(dl.dlarray(dtype(value)))[0]
            expected = OPS[name].declaration.numpy(dtype(value))
            assert units(dl.extractdata(found), expected) <= 4
            assert found.dtype == dtype
    assert accelerated._enter is path_of(accelerated).machine


@pytest.mark.parametrize("exponent", [0, 0.5, -1, -2, 3, 4, 2.5, -0.5, "y"])
def test_powers(exponent: Any, rng: np.random.Generator) -> None:
    fun = function_of(f"x ** {exponent} + 0 * y", "x, y")
    with np.errstate(all="ignore"):
        accelerated = made(fun, dl.dlarray(0.75), dl.dlarray(1.5))
        for a in [*SPECIAL, *rng.standard_normal(20)]:
            for b in [*SPECIAL, 2.0, -3.0] if exponent == "y" else [1.0]:
                found = accelerated(dl.dlarray(a), dl.dlarray(b))[0]
                expected = dl.dlfeval(fun, dl.dlarray(a), dl.dlarray(b))[0]
                assert units(found.item(), expected.item()) <= 1, (a, b)
    assert accelerated._enter is path_of(accelerated).machine


def test_small_arrays_are_numbers_too(rng: np.random.Generator) -> None:
    def fun(x: Any, w: Any) -> Any:
        z = (w * x[:, None] + 0.5)[::-1].T
        y = dl.concat([z.reshape(-1), x[1:]]).mean() + (dl.maximum(z, 0.1) ** 2).sum(axis=0).max()
        return y, z, dl.dlgradient(y, x, w)

    accelerated = made(fun, dl.dlarray([0.5, 1.0, 2.0]), dl.dlarray(np.ones((3, 2))))
    for _ in range(10):
        args = [dl.dlarray(rng.standard_normal(shape)) for shape in ((3,), (3, 2))]
        found, expected = accelerated._enter(tuple(args)), dl.dlfeval(fun, *args)
        leaves = (found[0], found[1], *found[2]), (expected[0], expected[1], *expected[2])
        for a, b in zip(*leaves, strict=True):
            assert bits(a)[0] == bits(b)[0]
            np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-14, atol=1e-14)


def test_a_loop_over_elements_of_a_long_vector(rng: np.random.Generator) -> None:
    def fun(x: Any) -> Any:
        y = x[0]
        for i in range(1, 1000):
            y = y * 0.5 + x[i] * x[i - 1]
        return y, dl.dlgradient(y, x)

    accelerated = made(fun, dl.dlarray(np.ones(1000)))
    check(accelerated, dl.dlarray(rng.standard_normal(1000)))


def test_what_python_reads_is_compared() -> None:
    def fun(x: Any) -> Any:
        if x[0] > 0:
            return x * 2
        return x - x.item(1) if x[1] >= 2 else -x

    accelerated = dl.dlaccelerate(fun)
    for _ in range(3):
        for values in ([1.0, 2.0], [-1.0, 3.0], [-1.0, 1.0], [np.nan, 1.0], [-1.0, 4.0]):
            for _ in range(4):
                x = dl.dlarray(values)
                assert bits(accelerated(x)) == bits(dl.dlfeval(fun, x))
    paths = [path for _, entry in accelerated._cache for path in entry.paths]
    assert all(callable(path.machine) for path in paths)
    assert accelerated.hit_rate > 70


# -- arguments and results -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: [x, 2 * x],
        lambda x: (x, [x + 1, (x,)], {"a": x, "b": [x]}, None, 3, "name", True, 2.5, b"b"),
        lambda x: {"b": x, "a": (x,), "c": []},
        lambda x: (x, x, ()),
    ],
)
def test_containers_and_constants(make: Any) -> None:
    def fun(given: Any) -> Any:
        return given, dl.dlupdate(lambda v: v * 2 if dl.isdlarray(v) else v, given), 5.5, None

    accelerated = made(fun, make(dl.dlarray([[1.0, 2.0]], "CB")))
    check(accelerated, make(dl.dlarray([[3.0, -0.0]], "CB")))
    check(accelerated, make(dl.dlarray([[3.0, np.nan]], "CB")))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,), (2, 0, 3)])
def test_dtypes_and_shapes(dtype: Any, shape: Any) -> None:
    def fun(x: Any) -> Any:
        return x, x[None], dl.where(x > 0, x, x), dl.astype(x, "float32"), dl.ones(2)

    accelerated = made(fun, dl.dlarray(np.ones(shape, dtype)))
    check(accelerated, dl.dlarray(np.zeros(shape, dtype)))


def test_changed_arguments_are_not_answered(rng: np.random.Generator) -> None:
    def fun(x: Any, n: Any = 2) -> Any:
        return x * n, dl.dlgradient((x * x).sum(), x)

    base = rng.standard_normal((2, 3))
    accelerated = made(fun, dl.dlarray(base), 2)
    strided = dl.dlarray(np.zeros((3, 2))).T  # a view of another order
    readonly = dl.dlarray(base)
    readonly._value.flags.writeable = False
    swapped, unaligned = dl.dlarray(base), dl.dlarray(base)
    swapped._value = base.astype(">f8")
    bytes_of = np.zeros(49, np.int8)
    unaligned._value = bytes_of[1:].view(np.float64).reshape(2, 3)

    class Sub(np.ndarray):
        pass

    subclass = dl.dlarray(base)
    subclass._value = base.view(Sub)
    for other in (
        *(dl.dlarray(base.astype(np.float32)), dl.dlarray(base[:1]), dl.dlarray(base[0])),
        *(dl.dlarray(base, "CB"), dl.dlarray(base + 1j), dl.dlarray(base.T), base, base.tolist()),
        *(strided, swapped, unaligned, subclass, None, 3.0, "text", object()),
    ):
        assert accelerated._enter((other, 2)) is machine.MISS
    for args in ((), (dl.dlarray(base),), (dl.dlarray(base), 3), (dl.dlarray(base), 2.0)):
        assert accelerated._enter(args) is machine.MISS
    assert accelerated._enter((dl.dlarray(base), True)) is machine.MISS
    for wrong in (None, [], 7, {}):
        assert accelerated._enter(wrong) is machine.MISS
    check(accelerated, readonly, 2)
    for x in (strided, dl.dlarray(base.T), dl.dlarray(base, "CB"), dl.dlarray(base[:1])):
        for _ in range(4):
            assert bits(accelerated(x, 2)) == bits(dl.dlfeval(fun, x, 2))


def test_a_traced_argument_is_not_answered() -> None:
    accelerated = made(lambda x: x**3, dl.dlarray(2.0))

    def fun(x: Any) -> Any:
        assert accelerated._enter((x,)) is machine.MISS
        assert accelerated._enter((dl.dlarray(1.0),)) is machine.MISS
        return dl.dlgradient(accelerated(x), x)

    assert dl.dlfeval(fun, dl.dlarray(2.0)).item() == 12.0


def test_the_mode_of_the_thread_decides() -> None:
    accelerated = made(rosenbrock, dl.dlarray([-1.0, 2.0]))
    x = (dl.dlarray([-1.0, 2.0]),)
    for mode in ("none", "numpy", "auto"):
        with dl.acceleration(mode):
            assert accelerated._enter(x) is machine.MISS
            assert accelerated(*x)[0].item() == 104.0
    assert accelerated._enter is not path_of(accelerated).machine
    accelerated(*x)
    assert accelerated._enter(x) is not machine.MISS


def test_machine_code_is_made_after_a_number_of_answers() -> None:
    accelerated = dl.dlaccelerate(rosenbrock)
    with dl.acceleration("auto"):
        kinds = []
        for _ in range(50):
            accelerated(dl.dlarray([-1.0, 2.0]))
            paths = [path for _, entry in accelerated._cache for path in entry.paths]
            kinds.append(bool(paths) and callable(paths[0].machine))
    assert kinds.index(True) == 33
    assert accelerated.hit_rate == 96


def test_what_has_no_machine_code_says_why() -> None:
    accelerated = dl.dlaccelerate(dl.cumsum)
    for _ in range(4):
        accelerated(dl.dlarray([1.0, 2.0]))
    assert "cumsum" in path_of(accelerated).machine
    assert "NumPy" in accelerated.explain()


# -- memory and threads --------------------------------------------------------------------------


def test_references_are_returned(rng: np.random.Generator) -> None:
    def fun(given: Any) -> Any:
        x, y = given
        return {"s": x[0] * y, "x": x, "v": x * 2, "n": [None, 3, x]}

    x, y = dl.dlarray(rng.standard_normal(3)), dl.dlarray(2.0)
    accelerated = made(fun, [x, y])
    enter = accelerated._enter
    held = [x, y, x._value, y._value, x._value.dtype, dl.dlarray, machine.MISS, np.ndarray]
    other = dl.dlarray(np.zeros(4))

    def calls() -> None:
        for _ in range(100_000):
            enter(([x, y],))
            enter(([other, y],))

    calls()
    gc.collect()
    before = [sys.getrefcount(o) for o in held]
    tracemalloc.start()
    first = tracemalloc.get_traced_memory()[0]
    calls()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert [sys.getrefcount(o) for o in held] == before
    # A leak would have 16 bytes or more in each call; other threads have some memory, too.
    assert after - first < 1_000_000


def test_code_goes_with_its_function() -> None:
    from dlgradient.native import compiler

    gc.collect()
    before = len(compiler._linked)
    accelerated = made(lambda x: x * 1.2345, dl.dlarray(2.0))
    assert len(compiler._linked) == before + 1
    enter = accelerated._enter
    accelerated.clear_cache()
    gc.collect()
    assert enter((dl.dlarray(2.0),)).item() == 2.469
    del enter, accelerated
    gc.collect()
    assert len(compiler._linked) == before


def test_threads_call_one_function(rng: np.random.Generator) -> None:
    accelerated = made(rosenbrock, dl.dlarray([-1.0, 2.0]))
    points = [dl.dlarray(v) for v in rng.integers(-3, 4, (500, 2)).astype(float)]
    expected = [bits(dl.dlfeval(rosenbrock, x)) for x in points]
    wrong: list[Any] = []

    def run() -> None:
        with dl.acceleration("native"):
            for x, e in zip(points * 4, expected * 4, strict=True):
                if bits(accelerated(x)) != e:
                    wrong.append(x)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_child_calls_and_compiles() -> None:
    accelerated = made(rosenbrock, dl.dlarray([-1.0, 2.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        child = os.fork()
    if not child:
        status = 1
        try:
            same = accelerated(dl.dlarray([-1.0, 2.0]))[0].item() == 104.0
            new = made(lambda x: x * 1.5, dl.dlarray(2.0))(dl.dlarray(4.0)).item() == 6.0
            status = int(not (same and new))
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_without_llvm_python_answers() -> None:
    code = """
import sys
sys.modules["llvmlite"] = None
import dlgradient as dl
f = dl.dlaccelerate(lambda x: x * x)
for _ in range(50):
    assert f(dl.dlarray(3.0)).item() == 9.0
assert f.hit_rate == 96
print(f.explain())
"""
    environment = {**os.environ, "DLGRADIENT_ACCELERATION": "auto"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert "Python's floats" in done.stdout, done.stderr


def test_garbage_is_collected_during_a_call() -> None:
    """A finalizer runs while results are made; it calls the function, and changes the argument."""
    accelerated = made(rosenbrock, dl.dlarray([-1.0, 2.0]))
    x = dl.dlarray([-1.0, 2.0])

    class Loop:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            x._value = np.array([-1.0, 2.0])
            assert accelerated(x)[0].item() == 104.0

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(300):
            Loop()
            assert accelerated(x)[0].item() == 104.0
            assert accelerated(x)[1].tolist() == [396.0, 200.0]
    finally:
        gc.set_threshold(*before)
