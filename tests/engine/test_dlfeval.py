"""`dlfeval`: what becomes a variable, what comes back, what is left behind."""

import contextvars
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import errors
from dlgradient.core.calls import open_node
from dlgradient.core.graph import Node
from dlgradient.core.trace import current_trace


class Pair(NamedTuple):
    first: object
    second: object


@dataclass(frozen=True)
class Model:
    weights: object
    scale: float


def is_traced(x):
    return open_node(x) is not None


def test_arguments_become_variables_at_any_depth():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(
        {"Layer": ["fc"], "Parameter": ["Weights"], "Value": [dl.dlarray([1.0, 2.0])]}
    )
    x = dl.dlarray(1.0)
    seen = {}

    def fun(a, nested, pair, model, table, *, keyword, number):
        seen.update(
            a=a,
            nested=nested["k"][0][1],
            pair=pair.second,
            model=model.weights,
            table=table["Value"].iloc[0],
            keyword=keyword,
        )
        assert number == 3
        assert model.scale == 2.0
        return [is_traced(value) for value in seen.values()]

    traced = dl.dlfeval(
        fun, x, {"k": [(0, x)]}, Pair(1, x), Model(x, 2.0), table, keyword=x, number=3
    )
    assert traced == [True] * 6
    assert not is_traced(x)


def test_integers_stay_untraced_data():
    assert dl.dlfeval(is_traced, dl.dlarray(np.array([1, 2]))) is False
    assert dl.dlfeval(is_traced, dl.dlarray([True, False])) is True


def test_outputs_are_untraced_and_keep_their_containers():
    out = dl.dlfeval(
        lambda x: {"b": [x * 2], "a": Model(x, 1.0), "c": (x, "text", None)}, dl.dlarray([1.0])
    )
    assert list(out) == ["b", "a", "c"]
    assert not is_traced(out["b"][0])
    assert not is_traced(out["a"].weights)
    assert out["c"][1:] == ("text", None)
    assert out["b"][0].tolist() == [2.0]


def test_nested_dlfeval_joins_the_outer_trace():
    def inner(x, w):
        return w * x**2

    def outer(x):
        y = dl.dlfeval(inner, x, dl.dlarray(3.0))
        assert is_traced(y)
        return dl.dlgradient(y * x, x)

    assert dl.dlfeval(outer, dl.dlarray(2.0)).item() == pytest.approx(9 * 2.0**2)


def test_inner_dlfeval_may_differentiate_with_respect_to_an_intermediate_value():
    def outer(x):
        u = dl.sin(x)
        inner = dl.dlfeval(lambda v: dl.dlgradient(v**3, v, enable_higher_derivatives=True), u)
        return inner, dl.dlgradient(inner, x)

    value, gradient = dl.dlfeval(outer, dl.dlarray(0.7))
    assert value.item() == pytest.approx(3 * np.sin(0.7) ** 2)
    assert gradient.item() == pytest.approx(6 * np.sin(0.7) * np.cos(0.7))


def gradient_of(f, **options):
    def gradient(x):
        return dl.dlgradient(f(x), x, **options)

    return lambda x: dl.dlfeval(gradient, x)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_gradient_functions_compose(order):
    f = dl.sin
    for _ in range(order):
        f = gradient_of(f, enable_higher_derivatives=True)
    expected = [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin][order - 1](0.7)
    assert f(dl.dlarray(0.7)).item() == pytest.approx(expected, rel=1e-14)


def test_a_composition_without_higher_derivatives_says_what_to_enable():
    with pytest.raises(errors.NotTracedError, match="enable_higher_derivatives=True"):
        gradient_of(gradient_of(dl.sin))(dl.dlarray(0.7))


def test_an_exception_leaves_nothing_behind():
    alive = []

    def fails(x):
        y = x * 2.0
        alive.append(weakref.ref(y))
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        dl.dlfeval(fails, dl.dlarray([1.0]))
    gc.collect()
    assert current_trace() is None
    assert alive[0]() is None


