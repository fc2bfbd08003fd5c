"""No stale result: the ways in which a recorded program could differ from its function.

The first nine are those published for the original.
"""

from __future__ import annotations

import dataclasses
import functools
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.declaration import OPS
from dlgradient.program.lines import Check, Line, Slot, alike

RATE = 1.0
SETTINGS = {"rate": 1.0}
TABLE = np.array([1.0, 2.0])


def x_of(value: float) -> Any:
    return dl.dlarray([value, 2 * value])


def same(accelerated: Any, fun: Callable[..., Any], *args: Any) -> None:
    """Compare a call with an eager one."""
    found, expected = accelerated(*args), dl.dlfeval(fun, *args)
    assert dl.extractdata(found).tolist() == dl.extractdata(expected).tolist()


def warm(accelerated: Any, *args: Any) -> None:
    """Call until a program answers, if one ever does."""
    for _ in range(4):
        accelerated(*args)


# -- the published nine --------------------------------------------------------------------------


def test_1_a_branch_on_data_is_not_frozen() -> None:
    def fun(x: Any) -> Any:
        return x * 2 if x.sum() > 0 else x - 5

    accelerated = dl.dlaccelerate(fun)
    for value in (1.0, -1.0) * 4:
        same(accelerated, fun, x_of(value))
    assert accelerated.hit_rate == 50
    assert accelerated.occupancy == 4  # two paths of fifty


def test_2_a_logical_selection_keeps_no_count() -> None:
    def fun(x: Any) -> Any:
        chosen = x[x > 1.5]
        return chosen.mean() * len(chosen)

    accelerated = dl.dlaccelerate(fun)
    for value in (1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0):
        same(accelerated, fun, x_of(value))
    assert accelerated.hit_rate > 0


@pytest.mark.parametrize(
    "draw",
    [
        lambda: np.random.rand(),  # noqa: NPY002 - what users write
        random.random,
        lambda: np.random.default_rng().random(),
        time.perf_counter,
        functools.partial(next, iter(range(10**6))),
    ],
)
def test_3_a_random_number_or_a_count_is_not_frozen(draw: Callable[[], float]) -> None:
    def fun(x: Any) -> Any:
        return x * draw()

    accelerated = dl.dlaccelerate(fun)
    results = [accelerated(x_of(1.0)).tolist()[0] for _ in range(6)]
    assert len(set(results)) == 6
    assert accelerated.hit_rate == 0


def test_3_a_branch_on_a_random_number_is_not_frozen() -> None:
    generator = np.random.default_rng(0)

    def fun(x: Any) -> Any:
        return x * 2 if generator.random() < 0.999 else x  # the same branch again and again

    accelerated = dl.dlaccelerate(fun)
    warm(accelerated, x_of(1.0))
    assert accelerated.hit_rate == 0
    assert "draws" in accelerated.explain() or "changes" in accelerated.explain()


def test_4_side_effects_happen_in_every_call() -> None:
    seen: list[int] = []

    def fun(x: Any) -> Any:
        seen.append(1)
        return x + 1

    accelerated = dl.dlaccelerate(fun)
    for _ in range(5):
        accelerated(x_of(1.0))
    assert len(seen) == 5
    assert "changes seen" in accelerated.explain()


@pytest.mark.parametrize(
    "read",
    [
        dl.extractdata,
        lambda x: np.array(x.tolist()),
        lambda x: np.array([x.item(0), x.item(1)]),
        lambda x: float(format(x[0] * 0 + x.item(0), ".3f")),
    ],
)
def test_5_extracted_data_are_no_stale_constant(read: Callable[[Any], Any]) -> None:
    def fun(x: Any) -> Any:
        return x * read(x)

    accelerated = dl.dlaccelerate(fun)
    for value in (1.0, 2.0, 3.0, 3.0, 3.0, 2.0):
        same(accelerated, fun, x_of(value))


def test_6_captured_variables_are_watched() -> None:
    array, holder, numbers = np.ones(2), SimpleNamespace(w=dl.dlarray(1.0)), [1.0]
    large = np.ones(5000)
    factor = 1.0

    def fun(x: Any) -> Any:
        return x * array * holder.w * numbers[0] * factor * RATE * SETTINGS["rate"] * large[:2]

    accelerated = dl.dlaccelerate(fun)
    warm(accelerated, x_of(1.0))
    before = accelerated.hit_rate
    assert before > 0
    array[0] = 5.0
    same(accelerated, fun, x_of(1.0))
    large[1] = 7.0
    same(accelerated, fun, x_of(1.0))
    holder.w = dl.dlarray(3.0)
    same(accelerated, fun, x_of(1.0))
    holder.w[...] = 4.0
    same(accelerated, fun, x_of(1.0))
    numbers[0] = 2.0
    same(accelerated, fun, x_of(1.0))
    factor = 11.0
    same(accelerated, fun, x_of(1.0))


