"""Operations of one's own: right at every order, or a clear error."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.calls import FUNCTIONS
from dlgradient.engine.custom import DifferentiableFunction
from dlgradient.engine.define import define_operation
from dlgradient.rules import OPS
from dlgradient.testing import case, check_derivatives, check_operation


class Product(DifferentiableFunction):
    """x * y, with the arguments saved."""

    def forward(self, context, x, y):
        context.save(x, y)
        return x * y

    def backward(self, context, g):
        x, y = context.saved
        return g * dl.conj(y), g * dl.conj(x)


class Polar(DifferentiableFunction):
    """Two results, of which one is saved."""

    def forward(self, context, x, y):
        r = np.hypot(x, y)
        context.save(x, y, r)
        return r, np.arctan2(y, x)

    def backward(self, context, g_r, g_angle):
        x, y, r = context.saved
        return g_r * x / r - g_angle * y / r**2, g_r * y / r + g_angle * x / r**2


class Power(DifferentiableFunction):
    """A static parameter, and a constant in the context."""

    def forward(self, context, x, *, n=3):
        context.save(x)
        context.n = n
        context.shape = x.shape
        return x**n

    def backward(self, context, g):
        (x,) = context.saved
        assert context.shape == x.shape
        assert context.params.get("n", 3) == context.n
        return g * context.n * x ** (context.n - 1)

    def result_format(self, formats, shapes):
        assert shapes
        return formats[0]


class Intermediate(DifferentiableFunction):
    """exp(x)**2, with the exponential saved, which is neither argument nor result."""

    def forward(self, context, x):
        e = np.exp(x)
        context.save(e)
        return e**2

    def backward(self, context, g):
        return 2 * g * context.saved[0] ** 2


class Plain(DifferentiableFunction):
    """A backward pass in NumPy alone; `style` says how it leaves the dlarrays."""

    def __init__(self, style):
        self.style = style

    def forward(self, context, x):
        context.save(x)
        return np.sin(x)

    def backward(self, context, g):
        (x,) = context.saved
        if self.style == "asarray":
            return np.asarray(g) * np.cos(np.asarray(x))
        if self.style == "loop":
            return np.array([float(a) * float(np.cos(b)) for a, b in zip(g, x, strict=True)])
        if self.style == "constant":
            return dl.dlarray(dl.extractdata(g) * np.cos(dl.extractdata(x)))
        out = np.empty(x.shape)
        out[:] = g * np.cos(x)
        return out


X, Y = np.array([0.5, -1.5, 2.0]), np.array([1.0, 0.25, -0.75])


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (Product(), (X, Y)),
        (Product(), (X + 1j * Y, Y - 2j * X)),
        (Product(), (X, 1j * Y)),
        (Polar(), (X, Y)),
        (lambda x, y: Polar()(x, y)[1], (X, Y)),
        (Power(), (X,)),
        (lambda x: Power()(x, n=4), (X,)),
        (Power(), (np.array(1.5),)),
        (lambda x, y: Product()(Power()(x), Polar()(x, y)[0]), (X, Y)),
    ],
)
def test_derivatives(function, args):
    check_derivatives(function, *args, order=3)


def test_values_and_formats():
    r, angle = Polar()(X, Y)
    assert type(r) is np.ndarray
    assert angle.tolist() == np.arctan2(Y, X).tolist()
    y = Power()(dl.dlarray(X[None], "CB"), n=2)
    assert dl.dims(y) == "CB"
    assert dl.dims(Product()(dl.dlarray(X, "C"), Y)) == ""
    assert Power()(dl.dlarray(np.float32(X))).dtype == np.float32
    g = dl.dlfeval(lambda x: dl.dlgradient(Power()(x).sum(), x), dl.dlarray(np.float32(X), "C"))
    assert (g.dtype, dl.dims(g)) == (np.float32, "C")


def test_values_that_were_dropped_are_computed_again():
    def twice(x, y):
        r, a = Polar()(x, y)
        e = Intermediate()(r)
        first = dl.dlgradient((e * a).sum(), x, y)
        return first, dl.dlgradient((e * a).sum(), x, y)

    first, second = dl.dlfeval(twice, dl.dlarray(X), dl.dlarray(Y))
    for a, b in zip(first, second, strict=True):
        assert a.tolist() == b.tolist()


def test_a_constant_argument_and_a_gradient_that_is_none():
    class First(Product):
        def backward(self, context, g):
            assert context.needs_gradient == (True, False)
            return g * context.saved[1], None

    def run(x):
        return dl.dlgradient(First()(x, Y).sum(), x), dl.dlgradient(First()(x, 2.0).sum(), x)

    a, b = dl.dlfeval(run, dl.dlarray(X))
    assert a.tolist() == Y.tolist()
    assert b.tolist() == [2.0, 2.0, 2.0]


def test_a_saved_value_of_unknown_derivative():
    check_derivatives(Intermediate(), X, order=1)  # both modes of first derivatives are right

    def second(x):
        g = dl.dlgradient(Intermediate()(x).sum(), x, enable_higher_derivatives=True)
        return dl.dlgradient(g.sum(), x)

    def forward_over_reverse(x):
        g = dl.dlgradient(Intermediate()(x).sum(), x, enable_higher_derivatives=True)
        return dl.dljvp(g, x, np.ones(3))

    for function in (second, forward_over_reverse):
        with pytest.raises(dl.RuleError, match="neither an argument nor a result"):
            dl.dlfeval(function, dl.dlarray(X))


@pytest.mark.parametrize("style", ["asarray", "loop", "buffer", "constant"])
def test_a_backward_pass_in_numpy(style):
    function = Plain(style)
    g = dl.dlfeval(lambda x: dl.dlgradient(function(x).sum(), x), dl.dlarray(X))
    np.testing.assert_allclose(dl.extractdata(g), np.cos(X))

    def second(x, power):
        g = dl.dlgradient((function(x) ** power).sum(), x, enable_higher_derivatives=True)
        return dl.dlgradient(g.sum(), x)

    for power in (2, 1):  # the cotangent of the function is traced, or a constant
        with pytest.raises(dl.RuleError, match=r"Plain: higher derivatives .* not written in"):
            dl.dlfeval(second, dl.dlarray(X), power)
    with pytest.raises(dl.RuleError, match="forward mode"):
        dl.dlfeval(lambda x: dl.dljvp(function(x), x, X), dl.dlarray(X))


class Linear(DifferentiableFunction):
    """Two results, each of one argument; the gradients are constants."""

    def forward(self, _context, x, y):
        return 3 * x, 5 * y

    def backward(self, _context, g, h):
        return 3 * g, 5 * h


@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_higher_derivatives_of_a_linear_function(used):
    def function(x, y):
        return [Linear()(x, y)[i] for i in used]

    check_derivatives(function, X, Y, order=3)
    check_derivatives(lambda x, y: [z**2 for z in function(x, y)], X, Y, order=3)


class Wrong(DifferentiableFunction):
    def __init__(self, forward=np.sin, backward=lambda g: g):
        self.functions = (forward, backward)

    def forward(self, _context, x):
        return self.functions[0](x)

    def backward(self, _context, g):
        return self.functions[1](g)


class Keeps(DifferentiableFunction):
    def forward(self, context, x):
        context.factor = float(x[0])
        return x


class KeepsItself(DifferentiableFunction):
    def forward(self, _context, x):
        self.x = x
        return x


def gradient_of(function):
    return dl.dlfeval(lambda x: dl.dlgradient(function(x).sum(), x), dl.dlarray(X))


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (Wrong(backward=lambda g: (g, g)), dl.RuleError, "2 gradients for 1 arguments"),
        (Wrong(backward=lambda g: g[:1]), dl.ShapeMismatchError, r"\(1,\) for argument 0.*\(3,\)"),
        (Wrong(forward=lambda _: "a"), dl.UnsupportedDtypeError, "Wrong: forward"),
        (Keeps(), dl.RuleError, "context.factor: a float may depend"),
        (KeepsItself(), dl.RuleError, "set self.x to an array"),
        (DifferentiableFunction(), dl.RuleError, "forward.* is not defined"),
        (lambda x: Power()(x, n=x), dl.RuleError, "n= is a dlarray"),
        (lambda x: Wrong(forward=lambda _: dl.sin(x))(x), dl.RuleError, "is no argument of"),
        (Wrong(forward=lambda v: v.__setitem__(0, 1)), dl.ChangedArrayError, "read-only"),
    ],
)
def test_errors(function, error, text):
    with pytest.raises(error, match=text):
        gradient_of(function)


@pytest.fixture
def _table():
    before = dict(OPS), dict(FUNCTIONS)
    yield
    for table, entries in zip((OPS, FUNCTIONS), before, strict=True):
        table.clear()
        table.update(entries)


def cubic(factor):
    @define_operation(
        "elementwise",
        x=lambda t, x: 3 * factor * t * x**2,
        samples=lambda m: [case(m.real(3)), case(m.real()), case(m.complex(2, 2))],
    )
    def cubic(x, /):
        """Third power, times a number."""
        return factor * x * x * x

    return cubic


@pytest.mark.usefixtures("_table")
def test_define_operation():
    check_operation(cubic(1.0))
    check_derivatives(cubic(2.0), X, order=3)  # declared again
    assert dl.dims(cubic(3.0)(dl.dlarray(X, "C"))) == "C"
    with pytest.raises(dl.RuleError, match="no samples"):

        @define_operation("linear", x=lambda g: g)
        def cubic_(x, /):
            """No samples."""

    with pytest.raises(
        dl.RuleError, match=r"declared twice: in dlgradient\..* and in .*test_custom"
    ):

        @define_operation("linear", x=lambda g: g, samples=lambda m: [case(m.real(2))])
        def sin(x, /):
            """A name that is taken."""

    with pytest.raises(dl.InvalidArgumentError, match="did you mean 'elementwise'"):
        define_operation("elementwize", x=lambda t: t)


@pytest.mark.usefixtures("_table")
@pytest.mark.parametrize("declarer", ["define_operation('linear', ", "rules.linear("])
def test_a_cell_that_runs_again_replaces_its_operation(declarer):
    cell = f"""