def test_a_node_that_another_thread_is_making_does_not_disturb():
    kept = []

    def fun(x):
        kept.extend([object.__new__(Node), 2 * x])
        return x

    assert dl.dlfeval(fun, dl.dlarray([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert kept[1].tolist() == [2.0, 4.0]


def test_an_escaped_value_is_a_constant():
    kept = []

    def fun(x):
        kept.append(x * 2.0)
        return dl.dlgradient((x * 3.0).sum(), x)

    dl.dlfeval(fun, dl.dlarray([1.0, 2.0]))
    escaped = kept[0]
    assert "traced" not in repr(escaped)
    assert np.asarray(escaped).tolist() == [2.0, 4.0]

    def with_escaped(x):
        return dl.dlgradient((x * escaped).sum(), x)

    assert dl.dlfeval(with_escaped, dl.dlarray([5.0, 6.0])).tolist() == [2.0, 4.0]
    with pytest.raises(errors.NotTracedError, match="has ended"):
        dl.dlfeval(lambda x: dl.dlgradient(x.sum(), kept[0]), dl.dlarray([1.0]))


def test_threads_are_independent():
    start = threading.Barrier(4)
    results = {}

    def work(k):
        def fun(x):
            start.wait()
            y = x
            for _ in range(200):
                y = y * 1.01 + k
            return dl.dlgradient(y.sum(), x)

        results[k] = dl.dlfeval(fun, dl.dlarray([1.0, float(k)])).tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_allclose(results[k], [1.01**200] * 2)


def in_thread(function, *args):
    """Call a function in a thread that has no dlfeval of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


X = [0.3, 0.7]


def inner(x):
    return (dl.sin(x) * x).sum()


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda x: in_thread(dl.dlfeval, inner, x),
        lambda x: in_thread(dl.dlfeval, lambda c: inner(c["x"][0]), {"x": [x]}),
        lambda x: in_thread(dl.dlfeval, lambda _: inner(x), dl.dlarray(1.0)),
        lambda x: in_thread(inner, x),
    ],
    ids=["argument", "container", "closure", "no dlfeval"],
)
def test_values_that_another_thread_traces_keep_their_derivative(evaluate):
    gradient = dl.dlfeval(lambda x: dl.dlgradient(evaluate(x), x), dl.dlarray(X))
    np.testing.assert_allclose(gradient._value, np.sin(X) + X * np.cos(X), rtol=1e-14)


def test_another_thread_may_differentiate():
    def outer(x):
        y = inner(x)
        return in_thread(dl.dlgradient, y, x), in_thread(lambda: dl.dljvp(y, x, [1.0, 0.0]))

    gradient, slope = dl.dlfeval(outer, dl.dlarray(X))
    np.testing.assert_allclose(gradient._value, np.sin(X) + X * np.cos(X), rtol=1e-14)
    assert slope.item() == gradient[0].item()


def test_a_derivative_in_another_thread_is_part_of_the_outer_one():
    def slope(w):
        return dl.dlgradient((w**3).sum(), w, enable_higher_derivatives=True)

    def outer(x):
        return dl.dlgradient(in_thread(dl.dlfeval, slope, x).sum(), x)

    np.testing.assert_allclose(dl.dlfeval(outer, dl.dlarray(X))._value, 6 * np.array(X))


@pytest.mark.parametrize(
    "combine",
    [
        lambda x, w: x * w,
        lambda x, w: w * x,
        lambda x, w: dl.stack([w, x]),
        lambda x, w: dl.where([True, False], w, x),
        lambda x, w: assigned(w * 1, x[0]),
        lambda x, w: assigned(x * 1, w[0]),
    ],
)
def test_operands_of_two_evaluations_are_an_error(combine):
    def outer(x):
        in_thread(dl.dlfeval, lambda w: combine(x, w), dl.dlarray(X))

    with pytest.raises(errors.LeavingTraceError, match=r"dlfeval\(outer\).*dlfeval\(|join"):
        dl.dlfeval(outer, dl.dlarray(X))


def assigned(x, value):
    x[0] = value
    return x


def test_an_error_says_that_a_dlfeval_runs_in_another_thread():
    y = dl.dlarray(X)
    with pytest.raises(errors.OutsideDlfevalError, match="is running in this thread, only in an"):
        dl.dlfeval(lambda _: in_thread(dl.dlgradient, y.sum(), y), y)
    with pytest.raises(errors.OutsideDlfevalError, match="no dlfeval is running, so"):
        dl.dlgradient(y.sum(), y)


def test_a_task_that_outlives_its_evaluation_has_traces_of_its_own():
    context = dl.dlfeval(lambda _: contextvars.copy_context(), dl.dlarray(1.0))
    slope = context.run(dl.dlfeval, lambda x: dl.dlgradient(inner(x), x), dl.dlarray(X))
    assert (
        slope.tolist() == dl.dlfeval(lambda x: dl.dlgradient(inner(x), x), dl.dlarray(X)).tolist()
    )


def test_functions_that_would_run_later_are_refused():
    def yields(x):
        yield dl.dlgradient(x.sum(), x)

    async def waits(x):
        return dl.dlgradient(x.sum(), x)

    async def yields_and_waits(x):
        yield dl.dlgradient(x.sum(), x)

    for function, kind in [
        (yields, "generator"),
        (waits, "coroutine"),
        (yields_and_waits, "generator"),
    ]:
        with pytest.raises(
            errors.InvalidArgumentError, match=f"{function.__name__} returned a {kind}"
        ):
            dl.dlfeval(function, dl.dlarray(X))


# -- what a trace leaves behind ------------------------------------------------------------------


def test_a_stored_value_does_not_keep_its_graph():
    stored = []
    graphs = []

    def loss(x):
        y = x
        for _ in range(3):
            y = dl.sin(y) * y
            graphs.append(weakref.ref(y._node))
        stored.append((y * y).sum())
        return dl.dlgradient(stored[-1], x)

    gc.collect()
    gc.disable()
    try:
        x = dl.dlarray(np.arange(4.0))
        for _ in range(3):
            dl.dlfeval(loss, x)
        assert [graph() for graph in graphs] == [None] * 9
    finally:
        gc.enable()
    assert [y.item() for y in stored] == [stored[0].item()] * 3


@pytest.mark.parametrize("collect", [True, False])
def test_a_value_stored_long_ago_does_not_keep_its_graph(collect):
    stored = []

    def loss(x):
        stored.append(dl.exp(x))
        node = weakref.ref((stored[-1] * 2)._node.parents[0])
        if collect:
            gc.collect()  # the nodes are old now
        return node

    node = dl.dlfeval(loss, dl.dlarray(1.0))
    assert node() is stored[0]._node
    assert not node().parents
    assert not node().saved


def test_a_trace_that_closes_asks_nothing_of_the_objects_of_others():
    stored = []

    class Proxy:
        @property
        def __class__(self):
            asked.append("its class")
            return int

    def loss(x):
        stored.append((Proxy(), dl.exp(x)))
        asked.clear()
        return stored[-1][1] * 2

    asked = []
    assert isinstance(Proxy(), int)
    assert asked
    dl.dlfeval(loss, dl.dlarray(1.0))
    assert not asked


def test_an_exception_does_not_keep_the_graph():
    nodes = []

    def fails(x):
        y = dl.exp(x) * 2
        nodes.append(y._node)
        raise KeyError(y.shape)

    with pytest.raises(KeyError):
        dl.dlfeval(fails, dl.dlarray(1.0))
    assert not nodes[0].parents


def test_a_trace_that_another_thread_joined_and_that_has_ended_is_an_error():
    running, ended = threading.Event(), threading.Event()

    def late(x):
        y = (x * x).sum()
        running.set()
        ended.wait()
        return dl.dlgradient(y, x)

    with ThreadPoolExecutor(1) as pool:

        def outer(x):
            found = pool.submit(dl.dlfeval, late, x)
            running.wait()
            return found

        found = dl.dlfeval(outer, dl.dlarray(X))
        ended.set()
        with pytest.raises(errors.DlgradientError):
            found.result()


def test_the_function_must_be_callable():
    with pytest.raises(errors.NotDlarrayError, match=r"dlfeval\(fun, x\)"):
        dl.dlfeval(3.0, dl.dlarray(1.0))


# -- arrays that a trace remembers --------------------------------------------------------------


def test_a_small_raw_operand_is_copied():
    weights = np.full(3, 2.0)

    def fun(x):
        y = (x * weights).sum()
        weights[:] = 100.0
        return dl.dlgradient(y, x)

    assert dl.dlfeval(fun, dl.dlarray(np.ones(3))).tolist() == [2.0] * 3


def test_a_large_raw_operand_is_locked_until_the_trace_is_closed():
    weights = np.full(100_000, 2.0)

    def fun(x):
        y = (x * weights).sum()
        with pytest.raises(ValueError, match="read-only"):
            weights[:] = 100.0
        return dl.dlgradient(y, x)

    gradient = dl.dlfeval(fun, dl.dlarray(np.ones(100_000)))
    assert set(np.asarray(gradient).tolist()) == {2.0}
    weights[:] = 5.0
    assert weights[0] == 5.0


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_view_of_a_part_is_copied_since_its_base_may_change(size):
    base = np.full(size + 1, 2.0)
    view = base[1:]

    def fun(x):
        y = (x * view).sum()
        base[:] = 100.0
        return dl.dlgradient(y, x)

    gradient = dl.dlfeval(fun, dl.dlarray(np.ones(size)))
    assert set(np.asarray(gradient).tolist()) == {2.0}


def test_a_locked_array_is_writable_after_an_exception():
    weights = np.ones(100_000)

    def fun(x):
        _ = x * weights
        raise RuntimeError

    with pytest.raises(RuntimeError):
        dl.dlfeval(fun, dl.dlarray(1.0))
    assert weights.flags.writeable


def test_a_dlarray_copies_its_data():
    data = np.array([1.0, 2.0])
    x = dl.dlarray(data)
    data[0] = 9.0
    assert x.tolist() == [1.0, 2.0]
    out = dl.extractdata(x)
    out[0] = 7.0
    assert x.tolist() == [1.0, 2.0]
    view = x.__array__(copy=False)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 7.0


def test_integers_keep_their_format():
    x = dl.dlfeval(lambda x: x, dl.dlarray(np.array([[1, 2]]), "CB"))
    assert (dl.dims(x), x.dtype, x.tolist()) == ("CB", np.int64, [[1, 2]])
