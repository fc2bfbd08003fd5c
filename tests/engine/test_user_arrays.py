"""What code of users does with arrays does not reach derivatives: buffers, views, in-place work.

The tests are generated. Each place where user's code returns or gets an array is combined with each
thing that it may do with one: in the passes of a `DifferentiableFunction`, and in the kernels and
rules of all kinds of operations.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.calls import FUNCTIONS
from dlgradient.rules import OPS
from dlgradient.testing import case


@pytest.fixture(autouse=True)
def _table() -> Iterator[None]:
    before = dict(OPS), dict(FUNCTIONS)
    yield
    for table, entries in zip((OPS, FUNCTIONS), before, strict=True):
        table.clear()
        table.update(entries)


X, Y = np.array([0.5, -1.5, 2.0]), np.array([1.0, 0.25, -0.75])

# -- what is returned ----------------------------------------------------------------------------


class Reused:
    """Returns every result in the same memory."""

    def __init__(self) -> None:
        self.buffer = np.full((2, 3), np.nan)

    def __call__(self, y: Any) -> Any:
        self.buffer[0] = y
        return self.view()

    def view(self) -> Any:
        return self.buffer[0]


class ReusedWhole(Reused):
    def __init__(self) -> None:
        self.buffer = np.full(3, np.nan)

    def __call__(self, y: Any) -> Any:
        self.buffer[:] = y
        return self.buffer


class ReusedMemory(Reused):
    """The memory is that of another object."""

    def __init__(self) -> None:
        self.memory = bytearray(24)

    def __call__(self, y: Any) -> Any:
        array = np.frombuffer(self.memory)
        array[:] = y
        return array


class Changed:
    """Changes every result when the next one is due."""

    def __init__(self) -> None:
        self.last = np.zeros(3)

    def __call__(self, y: Any) -> Any:
        self.last *= np.nan
        self.last = np.array(y)
        return self.last


class ChangedView(Changed):
    def __call__(self, y: Any) -> Any:
        return super().__call__(y)[::-1][::-1]


STYLES = {
    "new": lambda: np.array,
    "buffer": ReusedWhole,
    "view of a buffer": Reused,
    "memory of another object": ReusedMemory,
    "changed later": Changed,
    "view, changed later": ChangedView,
    "as it came": lambda: lambda y: y,
}
PLACES = ("result", "saved", "gradient")


class Sine(dl.DifferentiableFunction):
    """The sine, with the cosine saved; each array is made in one way."""

    def __init__(self, **styles: str) -> None:
        self.styles = tuple(STYLES[styles.get(place, "new")]() for place in PLACES)

    def forward(self, context: Any, x: Any) -> Any:
        context.save(self.styles[1](np.cos(x)))
        return self.styles[0](np.sin(x))

    def backward(self, context: Any, g: Any) -> Any:
        return self.styles[2](g * context.saved[0])


def results_of(function: Callable[[Any], Any]) -> list[Any]:
    """Evaluate a function twice, with derivatives of both in one trace."""

    def run(x: Any, y: Any) -> Any:
        a, b = function(x), function(y)
        gradients = dl.dlgradient((a * b).sum(), x, y)
        again = dl.dlgradient((function(x) + function(y)).sum(), x, y)
        return [a, b, *gradients, *again]

    return [dl.extractdata(v) for v in dl.dlfeval(run, dl.dlarray(X), dl.dlarray(Y))]


EXPECTED = [
    np.sin(X),
    np.sin(Y),
    np.cos(X) * np.sin(Y),
    np.sin(X) * np.cos(Y),
    np.cos(X),
    np.cos(Y),
]


@pytest.mark.parametrize(("place", "style"), [*product(PLACES, STYLES)])
def test_arrays_of_a_pass_are_used_again(place: str, style: str) -> None:
    np.testing.assert_allclose(results_of(Sine(**{place: style})), EXPECTED, rtol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_results_without_a_trace_are_values(style: str) -> None:
    function = Sine(result=style)
    first, second = function(dl.dlarray(X)), function(dl.dlarray(Y))
    assert first.tolist() == np.sin(X).tolist()
    assert second.tolist() == np.sin(Y).tolist()


class Unchanged(dl.DifferentiableFunction):
    """The identity, in which each pass returns what it gets."""

    def forward(self, _context: Any, x: Any) -> Any:
        return x

    def backward(self, _context: Any, g: Any) -> Any:
        return g


def test_a_pass_returns_what_it_gets() -> None:
    c = np.array(X)
    f = Unchanged()

    def run(x: Any) -> Any:
        y = f(x)
        y[0] = 7.0
        return dl.dlgradient((y * f(x) * f(c)).sum(), x)

    np.testing.assert_allclose(dl.dlfeval(run, dl.dlarray(X)).tolist(), [7 * X[0], *2 * X[1:] ** 2])
    large = np.ones(20_000)
    kept = dl.dlfeval(lambda x: (f(x), Second()(x, large))[1], dl.dlarray(np.zeros(20_000)))
    large[:] = 2.0
    assert kept[0].item() == 1.0


class Second(dl.DifferentiableFunction):
    """The second argument, as it came."""

    def forward(self, _context: Any, _x: Any, y: Any) -> Any:
        return y

    def backward(self, _context: Any, g: Any) -> Any:
        return None, g


def test_attributes_of_the_context_are_copied() -> None:
    class Masked(dl.DifferentiableFunction):
        mask = np.zeros(3, bool)

        def forward(self, context: Any, x: Any) -> Any:
            np.greater(x, 0, out=self.mask)
            context.mask, context.both = self.mask, [self.mask, {"mask": self.mask}]
            return x * self.mask

        def backward(self, context: Any, g: Any) -> Any:
            assert np.array_equal(context.both[1]["mask"], context.mask)
            return g * context.mask

    f = Masked()

    def run(x: Any, y: Any) -> Any:
        return dl.dlgradient((f(x) + f(y)).sum(), x, y)

    a, b = dl.dlfeval(run, dl.dlarray(X), dl.dlarray(-X))
    assert (a.tolist(), b.tolist()) == ([1, 0, 1], [0, 1, 0])


@pytest.mark.parametrize("holder", [lambda a: a, lambda a: [a], lambda a: {"a": (a,)}])
def test_keyword_arguments_may_change_after_the_call(holder: Callable[[Any], Any]) -> None:
    class Scaled(dl.DifferentiableFunction):
        def forward(self, context: Any, x: Any, *, by: Any) -> Any:
            context.save(x)
            return x * leaf(by)

        def backward(self, context: Any, g: Any) -> Any:
            return g * leaf(context.params["by"])

    def leaf(value: Any) -> Any:
        while not isinstance(value, np.ndarray):
            value = next(iter(value.values())) if isinstance(value, dict) else value[0]
        return value

    by = np.array(Y)

    def run(x: Any) -> Any:
        y = Scaled()(x, by=holder(by))
        by[:] = np.nan
        return dl.dlgradient(y.sum(), x)

    assert dl.dlfeval(run, dl.dlarray(X)).tolist() == Y.tolist()


# -- operations ----------------------------------------------------------------------------------


def samples(m: Any) -> Any:
    return [case(m.real(3))]


def of_kernel(kind: str, kernel: Callable[[Any], Any], **rules: Any) -> Any:
    """Declare the operation of a kernel, in place of the one before it."""

    def user_operation(x: Any, /) -> Any:
        """Operation under test."""
        return kernel(x)

    return dl.define_operation(kind, samples=samples, **rules)(user_operation)


def declared_sine(kind: str, place: str, style: str) -> Any:
    """Return the sine, declared in one of several ways; arrays of one part are made by a style."""
    make = STYLES[style]()
    parts = {p: make if p == place else np.array for p in ("kernel", "rule", "jvp", "faster")}

    def kernel(x: Any) -> Any:
        return parts["kernel"](np.sin(x))

    def made(part: str, t: Any, x: Any) -> Any:
        product = t * dl.cos(x)
        return parts[part](product) if type(product) is np.ndarray else product

    def rule(t: Any, x: Any) -> Any:
        return made("rule", t, x)

    if kind == "elementwise":
        return of_kernel(kind, kernel, x=rule)
    if place == "faster":
        return of_kernel(
            kind,
            kernel,
            vjp=lambda g, x: (g * dl.cos(x),),
            fast_vjp=lambda g, x: (made("faster", g, x),),
        )
    return of_kernel(kind, kernel, x=rule, jvp={"x": lambda t, x: made("jvp", t, x)})


CASES = [
    *product(["elementwise"], ["kernel", "rule"], STYLES),
    *product(["general"], ["kernel", "rule", "jvp", "faster"], STYLES),
]


@pytest.mark.parametrize(("kind", "place", "style"), CASES)
def test_arrays_of_a_declaration_are_used_again(kind: str, place: str, style: str) -> None:
    function = declared_sine(kind, place, style)
    np.testing.assert_allclose(results_of(function), EXPECTED, rtol=1e-12)

    def both(x: Any, y: Any) -> Any:
        a, b = function(x), function(y)
        return [dl.dljvp(z, [x, y], [X, Y]) for z in (a * b, a, b)]

    found = [dl.extractdata(t) for t in dl.dlfeval(both, dl.dlarray(X), dl.dlarray(Y))]
    tangents = [np.cos(X) * X, np.cos(Y) * Y]
    expected = [tangents[0] * np.sin(Y) + np.sin(X) * tangents[1], *tangents]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_a_linear_kernel_is_its_own_adjoint(style: str) -> None:
    make = STYLES[style]()
    twice = of_kernel("linear", lambda x: make(2 * x), x=lambda g: twice(g))
    function = dl.dlfeval(
        lambda x, y: dl.dlgradient((twice(x) + twice(y) * 3).sum(), x, y),
        dl.dlarray(X),
        dl.dlarray(Y),
    )
    assert [g.tolist() for g in function] == [[2.0] * 3, [6.0] * 3]


# -- in-place work -------------------------------------------------------------------------------


def negate(value: Any) -> None:
    if isinstance(value, np.ndarray):
        np.negative(value, out=value)


class InPlace(dl.DifferentiableFunction):
    """x * y * by; one pass changes one of the arrays that it gets."""

    def __init__(self, where: str, which: str) -> None:
        self.where, self.which = where, which

    def forward(self, context: Any, x: Any, y: Any, *, by: Any) -> Any:
        if self.where == "forward":
            negate({"x": x, "y": y, "by": by[0]}[self.which])
        context.save(x, y)
        return x * y * by[0]

    def backward(self, context: Any, g: Any) -> Any:
        x, y = context.saved
        by = context.params["by"][0]
        if self.where == "backward":
            negate({"x": x, "y": y, "by": by, "g": g}[self.which])
        return g * y * by, g * x * by


@pytest.mark.parametrize(
    ("where", "which"), [*product(["forward"], ["x", "y"]), *product(["backward"], ["x", "y", "g"])]
)
@pytest.mark.parametrize("traced", [True, False])
def test_a_pass_works_in_place(where: str, which: str, traced: bool) -> None:
    x, y, by = dl.dlarray(X), np.array(Y), [np.array(X)]
    function = InPlace(where, which)

    def run(x: Any) -> Any:
        return dl.dlgradient(function(x, dl.dlarray(y) if traced else y, by=by).sum(), x)

    with pytest.raises(dl.ChangedArrayError, match=f"InPlace: {where}: .*read-only.*copy"):
        dl.dlfeval(run, x)
    assert (x.tolist(), y.tolist(), by[0].tolist()) == (X.tolist(), Y.tolist(), X.tolist())


@pytest.mark.parametrize("where", ["kernel", "rule", "faster"])
@pytest.mark.parametrize("which", ["x", "y", "by", "g"])
def test_a_declaration_works_in_place(where: str, which: str) -> None:
    if where == "kernel" and which == "g":
        return  # a kernel gets no cotangent

    def user_operation(x: Any, y: Any, /, *, by: Any) -> Any:
        """Operation under test."""
        if where == "kernel":
            negate({"x": x, "y": y, "by": by[0]}[which])
        return x * y * by[0]

    def rule(g: Any, x: Any, y: Any, by: Any) -> Any:
        if where == "rule":
            negate({"x": x, "y": y, "by": by[0], "g": g}[which])
        return g * y * by[0], g * x * by[0]

    def faster(g: Any, x: Any, y: Any, by: Any) -> Any:
        negate({"x": x, "y": y, "by": by[0], "g": g}[which])
        return g * y * by[0], g * x * by[0]

    fast = {"fast_vjp": faster} if where == "faster" else {}
    declare = dl.define_operation("general", vjp=rule, samples=samples, format="align", **fast)
    function = declare(user_operation)
    x, y, by = dl.dlarray(X), np.array(Y), [np.array(X)]

    def run(x: Any) -> Any:
        z = function(x, y, by=by)
        return dl.dlgradient((z + x).sum(), x)

    with pytest.raises(dl.ChangedArrayError, match=r"user_operation: .*read-only.*copy"):
        dl.dlfeval(run, x)
    assert (x.tolist(), y.tolist(), by[0].tolist()) == (X.tolist(), Y.tolist(), X.tolist())


# -- traced values that a call does not get as an operand ----------------------------------------


@pytest.mark.parametrize("hide", [lambda w: [w], lambda w: {"w": (w,)}, lambda w: w])
def test_a_traced_value_in_a_keyword_argument(hide: Callable[[Any], Any]) -> None:
    class Constant(dl.DifferentiableFunction):
        def forward(self, _context: Any, x: Any, **_params: Any) -> Any:
            return x

    def user_operation(x: Any, /, *, weights: Any) -> Any:
        """Operation under test."""
        return x * (1 if weights is None else 2)

    declared = dl.define_operation("linear", x=lambda g: g, samples=samples)(user_operation)
    for function in (Constant(), declared):

        def run(x: Any, w: Any, function: Any = function) -> Any:
            return function(x, weights=hide(w))

        for x in (dl.dlarray(X), X):
            with pytest.raises((dl.RuleError, dl.LeavingTraceError), match="traced"):
                dl.dlfeval(run, x, dl.dlarray(Y))


def test_a_list_of_traced_values_is_an_argument() -> None:
    class Total(dl.DifferentiableFunction):
        def forward(self, context: Any, x: Any) -> Any:
            context.save(x)
            return (x**2).sum()

        def backward(self, context: Any, g: Any) -> Any:
            return 2 * g * context.saved[0]

    def run(x: Any, y: Any) -> Any:
        return dl.dlgradient(Total()([x, [1.0, 2.0, 3.0], y]), x, y)

    a, b = dl.dlfeval(run, dl.dlarray(X), dl.dlarray(Y))
    assert (a.tolist(), b.tolist()) == ((2 * X).tolist(), (2 * Y).tolist())
    with pytest.raises(dl.UnsupportedDtypeError, match="Total"):
        dl.dlfeval(lambda x: Total()({"x": x}), dl.dlarray(X))


@pytest.mark.parametrize("part", ["kernel", "rule", "forward", "backward", "saved"])
def test_a_traced_value_from_a_closure(part: str) -> None:
    w: list[Any] = [1.0]

    def factor(where: str) -> Any:
        return w[0] if where == part else 1.0

    class Closure(dl.DifferentiableFunction):
        def forward(self, context: Any, x: Any) -> Any:
            context.save(x * factor("saved"))
            return x * factor("forward")

        def backward(self, _context: Any, g: Any) -> Any:
            return g * factor("backward")

    declared = of_kernel("linear", lambda x: x * factor("kernel"), x=lambda g: g * factor("rule"))
    function = declared if part in ("kernel", "rule") else Closure()

    def run(x: Any, weight: Any) -> Any:
        w[0] = weight
        return dl.dlgradient((function(x) ** 2).sum(), weight, x)

    with pytest.raises(dl.RuleError, match="uses a traced dlarray that is no argument"):
        dl.dlfeval(run, dl.dlarray(X), dl.dlarray(Y))
    # An untraced one is a constant.
    w[0] = dl.dlarray(Y)
    found = dl.dlfeval(lambda x: dl.dlgradient(function(x).sum(), x), dl.dlarray(X))
    assert found.tolist() == (Y if part in ("rule", "backward") else np.ones(3)).tolist()


def _assigned(g: Any) -> None:
    g[0] = 99.0


def _filled(export: Any) -> Any:
    def change(g: Any) -> None:
        taken = export(g)
        if not taken.flags.writeable:
            pytest.skip("NumPy before 2.2 takes arrays by DLPack to read only; take a newer one")
        taken[...] = 99.0

    return change


@pytest.mark.parametrize(
    "change",
    [
        _assigned,
        _filled(dl.extractdata),
        _filled(np.asarray),
        _filled(np.from_dlpack),
        _filled(lambda g: dl.extractdata(dl.dlupdate(lambda p: p, g))),
    ],
)
@pytest.mark.parametrize(
    "total",
    [
        lambda a, b: ((a + b) ** 2).sum(),
        lambda a, b: (a + b).sum(),
        lambda a, b: (a + b.T).sum(),
        lambda a, b: (dl.concat([a, b]) ** 2).sum(),
        lambda a, b: dl.stack([a, b]).sum(),
        lambda a, b: (a.reshape(-1) + b.reshape(-1)).sum(),
    ],
)
@pytest.mark.parametrize("size", [2, 300])
def test_gradients_that_share_memory_are_independent(total: Any, change: Any, size: int) -> None:
    a, b = dl.dlfeval(
        lambda *xs: dl.dlgradient(total(*xs), *xs),
        dl.dlarray(np.ones((size, size))),
        dl.dlarray(np.ones((size, size))),
    )
    before = dl.extractdata(b).copy()
    change(a)
    assert np.array_equal(dl.extractdata(b), before)
