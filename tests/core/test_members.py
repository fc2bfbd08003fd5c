"""Containers of every kind: what is traced in them, what passes, and what comes back."""

import sys
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import optree
import pandas as pd
import pytest

import dlgradient as dl
from dlgradient.core import tree

W = np.array([1.0, 2.0])


class Mode(Enum):
    TRAIN = 1


class Pair(NamedTuple):
    first: Any
    second: Any


class Attributes(dict):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__ = self


class Named(dict):
    title = "none"


class Ordered(OrderedDict):
    pass


class Default(defaultdict):
    pass


class Layers(list):
    title = "none"


class Point(tuple):
    __slots__ = ()


class Slots(list):
    __slots__ = ("title",)


@dataclass
class Dense:
    name: str
    w: Any
    size: int = 3
    activation: Callable[[Any], Any] = np.tanh
    mode: Mode = Mode.TRAIN
    rate: float = field(default=0.1, metadata={"static": True})

    def __post_init__(self) -> None:
        self.note = "not a field"

    @cached_property
    def total(self) -> Any:
        return self.w.sum()


@dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    w: Any


class Registered:
    def __init__(self, w: Any, name: str) -> None:
        self.w, self.name = w, name


optree.register_pytree_node(
    Registered,
    lambda value: ((value.w,), value.name, ("w",)),
    lambda name, children: Registered(children[0], name),
    namespace="dlgradient",
)


def objects(*members: Any, shape: tuple[int, ...] = (-1,)) -> Any:
    array = np.empty(len(members), object)
    for i, member in enumerate(members):
        array[i] = member
    return array.reshape(shape)


def titled(value: Any, title: str) -> Any:
    value.title = title
    return value


# A container of one array; how the array is found in it; its path.
KINDS: dict[str, tuple[Any, Callable[[Any], Any], str]] = {
    "list": ([W], lambda c: c[0], "x[0]"),
    "tuple": ((W,), lambda c: c[0], "x[0]"),
    "dict": ({"w": W}, lambda c: c["w"], "x['w']"),
    "namedtuple": (Pair(None, W), lambda c: c.second, "x.second"),
    "tuple subclass": (Point([W]), lambda c: c[0], "x[0]"),
    "OrderedDict": (OrderedDict(w=W), lambda c: c["w"], "x['w']"),
    "OrderedDict subclass": (Ordered(w=W), lambda c: c["w"], "x['w']"),
    "defaultdict": (defaultdict(list, w=W), lambda c: c["w"], "x['w']"),
    "defaultdict subclass": (Default(list, w=W), lambda c: c["w"], "x['w']"),
    "Counter": (Counter(w=W), lambda c: c["w"], "x['w']"),
    "attribute dict": (Attributes(w=W), lambda c: c.w, "x['w']"),
    "dict subclass": (titled(Named(w=W), "a"), lambda c: c["w"], "x['w']"),
    "list subclass": (titled(Layers([W]), "a"), lambda c: c[0], "x[0]"),
    "list subclass with slots": (titled(Slots([W]), "a"), lambda c: c[0], "x[0]"),
    "deque": (deque([W], 3), lambda c: c[0], "x[0]"),
    "SimpleNamespace": (SimpleNamespace(w=W, name="a"), lambda c: c.w, "x.w"),
    "dataclass": (Dense("a", W), lambda c: c.w, "x.w"),
    "frozen dataclass": (Frozen("a", W), lambda c: c.w, "x.w"),
    "array of objects": (objects(W, shape=(1, 1)), lambda c: c[0, 0], "x[0, 0]"),
    "array without dimensions": (objects(W, shape=()), lambda c: c[()], "x[]"),
    "Series": (pd.Series(objects(W), index=["a"], name="s"), lambda c: c["a"], "x[0]"),
    "registered": (Registered(W, "a"), lambda c: c.w, "x['w']"),
    "nested": (
        Dense("a", Layers([{"k": Frozen("b", W)}])),
        lambda c: c.w[0]["k"].w,
        "x.w[0]['k'].w",
    ),
}


def with_dlarrays(container: Any) -> Any:
    return tree.map_leaves(lambda a: dl.dlarray(a) if isinstance(a, np.ndarray) else a, container)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_of_every_kind(name: str) -> None:
    plain, find, path = KINDS[name]
    container = with_dlarrays(plain)
    assert type(container) is type(plain)
    assert tree.paths(container, "x") == [path]

    def run(c: Any) -> Any:
        w = find(c)
        return w, dl.dlgradient((w**2).sum(), c)

    w, gradient = dl.dlfeval(run, container)
    assert w.tolist() == [1.0, 2.0]
    assert type(gradient) is type(plain)
    assert find(gradient).tolist() == [2.0, 4.0]
    assert find(container).tolist() == [1.0, 2.0]
    stepped = dl.dlupdate(lambda p, g: p - 0.5 * g, container, gradient)
    assert type(stepped) is type(plain)
    assert find(stepped).tolist() == [0.0, 0.0]
    along = dl.dlfeval(lambda c: dl.dljvp((find(c) ** 2).sum(), c, container), container)
    assert along.item() == 10.0


def test_what_is_no_variable_stays() -> None:
    d = with_dlarrays(Dense("a", W, size=5))
    d.note = "changed"
    found = dl.dlfeval(lambda d: dl.dlgradient(d.total * 2, d), d)
    assert (found.name, found.size, found.activation, found.mode) == ("a", 5, np.tanh, Mode.TRAIN)
    assert (found.rate, found.note) == (0.1, "changed")
    assert found.total.item() == 4.0  # not what the model computed of other arrays


