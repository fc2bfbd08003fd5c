"""An array is changed in place only where nothing else refers to it."""

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import ownership
from dlgradient.core.ownership import (
    array_alone_in_slot,
    array_alone_in_table,
    is_alone_in_table,
)
from dlgradient.engine import walk
from dlgradient.rules import OPS


class Holder:
    """What a dlarray is to the module: an object with a value."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value


# They take a function, since a test that holds the array would be a further owner.


def in_table(make: Callable[[], Any]) -> bool:
    table = {"key": make()}
    return array_alone_in_table(table, "key") is not None


def in_slot(make: Callable[[], Any]) -> bool:
    holder = Holder(make())
    return array_alone_in_slot(holder) is not None


ASKS = pytest.mark.parametrize("ask", [in_table, in_slot])


def read_only() -> Any:
    array = np.zeros(3)
    array.flags.writeable = False
    return array


@ASKS
def test_an_array_that_only_its_holder_refers_to(ask: Any) -> None:
    for _ in range(100):  # also when the interpreter has specialised the code
        assert ask(lambda: np.zeros(3))
    assert ask(lambda: np.zeros(()))
    assert ask(lambda: np.zeros((2, 0)))
    assert ask(lambda: np.asfortranarray(np.zeros((2, 3))))


@ASKS
def test_an_array_that_is_known_elsewhere(ask: Any) -> None:
    array = np.zeros(3)
    assert not ask(lambda: array)
    others = [np.zeros(3)]
    assert not ask(lambda: others[0])
    view = others[0][1:]
    assert not ask(others.pop)
    assert view.base is not None


@ASKS
def test_what_does_not_own_its_memory_or_cannot_be_changed(ask: Any) -> None:
    assert not ask(lambda: np.zeros(3)[1:])
    assert not ask(lambda: np.broadcast_to(np.zeros(1), (3,)))
    assert not ask(lambda: np.float64(1.0))
    assert not ask(lambda: dl.dlarray(np.zeros(3)))
    assert not ask(read_only)


def test_a_key_that_is_not_there() -> None:
    assert array_alone_in_table({}, "key") is None


def test_the_array_itself_is_returned() -> None:
    table = {0: np.zeros(3)}
    found = array_alone_in_table(table, 0)
    assert found is table[0]
    assert array_alone_in_table(table, 0) is None  # `found` refers to it now


def test_a_locked_array_may_be_alone_but_not_with_a_weak_reference() -> None:
    table = {0: read_only()}
    for _ in range(100):
        assert is_alone_in_table(table, 0)
    view = table[0][1:]
    assert not is_alone_in_table(table, 0)
    del view
    reference = weakref.ref(table[0])
    assert not is_alone_in_table(table, 0)
    del reference
    assert is_alone_in_table(table, 0)


def test_it_is_off_without_the_lock_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert ownership.measured_counts() == (-1, -1)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    assert min(ownership.measured_counts()) > 0


@pytest.mark.parametrize("count", [lambda _: 0, lambda _: 7, lambda x: id(x) % 5])
def test_it_is_off_where_counts_mean_nothing(count: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "getrefcount", count)
    assert ownership.measured_counts() == (-1, -1)


def loops(x: Any) -> Any:
    """Indexing, assignment, uses more than once, and values without dimensions."""
    z = x * 2.0
    for i in range(len(x)):
        z[i] = z[i] * x[i] + x[-1]
    y = z + x * z + x
    return (y * y).sum() + x[0] * x[0] + z[1]


def gradient(x: Any) -> Any:
    return dl.dlfeval(lambda x: dl.dlgradient(loops(x), x), dl.dlarray(x))


def test_results_are_the_same_where_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.linspace(0.5, 2.0, 5)
    found = np.asarray(gradient(x))
    monkeypatch.setattr(ownership, "_TABLE", -1)
    monkeypatch.setattr(ownership, "_SLOT", -1)
    np.testing.assert_array_equal(np.asarray(gradient(x)), found)


class Counted:
    """NumPy, with the calls counted that make a new array of a walk."""

    def __init__(self) -> None:
        self.arrays = 0

    def __getattr__(self, name: str) -> Any:
        self.arrays += name in ("zeros", "array")
        return getattr(np, name)


def test_cotangents_of_one_array_are_added_into_one_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted()
    monkeypatch.setattr(walk, "np", counted)

    def total(x: Any) -> Any:
        return dl.dlgradient(sum([x[i] * x[i] for i in range(len(x))]), x)

    found = dl.dlfeval(total, dl.dlarray(np.arange(6.0)))
    assert found.tolist() == [0, 2, 4, 6, 8, 10]
    assert counted.arrays == 1


@pytest.mark.parametrize("value", [0.0, "traced"])
def test_the_cotangent_of_an_assigned_array_is_cleared_in_place(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = []  # made by the rule of the assignment, where the cotangent is not cleared in place
    rule = OPS["setitem"].by_position[0]
    assert rule is not None
    pull = rule.raw
    monkeypatch.setattr(rule, "raw", lambda node, g: copies.append(1) or pull(node, g))

    def total(x: Any) -> Any:
        z = x * 2.0
        for i in range(1, len(x)):
            z[i] = z[i - 1] if value == "traced" else value
        return dl.dlgradient((z * z).sum(), x)

    found = dl.dlfeval(total, dl.dlarray(np.ones(4)))
    assert found.tolist() == ([32, 0, 0, 0] if value == "traced" else [8, 0, 0, 0])
    assert len(copies) <= 1
