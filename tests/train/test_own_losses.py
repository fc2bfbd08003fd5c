"""What a loss of `trainnet` may be: each trains as the same formula does."""

from functools import partial

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def squares(y, t):
    return ((y - t) ** 2).mean()


class Squares(dl.DifferentiableFunction):
    """The formula with a derivative by hand, for an output and targets with a format."""

    def forward(self, context, y, t):
        context.save(y, t)
        return ((y - t) ** 2).mean()

    def backward(self, context, g):
        y, t = context.saved
        slope = 2 * (y - t) / y.size * g
        return slope, -slope


class Counted:
    """An object with a memory: the number of its calls, and the losses, which are constants."""

    def __init__(self):
        self.calls, self.average = 0, 0.0

    def __call__(self, y, t):
        self.calls += 1
        loss = squares(y, t)
        self.average = 0.9 * self.average + 0.1 * loss
        return loss

    def method(self, y, t):
        return self(y, t)


def scaled(factor, y, t):
    return factor * squares(y, t)


LOSSES = {
    "DifferentiableFunction": Squares,
    "object": Counted,
    "method": lambda: Counted().method,
    "accelerated": lambda: dl.dlaccelerate(squares),
    "partial": lambda: partial(scaled, 1.0),
    "lambda": lambda: lambda y, t: squares(y, t),
}


@pytest.fixture
def data(rng):
    x = rng.normal(size=(30, 3))
    return x, x[:, :2] ** 2


def trained(data, loss, solver="adam", **others):
    length = {"max_iterations": 4} if solver == "lbfgs" else {"max_epochs": 3, "mini_batch_size": 8}
    chosen = dl.training_options(
        solver, verbose=False, generator=0, validation_data=data, **length, **others
    )
    net = dl.dlnetwork(
        [layers.FeatureInput(3), layers.FullyConnected(5), layers.Tanh(), layers.FullyConnected(2)],
        generator=1,
    )
    return dl.trainnet(*data, dl.dlupdate(np.float64, net), loss, chosen)


@pytest.mark.parametrize("solver", ["adam", "sgdm", "lbfgs"])
@pytest.mark.parametrize("kind", LOSSES)
def test_losses_that_are_no_plain_functions(data, kind, solver):
    want, history = trained(data, squares, solver)
    found, other = trained(data, LOSSES[kind](), solver)
    for key, value in want.learnables.items():
        np.testing.assert_allclose(found.learnables[key], value, rtol=1e-9, atol=1e-12)
    for name in ("training_history", "validation_history"):
        right, losses = getattr(history, name)["loss"], getattr(other, name)["loss"]
        np.testing.assert_allclose(losses, right, rtol=1e-9)


def test_part_of_the_network_is_frozen(data):
    frozen = dl.dlnetwork(
        [layers.FeatureInput(3), layers.FullyConnected(5, name="a"), layers.FullyConnected(2)],
        generator=1,
    ).set_learn_rate_factor("a", 0)
    chosen = dl.training_options("adam", verbose=False, generator=0, max_epochs=3)
    want, found = [dl.trainnet(*data, frozen, loss, chosen)[0] for loss in (squares, Squares())]
    np.testing.assert_array_equal(found.learnables["a/weights"], frozen.learnables["a/weights"])
    for key, value in want.learnables.items():
        np.testing.assert_allclose(found.learnables[key], value, rtol=1e-4, atol=1e-6)


def test_a_loss_with_a_memory_is_called_once_for_each_batch_and_once_to_look(data):
    loss = Counted()
    chosen = dl.training_options(
        "adam", verbose=False, generator=0, max_epochs=3, mini_batch_size=10
    )
    dl.trainnet(*data, [layers.FeatureInput(3), layers.FullyConnected(2)], loss, chosen)
    assert loss.calls == 1 + 3 * 3


def test_a_loss_that_depends_on_how_often_it_was_called(data):
    """As a weight that rises while training goes on."""
    seen = []

    def rising(y, t):
        seen.append(len(seen))
        return len(seen) * squares(y, t)

    _, info = trained(data, rising, initial_learn_rate=1e-12)
    plain = trained(data, squares, initial_learn_rate=1e-12)[1].training_history["loss"]
    ratio = np.divide(info.training_history["loss"], plain)
    assert (np.diff(ratio) >= 1 - 1e-6).all()
    np.testing.assert_allclose(ratio, np.round(ratio), rtol=1e-6)