def test_6_globals_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    def fun(x: Any) -> Any:
        return x * RATE * SETTINGS["rate"] * TABLE

    accelerated = dl.dlaccelerate(fun)
    warm(accelerated, x_of(1.0))
    assert accelerated.hit_rate == 50
    monkeypatch.setitem(globals(), "RATE", 2.0)
    same(accelerated, fun, x_of(1.0))
    monkeypatch.setitem(SETTINGS, "rate", 3.0)
    same(accelerated, fun, x_of(1.0))
    monkeypatch.setitem(globals(), "TABLE", np.array([3.0, 4.0]))
    same(accelerated, fun, x_of(1.0))


def test_7_a_function_that_is_made_again_is_the_same() -> None:
    def fun(f: Callable[..., Any], x: Any) -> Any:
        return f(x)

    accelerated = dl.dlaccelerate(fun)
    for value in (1.0, 2.0, 3.0, 4.0):
        found = accelerated(lambda x: x * 2, x_of(value))
        assert found.tolist() == [2 * value, 4 * value]
    assert accelerated.hit_rate == 50
    for factor in (3.0, 4.0):
        found = accelerated(lambda x, factor=factor: x * factor, x_of(1.0))
        assert found.tolist() == [factor, 2 * factor]


def test_8_sequences_of_varying_length_are_named() -> None:
    def fun(sequence: Any, state: Any) -> Any:
        return sequence.sum() * state

    accelerated = dl.dlaccelerate(fun)
    for n in range(1, 21):
        assert accelerated(dl.dlarray(np.ones(n)), dl.dlarray(2.0)).item() == 2 * n
    with pytest.warns(RuntimeWarning, match=r"sequence varies: dlarray of shape \(20,\)"):
        accelerated(dl.dlarray(np.ones(21)), dl.dlarray(2.0))
    assert accelerated.occupancy <= 100


def test_9_custom_layers_and_functions_are_right() -> None:
    class Double(dl.DifferentiableFunction):
        def forward(self, context: Any, x: Any) -> Any:  # noqa: ARG002
            return 2 * x

        def backward(self, context: Any, g: Any) -> Any:  # noqa: ARG002
            return 2 * g

    double = Double()

    def fun(x: Any) -> Any:
        return dl.dlgradient(double(x).sum(), x)

    accelerated = dl.dlaccelerate(fun)
    for value in (1.0, 2.0, 3.0):
        assert accelerated(x_of(value)).tolist() == [2.0, 2.0]


# -- more of the kind ----------------------------------------------------------------------------


def test_a_changed_body_is_noticed() -> None:
    def fun(x: Any) -> Any:
        return helper(x)

    def helper(x: Any) -> Any:
        return x * 2

    def other(x: Any) -> Any:
        return x * 3

    accelerated = dl.dlaccelerate(fun)
    warm(accelerated, x_of(1.0))
    assert accelerated.hit_rate == 50
    helper.__code__ = other.__code__
    assert accelerated(x_of(1.0)).tolist() == [3.0, 6.0]
    fun.__code__ = other.__code__.replace(co_freevars=fun.__code__.co_freevars)
    assert accelerated(x_of(2.0)).tolist() == [6.0, 12.0]


def test_changed_defaults_are_noticed() -> None:
    def fun(x: Any, factor: float = 2.0, *, shift: float = 1.0) -> Any:
        return x * factor + shift

    accelerated = dl.dlaccelerate(fun)
    warm(accelerated, x_of(1.0))
    fun.__defaults__ = (3.0,)
    assert accelerated(x_of(1.0)).tolist() == [4.0, 7.0]
    fun.__kwdefaults__ = {"shift": 0.0}
    assert accelerated(x_of(1.0)).tolist() == [3.0, 6.0]


