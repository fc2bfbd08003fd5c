"""The cyclic garbage collector starts rarely while a long trace is open, and as before after it."""

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.sizes import OBJECTS_UNTIL_COLLECTION


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[tuple[int, ...]]:
    found = gc.get_threshold()
    gc.collect()  # an old generation that is full would be collected in a short trace too
    yield found
    gc.set_threshold(*found)


def long_trace(x: Any, inside: Any = lambda: None) -> Any:
    y = x
    for _ in range(10_000):
        y = y * 0.999
    inside()
    return dl.dlgradient(y.sum(), x)


def seen_in(length: int) -> tuple[int, ...]:
    found = []

    def run(x: Any) -> None:
        y = x
        for _ in range(length):
            y = y * 0.999
        found.append(gc.get_threshold())

    dl.dlfeval(run, dl.dlarray(np.ones(2)))
    return found[0]


def test_a_long_trace(thresholds: tuple[int, ...]) -> None:
    assert seen_in(10_000)[0] == OBJECTS_UNTIL_COLLECTION
    assert gc.get_threshold() == thresholds


def test_a_short_trace(thresholds: tuple[int, ...]) -> None:
    assert seen_in(10) == thresholds


def test_after_an_error(thresholds: tuple[int, ...]) -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        dl.dlfeval(long_trace, dl.dlarray(np.ones(2)), fail)
    assert gc.get_threshold() == thresholds


def test_a_collector_that_is_off_stays_off() -> None:
    gc.set_threshold(0)
    assert seen_in(10_000)[0] == 0
    assert gc.get_threshold()[0] == 0


def test_a_larger_threshold_of_the_user_stays() -> None:
    gc.set_threshold(10 * OBJECTS_UNTIL_COLLECTION)
    assert seen_in(10_000)[0] == 10 * OBJECTS_UNTIL_COLLECTION


def test_a_threshold_that_is_changed_in_a_trace_stays() -> None:
    dl.dlfeval(long_trace, dl.dlarray(np.ones(2)), lambda: gc.set_threshold(900, 9, 9))
    assert gc.get_threshold()[:2] == (900, 9)


def test_the_last_trace_of_several_threads_restores(thresholds: tuple[int, ...]) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        inside.set()
        assert go_on.wait(60)

    other = threading.Thread(target=dl.dlfeval, args=(wait, dl.dlarray(1.0)))
    other.start()
    assert inside.wait(60)
    dl.dlfeval(long_trace, dl.dlarray(np.ones(2)))
    assert gc.get_threshold()[0] == OBJECTS_UNTIL_COLLECTION
    go_on.set()
    other.join()
    assert gc.get_threshold() == thresholds


def test_cycles_in_a_trace_are_collected_all_the_same() -> None:
    class Knot:
        alive = 0

        def __init__(self) -> None:
            Knot.alive += 1
            self.me = self

        def __del__(self) -> None:
            Knot.alive -= 1

    def tie(x: Any) -> None:
        long_trace(x)
        for _ in range(2 * OBJECTS_UNTIL_COLLECTION):
            Knot()
        assert Knot.alive < 2 * OBJECTS_UNTIL_COLLECTION

    dl.dlfeval(tie, dl.dlarray(np.ones(2)))
