"""What a function of a user reads besides its arguments may not change before the derivative.

Each kind of function, with each way to reach a value, and each way to change it.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.surroundings import is_of_user, values_read
from dlgradient.rules import OPS
from dlgradient.testing import case

X = np.array([0.5, -1.5, 2.0])
Y = np.array([1.0, 0.25, -0.75])
SCALE: Any = None


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    global SCALE  # noqa: PLW0603 - the tests read a global
    before = dict(OPS), dict(FUNCTIONS)
    yield
    SCALE = None
    sys.modules.pop("user_settings", None)
    for table, entries in zip((OPS, FUNCTIONS), before, strict=True):
        table.clear()
        table.update(entries)


# -- how a function reaches a value --------------------------------------------------------------


class Holder:
    """An object with attributes, and a method that reads them."""

    def __init__(self, scale: Any) -> None:
        self.scale = scale

    def read(self) -> Any:
        return self.scale


class Slotted:
    __slots__ = ("scale",)

    def __init__(self, scale: Any) -> None:
        self.scale = scale


def read_global() -> Any:
    return SCALE


def from_closure(scale: Any) -> Callable[[], Any]:
    return lambda: scale


def from_default(scale: Any) -> Callable[[], Any]:
    def read(scale: Any = scale) -> Any:
        return scale

    return read


def from_keyword(scale: Any) -> Callable[[], Any]:
    def read(*, scale: Any = scale) -> Any:
        return scale

    return read


def from_global(scale: Any) -> Callable[[], Any]:
    global SCALE  # noqa: PLW0603 - as above
    SCALE = scale
    return lambda: read_global()


def from_module(scale: Any) -> Callable[[], Any]:
    module = ModuleType("user_settings")
    module.scale = scale  # type: ignore[attr-defined]
    scope = {"__name__": "user_code", "user_settings": module}
    exec("def read():\n    return user_settings.scale", scope)
    return scope["read"]  # type: ignore[return-value]


def from_container(scale: Any) -> Callable[[], Any]:
    held = {"a": [SimpleNamespace(scale=scale)]}
    return lambda: held["a"][0].scale


def from_slot(scale: Any) -> Callable[[], Any]:
    held = Slotted(scale)
    return lambda: held.scale


def from_class(scale: Any) -> Callable[[], Any]:
    class Constants(Holder):
        def __init__(self) -> None:
            pass

    Constants.scale = scale
    return Constants().read


def from_inner(scale: Any) -> Callable[[], Any]:
    def read() -> Any:
        return [scale for _ in range(1)][0]  # noqa: RUF015 - the name is in an inner function

    return read


def from_series(scale: Any) -> Callable[[], Any]:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(scale, copy=False)
    return lambda: np.asarray(series)


WAYS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "closure": from_closure,
    "default": from_default,
    "keyword": from_keyword,
    "global": from_global,
    "module": from_module,
    "container": from_container,
    "object": lambda scale: Holder(scale).read,
    "slot": from_slot,
    "class": from_class,
    "inner function": from_inner,
    "partial": lambda scale: partial(lambda scale: scale, scale),
    "partial, keyword": lambda scale: partial(lambda *, scale: scale, scale=scale),
    "Series": from_series,
}


@pytest.mark.parametrize("way", WAYS)
def test_values_that_a_function_can_read(way: str) -> None:
    read = WAYS[way](Y)
    found = [value for _, _, value in values_read([read])]
    assert any(isinstance(value, np.ndarray) and np.shares_memory(value, Y) for value in found)


# -- functions that run again --------------------------------------------------------------------


class Scaled(dl.DifferentiableFunction):
    """x times what a function reads."""

    def __init__(self, read: Callable[[], Any]) -> None:
        self.read = read

    def forward(self, _context: Any, x: Any) -> Any:
        return x * self.read()

    def backward(self, _context: Any, g: Any) -> Any:
        return g * self.read()


def declared(read: Callable[[], Any]) -> Any:
    def user_operation(x: Any, /) -> Any:
        """Operation under test."""
        return x * read()

    return dl.define_operation(
        "linear", x=lambda g: g * read(), samples=lambda m: [case(m.real(3))]
    )(user_operation)


def solution(mode: str) -> Callable[[Callable[[], Any]], Any]:
    def of(read: Callable[[], Any]) -> Any:
        return lambda x: dl.dlode45(lambda _t, y: y * read(), [0, 1], x, gradient_mode=mode)

    return of


FUNCTIONS_OF_USERS: dict[str, Callable[[Callable[[], Any]], Any]] = {
    "passes": Scaled,
    "operation": declared,
    "checkpointed": solution("checkpointed"),
    "adjoint": solution("adjoint"),
}


def slope(function: Any, between: Callable[[], None], size: int = 3) -> Any:
    def run(x: Any) -> Any:
        y = function(x).sum()
        between()
        return dl.dlgradient(y, x)

    return dl.dlfeval(run, dl.dlarray(np.resize(X, size)))


@pytest.mark.parametrize("kind", FUNCTIONS_OF_USERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_change_before_the_derivative_is_an_error(kind: str, way: str) -> None:
    scale = np.array(Y)
    function = FUNCTIONS_OF_USERS[kind](WAYS[way](scale))
    expected = slope(function, lambda: None).tolist()
    with pytest.raises(dl.ChangedArrayError, match=r"can read, has changed since the call"):
        slope(function, lambda: scale.fill(7.0))
    scale[:] = Y
    assert slope(function, lambda: None).tolist() == expected


@pytest.mark.parametrize("kind", FUNCTIONS_OF_USERS)
def test_a_change_of_a_large_array_is_an_error(kind: str) -> None:
    scale = np.array(np.resize(Y, 20_000))
    function = FUNCTIONS_OF_USERS[kind](from_closure(scale))
    with pytest.raises(dl.ChangedArrayError, match=r"\(20000,\) float64, which a function"):
        slope(function, lambda: scale.fill(7.0), 20_000)
    scale[0] = 1.0  # it is not locked


@pytest.mark.parametrize("kind", FUNCTIONS_OF_USERS)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Y, 2 * Y),
        (2.0, 3.0),
        (np.float64(2.0), np.float64(3.0)),
        (dl.dlarray(Y), dl.dlarray(2 * Y)),
    ],
)
def test_another_value_under_the_same_name_is_an_error(kind: str, first: Any, second: Any) -> None:
    holder = Holder(first)
    function = FUNCTIONS_OF_USERS[kind](holder.read)
    with pytest.raises(dl.ChangedArrayError, match=r"self\.scale, which"):
        slope(function, lambda: setattr(holder, "scale", second))


@pytest.mark.parametrize("kind", FUNCTIONS_OF_USERS)
def test_an_assignment_to_a_captured_dlarray_is_an_error(kind: str) -> None:
    scale = dl.dlarray(Y)
    function = FUNCTIONS_OF_USERS[kind](from_closure(scale))

    def assign() -> None:
        scale[0] = 7.0

    with pytest.raises(dl.ChangedArrayError, match="scale, which"):
        slope(function, assign)


def test_equal_values_and_counters_are_no_change() -> None:
    holder = Holder(np.array(Y))
    holder.calls = 0  # type: ignore[attr-defined]
    holder.nan = np.nan  # type: ignore[attr-defined]

    def same() -> None:
        holder.scale = np.array(Y)
        holder.calls += 1  # type: ignore[attr-defined]
        holder.nan = float("nan")  # type: ignore[attr-defined]
        holder.log = [1.0]  # type: ignore[attr-defined]

    assert slope(Scaled(holder.read), same).tolist() == Y.tolist()


def test_a_change_between_two_steps_in_one_evaluation() -> None:
    holder = Holder(np.array(Y))
    function = Scaled(holder.read)

    def steps(x: Any) -> Any:
        found = []
        for i in range(3):
            holder.scale = Y * i
            y = function(x).sum()
            found.append(dl.dlgradient(y, x))
        return found

    gradients = dl.dlfeval(steps, dl.dlarray(X))
    assert [g.tolist() for g in gradients] == [(Y * i).tolist() for i in range(3)]


def test_constants_among_the_parameters_of_a_solver_may_change() -> None:
    for mode in ("direct", "checkpointed", "adjoint"):

        def end(x: Any, scale: Any, mode: str = mode) -> Any:
            return dl.dlode45(lambda _t, y, p: y * p[0], [0, 1], x, [scale], gradient_mode=mode)

        for size in (3, 20_000):
            scale = np.array(np.resize(Y, size))
            wanted = slope(partial(end, scale=np.array(scale)), lambda: None, size)
            view = scale[:1]
            if size == 3:
                found = slope(partial(end, scale=scale), lambda s=scale: s.fill(7.0), size)
                assert found.tolist() == wanted.tolist()
            else:
                with pytest.raises(dl.ChangedArrayError):
                    slope(partial(end, scale=scale), lambda v=view: v.fill(7.0), size)


class Buffers(dl.DifferentiableFunction):
    """The sine; what is written to the buffers is not read from them again."""

    def __init__(self, size: int) -> None:
        self.result, self.cosine, self.gradient = (np.zeros(size) for _ in range(3))

    def forward(self, context: Any, x: Any) -> Any:
        context.save(np.cos(x, out=self.cosine))
        return np.sin(x, out=self.result)

    def backward(self, context: Any, g: Any) -> Any:
        return np.multiply(g, context.saved[0], out=self.gradient)


class ReadsItsBuffer(Buffers):
    def backward(self, _context: Any, g: Any) -> Any:
        return g * self.cosine


@pytest.mark.parametrize("size", [3, 20_000])
def test_buffers_of_results_are_no_change(size: int) -> None:
    function = Buffers(size)

    def run(x: Any) -> Any:
        a, b = function(x), function(2 * x)
        first = dl.dlgradient((a * b).sum(), x)
        return first, dl.dlgradient((a * b).sum(), x)

    x = np.resize(X, size)
    expected = np.cos(x) * np.sin(2 * x) + 2 * np.sin(x) * np.cos(2 * x)
    for found in dl.dlfeval(run, dl.dlarray(x)):
        np.testing.assert_allclose(found._value, expected, rtol=1e-12)
    stale = ReadsItsBuffer(size)
    with pytest.raises(dl.ChangedArrayError):
        dl.dlfeval(lambda x: dl.dlgradient((stale(x) + stale(2 * x)).sum(), x), dl.dlarray(x))


def test_a_right_hand_side_writes_to_one_buffer() -> None:
    buffer = np.zeros(3)

    def constant(t: Any, _y: Any) -> Any:
        buffer[:] = t
        return buffer

    def run(y: Any) -> Any:
        ends = [dl.dlode45(constant, [0, t], y, gradient_mode="checkpointed") for t in (1, 2)]
        return dl.dlgradient((ends[0] + ends[1]).sum(), y)

    assert dl.dlfeval(run, dl.dlarray(X)).tolist() == [2.0] * 3


@pytest.mark.parametrize(
    ("folder", "own"),
    [
        ("lib/site-packages", False),
        ("python3/dist-packages", False),
        ("site-packages-of-mine", True),
    ],
)
def test_packages_are_not_of_the_user_wherever_they_are(
    folder: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of the system, which an environment may see too."""
    name = f"package_{folder.replace('/', '_').replace('-', '_')}"
    module = ModuleType(name)
    module.__file__ = str(tmp_path / folder / f"{name}.py")
    monkeypatch.setitem(sys.modules, name, module)
    assert is_of_user(name) is own
    assert not is_of_user("numpy")