def test_attributes_of_objects_are_noticed() -> None:
    class Model:
        scale = 2.0

        def __init__(self) -> None:
            self.weights = {"w": dl.dlarray(1.0)}
            self.unused = [object()]

        def loss(self, x: Any) -> Any:
            return (self.scale * self.weights["w"] * x).sum()

        __call__ = loss

    model = Model()
    for fun in (model.loss, model):
        accelerated = dl.dlaccelerate(fun)
        warm(accelerated, x_of(1.0))
        assert accelerated.hit_rate == 50
        model.unused.append(object())
        assert accelerated(x_of(1.0)).item() == 6.0 * model.weights["w"].item() / 2 * model.scale
        model.weights["w"] = model.weights["w"] + 1
        assert accelerated(x_of(1.0)).item() == 3.0 * model.weights["w"].item() * model.scale
        Model.scale += 1.0
        assert accelerated(x_of(1.0)).item() == 3.0 * model.weights["w"].item() * model.scale


def test_a_method_sees_its_object() -> None:
    class Model:
        def __init__(self, w: float) -> None:
            self.w = w

        @dl.dlaccelerate
        def scaled(self, x: Any) -> Any:
            return self.w * x

    first, second = Model(2.0), Model(3.0)
    for _ in range(4):
        assert first.scaled(x_of(1.0)).tolist() == [2.0, 4.0]
        assert second.scaled(x_of(1.0)).tolist() == [3.0, 6.0]
    first.w = 7.0
    assert first.scaled(x_of(1.0)).tolist() == [7.0, 14.0]


def test_a_function_that_counts_runs_eagerly() -> None:
    counter = SimpleNamespace(steps=0)

    def fun(x: Any) -> Any:
        counter.steps += 1
        return x * counter.steps

    accelerated = dl.dlaccelerate(fun)
    found = [accelerated(x_of(1.0)).tolist()[0] for _ in range(5)]
    assert found == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert "changes counter.steps" in accelerated.explain()


def test_an_argument_that_is_changed_is_noticed() -> None:
    def fun(x: Any, buffer: Any) -> Any:
        buffer += 1
        return x * buffer

    accelerated = dl.dlaccelerate(fun)
    buffer = np.zeros(2)
    for i in range(5):
        assert accelerated(x_of(1.0), buffer).tolist() == [i + 1.0, 2.0 * (i + 1)]


def test_numbers_and_arrays_among_the_arguments_are_values() -> None:
    def fun(x: Any, rate: float, data: Any, *, power: int = 2) -> Any:
        return x**power * rate + data

    accelerated = dl.dlaccelerate(fun)
    for rate in (0.1, 0.1, 0.1, -0.0, 0.0):
        for data in (np.ones(2), np.zeros(2), np.ones(2, np.float32)):
            for power in (2, True):
                args = x_of(2.0), rate, data
                expected = dl.dlfeval(fun, *args, power=power)
                found = accelerated(*args, power=power)
                assert found.tolist() == expected.tolist()
                assert found.dtype == expected.dtype


def test_a_dlarray_that_is_assigned_to_is_a_new_value() -> None:
    def fun(x: Any) -> Any:
        y = x * 1.5
        y[0] = y[1] * 2
        x[1] = 0.0
        return y + x

    accelerated = dl.dlaccelerate(fun)
    x = x_of(1.0)
    for i in range(5):
        x[0] = float(i)
        same(accelerated, fun, x)
        assert x.tolist() == [float(i), 2.0]


def test_results_are_values_of_their_own() -> None:
    accelerated = dl.dlaccelerate(lambda x: (x + 0.0, dl.zeros(2), x))
    for _ in range(4):
        x = x_of(1.0)
        first, constant, same_as_x = accelerated(x)
        first[0], constant[0], same_as_x[0] = 9.0, 9.0, 9.0
        assert accelerated(x)[1].tolist() == [0.0, 0.0]
        assert x.tolist() == [1.0, 2.0]


def test_explicit_options_hold() -> None:
    """A derivative that is not to be differentiated again is a constant, as in an eager call."""

    def fun(x: Any, *, higher: bool | None) -> Any:
        g = dl.dlgradient((x**3).sum(), x, enable_higher_derivatives=higher)
        return dl.dlgradient((g * x).sum(), x)

    for higher in (True, False):
        accelerated = dl.dlaccelerate(functools.partial(fun, higher=higher))
        for value in (1.0, 2.0, 3.0, 4.0):
            found = accelerated(x_of(value))
            expected = dl.dlfeval(fun, x_of(value), higher=higher)
            assert found.tolist() == expected.tolist()
    default = dl.dlaccelerate(functools.partial(fun, higher=None))
    for _ in range(4):
        assert default(x_of(1.0)).tolist() == [9.0, 36.0]
    default.enabled = False
    assert default(x_of(1.0)).tolist() == [9.0, 36.0]