def test_attributes_of_subclasses_stay() -> None:
    for value in (titled(Named(), "t"), titled(Layers(), "t"), titled(Slots(), "t")):
        assert dl.dlfeval(lambda v: v, value).title == "t"
    attributes = dl.dlfeval(lambda v: v, Attributes(w=dl.dlarray(1.0)))
    attributes.b = 2
    assert attributes["b"] == 2
    default = dl.dlfeval(lambda v: v, Default(list, w=dl.dlarray(1.0)))
    assert default["new"] == []


def test_a_number_in_a_dataclass_may_be_a_forgotten_variable() -> None:
    @dataclass
    class Scale:
        rate: float
        w: Any

    with pytest.raises(dl.NotDlarrayError, match=r"x\.rate must be a dlarray, not float"):
        dl.dlfeval(lambda s: dl.dlgradient(s.w * 1.0, s), Scale(0.1, dl.dlarray(1.0)))


PLAIN: dict[str, Any] = {
    "DataFrame": pd.DataFrame({"x": [1.0, 2.0], "name": ["a", "b"]}),
    "objects in a DataFrame": pd.DataFrame({"x": objects("a", 1)}),
    "learnables without objects": pd.DataFrame(
        {"Layer": ["a"], "Parameter": ["w"], "Value": [1.0]}
    ),
    "Series": pd.Series([1.0, 2.0], name="x"),
    "Series of texts": pd.Series(["a", "b"], dtype=object),
    "Index": pd.Index([1, 2]),
    "array of objects": objects("a", None, 1.5),
    "struct_time": time.struct_time(range(9)),
    "date": pd.Timestamp("2026-01-01"),
    "set": {1, 2},
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_data_passes_anywhere(name: str) -> None:
    data = PLAIN[name]
    assert dl.dlfeval(lambda d: d, data) is data
    nested = dl.dlfeval(lambda x, *, d: {"x": x, "d": d["k"][0]}, dl.dlarray(1.0), d={"k": [data]})
    assert nested["d"] is data


def test_a_table_without_its_columns_is_refused_with_dlarrays() -> None:
    table = pd.DataFrame({"Layer": ["a"], "Data": objects(dl.dlarray(1.0))})
    with pytest.raises(dl.InvalidArgumentError, match="Parameter, Value is missing"):
        dl.dlfeval(lambda t: t, table)


def test_columns_are_operands(rng: Any) -> None:
    frame = pd.DataFrame({"x": rng.normal(size=4), "y": rng.normal(size=4)}, index=list("abcd"))
    x, y = np.array(frame["x"]), np.array(frame["y"])
    p = dl.dlarray([1.5])

    def run(p: Any, frame: Any) -> Any:
        residual = frame["x"] * p - frame["y"]
        assert dl.isdlarray(residual)
        both = p * frame["x"] - frame["y"]
        powers = frame["y"] / p + np.multiply(frame["x"], p)
        z = (residual * both).sum() + powers.sum() + (frame * p).sum()
        assert dl.isdlarray(frame["x"] > p)
        return z, dl.dlgradient(z, p)

    z, gradient = dl.dlfeval(run, p, frame)
    r = 1.5 * x - y
    expected = (r**2).sum() + (y / 1.5 + 1.5 * x).sum() + 1.5 * (x.sum() + y.sum())
    np.testing.assert_allclose(z.item(), expected)
    slope = (2 * r * x).sum() + (-y / 1.5**2 + x).sum() + x.sum() + y.sum()
    np.testing.assert_allclose(gradient.tolist(), [slope])


def deep(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = dl.dlarray(3.0)
    for _ in range(depth):
        value = wrap(value)
    return value


WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda v: [v],
    "tuple": lambda v: (v,),
    "dict": lambda v: {"k": v},
    "list subclass": lambda v: Layers([v]),
    "dataclass": lambda v: Frozen("a", v),
}


@pytest.mark.parametrize("name", WRAPS)
def test_any_depth(name: str) -> None:
    container = deep(10**4, WRAPS[name])

    def innermost(value: Any) -> Any:
        while not dl.isdlarray(value):
            (value,), _ = tree.split(value)
        return value

    gradient = dl.dlfeval(lambda c: dl.dlgradient(innermost(c) ** 2, c), container)
    assert innermost(gradient).item() == 6.0
    stepped = dl.dlupdate(lambda p, g: p - g, container, gradient)
    assert innermost(stepped).item() == -3.0
    assert sys.getrecursionlimit() < 10**4


def test_a_container_that_holds_itself() -> None:
    a: Any = [dl.dlarray(1.0)]
    a.append({"k": (0, a)})
    with pytest.raises(dl.InvalidArgumentError, match=r"a list x holds itself: x\[1\]\['k'\]\[1\]"):
        dl.dlfeval(lambda c: c, a)
    n = SimpleNamespace(w=dl.dlarray(1.0))
    n.me = n
    with pytest.raises(
        dl.InvalidArgumentError, match=r"SimpleNamespace x holds itself: x\.me is x"
    ):
        dl.dlfeval(lambda w: dl.dlgradient(w, n), dl.dlarray(1.0))
    with pytest.raises(dl.InvalidArgumentError, match="holds itself"):
        dl.dlupdate(lambda p: p, a)


def test_one_container_in_two_places_is_no_cycle() -> None:
    inner = [dl.dlarray(1.0)]
    found = dl.dlfeval(lambda c: dl.dlgradient(c[0][0] * 3, c), [inner, (inner, [])])
    assert [found[0][0].item(), found[1][0][0].item()] == [3.0, 0.0]