@dl.{declarer}x=lambda g: factor * g, samples=lambda m: [case(m.real(2))])
def scaled_in_a_cell(x, /):
    'Times a factor.'
    return factor * x
"""
    scope = {"__name__": "__main__", "dl": dl, "case": case}
    for factor in (2.0, 3.0):
        scope["factor"] = factor
        exec(cell, scope)
        function = scope["scaled_in_a_cell"]
        check_operation("scaled_in_a_cell")
        assert OPS["scaled_in_a_cell"].call is function
        assert gradient_of(function).tolist() == [factor] * 3
    with pytest.raises(dl.RuleError, match="no samples"):
        exec(cell.replace("samples=lambda m: [case(m.real(2))]", ""), scope)
    assert OPS["scaled_in_a_cell"].call is function  # the one before stays


class PowerOf(dl.DifferentiableFunction):
    """x to a power, and the power saved as a keyword or read from the context."""

    def __init__(self, save):
        self.save = save

    def forward(self, context, x, *, n):
        context.save(x, *([n] if self.save else []))
        return x**n

    def backward(self, context, g):
        x, *rest = context.saved
        n = rest[0] if self.save else context.params["n"]
        return g * n * x ** (n - 1)


@pytest.mark.parametrize("save", [False, True])
@pytest.mark.parametrize("n", [3, 2.5, np.array([2.5, 3.5]), np.float64(1.5)])
def test_a_keyword_is_a_constant_in_every_order(n, save):
    power = PowerOf(save)
    check_derivatives(lambda x: power(x, n=n), [0.5, 1.5])
    x = dl.dlarray([0.5, 1.5])

    def second(x):
        first = dl.dlgradient(power(x, n=n).sum(), x, enable_higher_derivatives=True)
        return dl.dlgradient(first.sum(), x)

    expected = n * (n - 1) * np.array([0.5, 1.5]) ** (n - 2)
    np.testing.assert_allclose(dl.dlfeval(second, x), expected, rtol=1e-14)
