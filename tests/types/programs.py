"""Right programs, with types: a type checker has nothing to say."""

from dataclasses import dataclass

import numpy as np

import dlgradient as dl


@dataclass
class Model:
    name: str
    w: dl.dlarray
    b: dl.dlarray


def rosenbrock(x: dl.dlarray) -> tuple[dl.dlarray, dl.dlarray]:
    y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    return y, dl.dlgradient(y, x)


def several(p: dl.dlarray, q: dl.dlarray, *, scale: float = 2.0) -> tuple[dl.dlarray, dl.dlarray]:
    y = sum(row.sum() for row in p * q) * scale
    return dl.dlgradient(y, p, q, retain_data=True)


def fit(model: Model, x: np.ndarray) -> Model:
    z = dl.relu(model.w @ x + model.b)
    y = dl.mse(z, np.zeros(2), data_format="C")
    return dl.dlgradient(y, model)


def curvature(x: dl.dlarray) -> dl.dlarray:
    g = dl.dlgradient(np.sin(x).sum(), x, enable_higher_derivatives=True)
    return dl.dlgradient((g * [1.0, 2.0] + np.float32(1)).sum(), x)


class Scale(dl.layers.Layer):
    factor: float = 2.0
    learnables = ("offset",)

    def initialize(self, *layouts: dl.layers.Layout) -> None:
        self.offset = np.zeros(layouts[0].size_of("C"))

    def predict(self, x: dl.dlarray) -> dl.dlarray:
        return self.factor * x + dl.dlarray(self.offset, "C")


x = dl.dlarray([1.0, 2.0])
value, gradient = dl.dlfeval(rosenbrock, x)
number: float = value.item()
first, second = dl.dlfeval(several, x, x, scale=3.0)
model = Model("dense", dl.dlarray(np.ones((2, 2))), x)
found = dl.dlfeval(fit, model, np.ones(2))
moved, velocity = dl.sgdmupdate(model, found)
moved, velocity = dl.sgdmupdate(moved, found, velocity, learning_rate=0.1)
adam, average, squares = dl.adamupdate({"w": x}, {"w": gradient}, None, None, 1)
rows: list[dl.dlarray] = list(x[:, None] * x)
assert (x.T + x.real).shape == (2,)
assert dl.dlfeval(curvature, x).ndim == 1
net = dl.dlnetwork([dl.layers.FeatureInput(2), Scale(3.0), dl.layers.FullyConnected(3, name="fc")])
shapes = [layer.name for layer in net.layers.values()]
options = dl.training_options("adam", max_epochs=1, verbose=False)
trained, info = dl.trainnet(np.ones((4, 2)), np.ones((4, 3)), net, "mse", options)
reason: str = info.stop_reason
spectrum = dl.fft.fft(x)
metric = dl.metrics.Accuracy()
rate: float = dl.schedules.Cosine(10).factor(3)
wrong: type[Exception] = dl.errors.NonScalarError
labels: str = dl.dims(dl.dlarray(np.ones((2, 3)), "CB"))
scaled = dl.dlfeval(lambda p: dl.dlgradient((2 * p).sum(), p), x)
text = f"{scaled:.2f} {round(scaled, 1)} {x == None}"  # noqa: E711