def test_a_constant_derivative_can_be_read() -> None:
    def fun(x: Any) -> Any:
        g = dl.dlgradient((x**2).sum(), x, enable_higher_derivatives=False)
        return x * float(g[0]) + np.asarray(g)

    accelerated = dl.dlaccelerate(fun)
    for value in (1.0, 1.0, 1.0, 2.0):
        same(accelerated, fun, x_of(value))


def test_integers_are_followed() -> None:
    def fun(x: Any, n: Any, labels: Any) -> Any:
        return x * int(n) + labels * 2 + (labels == 1)

    accelerated = dl.dlaccelerate(fun)
    for n, labels in ((1, [1, 2]), (1, [3, 4]), (1, [5, 1]), (2, [1, 1]), (2, [1, 1]), (2, [3, 1])):
        args = x_of(1.0), dl.dlarray(np.int64(n)), dl.dlarray(np.array(labels))
        same(accelerated, fun, *args)
    assert accelerated.hit_rate > 0
    count = dl.dlarray(np.arange(2))
    with pytest.raises(dl.IntegerVariableError):
        dl.dlaccelerate(lambda x, k: dl.dlgradient((k * x).sum(), k))(x_of(1.0), count)
    with pytest.raises(dl.NotTracedError):
        dl.dlaccelerate(lambda x, k: dl.dlgradient((k * 1.0).sum(), x))(x_of(1.0), count)


def test_structural_zeros_meet_no_nan() -> None:
    """The walk looks for NaN, and a call that has one takes another path."""

    def fun(x: Any) -> Any:
        return dl.dlgradient(dl.where(x > 0, dl.sqrt(x), x).sum(), x)

    accelerated = dl.dlaccelerate(fun)
    for value in (1.0, 2.0, 3.0, -1.0, 0.0, 4.0):
        x = dl.dlarray([value, 1.0])
        with np.errstate(invalid="ignore"):
            assert accelerated(x).tolist() == dl.dlfeval(fun, x).tolist()


def test_operands_that_differ_from_call_to_call(tmp_path: Any) -> None:
    """Two calls have recorded one program only if its lines read the same values."""
    order = tmp_path / "order"

    def fun(x: Any, y: Any) -> Any:
        return x - y if order.read_text() == "xy" else y - x

    accelerated = dl.dlaccelerate(fun)
    for text in ("xy", "yx") * 3:
        order.write_text(text)
        same(accelerated, fun, x_of(1.0), x_of(3.0))
    assert accelerated.hit_rate == 0


def test_a_step_is_like_itself_only() -> None:
    """A change of anything in a line makes another line."""
    x, y = Slot(0), Slot(1)
    kind = (2,), np.dtype(np.float64)
    line = Line(Slot(2), OPS["subtract"], (x, y), {}, *kind)
    assert alike(line, dataclasses.replace(line))
    others = [
        {"target": Slot(3)},
        {"op": OPS["add"]},
        {"operands": (y, x)},
        {"operands": (x, 1)},
        {"operands": (x, np.ones(2))},
        {"params": {"axis": 0}},
        {"shape": (3,)},
        {"dtype": np.dtype(np.float32)},
    ]
    assert not [change for change in others if alike(line, dataclasses.replace(line, **change))]
    check = Check(bool, (x,), True)
    others = [{"function": int}, {"operands": (y,)}, {"found": False}, {"found": 1}]
    assert not [change for change in others if alike(check, dataclasses.replace(check, **change))]


def test_a_program_of_many_operations() -> None:
    """Time and memory of recording grow as the program does, though any loop would be compiled."""
    pytest.importorskip("llvmlite")
    count = 10_100

    def fun(x: Any) -> Any:
        y = x
        for _ in range(count):
            y = dl.sin(y)
        return y, dl.dlgradient(y.sum(), x)

    x = x_of(0.3)
    with dl.acceleration("native"):
        accelerated = dl.dlaccelerate(fun)
        start = time.process_time()
        for _ in range(3):
            y, g = accelerated(x)
        assert time.process_time() - start < 30  # it takes 2 s
    expected = dl.dlfeval(fun, x)
    np.testing.assert_allclose(dl.extractdata(y), dl.extractdata(expected[0]), rtol=1e-9)
    np.testing.assert_allclose(dl.extractdata(g), dl.extractdata(expected[1]), rtol=1e-9)
    assert accelerated.hit_rate == pytest.approx(100 / 3)
