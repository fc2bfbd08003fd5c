"""Layers with a backward pass of their own: first and higher derivatives, formats, errors."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.testing import CheckError, check_derivatives


class Srelu(layers.Layer):
    """A relu with slopes and thresholds for each channel, by NumPy, with its derivative."""

    learnables = ("slope", "threshold")

    def initialize(self, x):
        self.slope = np.full(x.size_of("C"), 0.5)
        self.threshold = np.full(x.size_of("C"), 0.25)

    def predict(self, x):
        shape = (-1, 1) if dl.dims(x) == "CB" else (1, -1)
        slope, threshold = [np.reshape(np.asarray(a), shape) for a in (self.slope, self.threshold)]
        value = np.asarray(x)
        return dl.dlarray(np.where(value > threshold, slope * (value - threshold), 0), dl.dims(x))

    def backward(self, xs, ys, gs):  # noqa: ARG002
        (x,), (g,) = xs, gs
        slope, threshold = dl.dlarray(self.slope, "C"), dl.dlarray(self.threshold, "C")
        open_ = dl.stripdims(x) * 0 + dl.stripdims(dl.astype(x > threshold, x.dtype))
        open_ = dl.dlarray(open_, dl.dims(x))
        batch = dl.finddim(x, "B")[0]
        below = dl.sum(g * open_ * (x - threshold), axis=batch)
        return g * open_ * slope, below, -dl.sum(g * open_ * slope, axis=batch)


class Cube(layers.Layer):
    """Two inputs, two results and a state; the backward pass is of dlarrays."""

    learnables = ("scale",)
    state = ("largest",)

    def __init__(self, **options):
        super().__init__(**options)
        self.input_names = ("a", "b")
        self.output_names = ("cube", "product")
        self.scale = self.largest = None

    def initialize(self, *_):
        self.scale, self.largest = np.float64(2), np.float64(0)

    def predict(self, a, b):
        return dl.dlarray(np.asarray(self.scale) * np.asarray(a) ** 3, "BC"), a * b

    def forward(self, a, b):
        self.largest = np.maximum(self.largest, np.max(np.asarray(a)))
        return self.predict(a, b)

    def backward(self, xs, ys, gs):  # noqa: ARG002
        (a, b), (g, h) = xs, gs
        return self.scale * 3 * a**2 * g + h * b, h * a, dl.sum(dl.stripdims(a**3 * g))


class Plain(Cube):
    """The same without a backward pass, as an oracle."""

    backward = layers.Layer.backward

    def predict(self, a, b):
        return self.scale * a**3, a * b

    def forward(self, a, b):
        return self.predict(a, b)


def two(layer, x):
    return dl.dlnetwork([layer], x, x)


def test_a_layer_of_numpy_with_its_derivative(rng):
    for fmt in ("BC", "CB"):
        shape = (5, 3) if fmt == "BC" else (3, 5)
        x = rng.normal(size=shape)
        net = dl.dlupdate(np.float64, dl.dlnetwork([Srelu()], dl.dlarray(x, fmt)))
        table = net.learnables

        def run(x, *learned, net=net, table=table, fmt=fmt):
            here = net.with_learnables(type(table).of(table.columns, list(learned)))
            return dl.stripdims(here.predict(dl.dlarray(x, fmt)))

        check_derivatives(run, x, np.array([0.5, 0.7, 1.2]), np.array([0.25, -0.1, 0.3]))


@pytest.mark.parametrize("training", [False, True])
def test_several_inputs_results_and_a_state(training, rng):
    a, b = [dl.dlarray(rng.normal(size=(4, 2)), "BC") for _ in range(2)]
    found = []
    for kind in (Cube, Plain):
        net = dl.dlupdate(np.float64, two(kind(name="own"), a))

        def second(net, a, b):
            ys = net.forward(a, b) if training else (*net.predict(a, b), None)
            loss = dl.sum(dl.stripdims(ys[0])) + dl.sum(dl.stripdims(ys[1] ** 2))
            first = dl.dlgradient(loss, [net, a, b], enable_higher_derivatives=True)
            total = dl.sum(dl.stripdims(first[1] ** 2)) + dl.sum(dl.stripdims(first[2]))
            total = total + first[0].learnables["own/scale"] ** 2
            return loss, first, dl.dlgradient(total, [net, a, b]), ys[2]

        found.append(dl.dlfeval(second, net, a, b))
    (loss, first, again, state), (want, first_want, again_want, _) = found
    assert loss.item() == pytest.approx(want.item())
    for got, wanted in ((first, first_want), (again, again_want)):
        for x, y in zip(got[1:], wanted[1:], strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)
            assert dl.dims(x) == "BC"
        assert got[0].learnables["own/scale"].item() == pytest.approx(
            wanted[0].learnables["own/scale"].item()
        )
    if training:
        assert state["own/largest"].item() == np.max(np.asarray(a))


class Raw(Srelu):
    """A backward pass of NumPy only has first derivatives."""

    def backward(self, xs, ys, gs):  # noqa: ARG002
        values = [np.asarray(a) for a in (*xs, *gs)]
        x, g = values
        opened = x > np.asarray(self.threshold)
        slope = np.asarray(self.slope)
        below = np.sum(g * opened * (x - np.asarray(self.threshold)), 0)
        return g * opened * slope, below, -np.sum(g * opened * slope, 0)


def test_any_code_has_first_derivatives(rng):
    x = dl.dlarray(rng.normal(size=(5, 3)), "BC")
    nets = [dl.dlupdate(np.float64, dl.dlnetwork([kind()], x)) for kind in (Raw, Srelu)]

    def gradients(net, x):
        loss = dl.sum(dl.stripdims(net.predict(x)) ** 2)
        return dl.dlgradient(loss, [net.learnables, x])

    (got, at_x), (want, at_x_want) = [dl.dlfeval(gradients, net, x) for net in nets]
    assert np.allclose(at_x, at_x_want)
    for a, b in zip(got.values(), want.values(), strict=True):
        assert np.allclose(a, b)

    def second(net, x):
        loss = dl.sum(dl.stripdims(net.predict(x)) ** 2)
        first = dl.dlgradient(loss, x, enable_higher_derivatives=True)
        return dl.dlgradient(dl.sum(dl.stripdims(first) ** 2), x)

    with pytest.raises(dl.DlgradientError, match=r"Raw: .*not written in functions of dlarrays"):
        dl.dlfeval(second, nets[0], x)


class Wrong(Srelu):
    def backward(self, xs, ys, gs):
        g, *others = super().backward(xs, ys, gs)
        return 2 * g, *others


class Few(Srelu):
    def backward(self, xs, ys, gs):  # noqa: ARG002
        return gs[0]


class Turned(Srelu):
    def backward(self, xs, ys, gs):
        g, *others = super().backward(xs, ys, gs)
        return dl.permute_dims(g, axes=(1, 0)), *others


class Holds(Srelu):
    learnables = ("net",)

    def predict(self, x):
        return self.net.predict(x)

    def initialize(self, x):
        self.net = dl.dlnetwork([layers.Relu()], x.example())


def gradient_at(kind, x):
    net = dl.dlnetwork([kind(name="own")], x)
    return dl.dlfeval(lambda n, x: dl.dlgradient(dl.sum(dl.stripdims(n.predict(x))), x), net, x)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Few, "Few: backward returned 1 gradients for 3 arguments"),
        (Turned, "Turned: backward returned a gradient of format 'CB' for input 0"),
        (Holds, r"layer 'own'.*Holds: .*cannot hold networks \(net\)"),
    ],
)
def test_mistakes(kind, text, rng):
    with pytest.raises(dl.DlgradientError, match=text):
        gradient_at(kind, dl.dlarray(rng.normal(size=(3, 3)), "BC"))


def test_a_wrong_backward_pass_is_found(rng):
    x = rng.normal(size=(5, 3))
    net = dl.dlupdate(np.float64, dl.dlnetwork([Wrong()], dl.dlarray(x, "BC")))
    with pytest.raises(CheckError, match="order 1"):
        check_derivatives(lambda x: dl.stripdims(net.predict(dl.dlarray(x, "BC"))), x)


def test_a_layer_without_a_backward_pass_says_so():
    with pytest.raises(NotImplementedError, match=r"layer class Tanh has no backward\(self"):
        layers.Tanh().backward((), (), ())
