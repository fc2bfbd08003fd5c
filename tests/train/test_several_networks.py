"""Several networks in a container are learnables as one is: each ends as if it were alone."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


@dataclass
class Record:
    first: Any
    second: Any


class Named(NamedTuple):
    first: Any
    second: Any


# How two networks are put into a container, and taken out of it.
FORMS = {
    "list": (lambda a, b: [a, b], list),
    "tuple": (lambda a, b: (a, b), list),
    "dict": (lambda a, b: {"a": a, "b": b}, lambda c: [c["a"], c["b"]]),
    "dataclass": (Record, lambda c: [c.first, c.second]),
    "named tuple": (Named, list),
    "nested": (lambda a, b: {"x": [a], "y": Record(b, 1)}, lambda c: [c["x"][0], c["y"].first]),
}
# Each update, with the states before the first step.
UPDATES = {
    "sgdmupdate": lambda p, g, *s: dl.sgdmupdate(p, g, *(s or [None])),
    "adamupdate": lambda p, g, *s: dl.adamupdate(p, g, *(s or [None, None]), 2),
    "rmspropupdate": lambda p, g, *s: dl.rmspropupdate(p, g, *(s or [None])),
    "adamwupdate": lambda p, g, *s: dl.adamwupdate(p, g, *(s or [None, None]), 2),
    "nadamupdate": lambda p, g, *s: dl.nadamupdate(p, g, *(s or [None, None]), 2),
    "lionupdate": lambda p, g, *s: dl.lionupdate(p, g, *(s or [None])),
    "adagradupdate": lambda p, g, *s: dl.adagradupdate(p, g, *(s or [None])),
    "adadeltaupdate": lambda p, g, *s: dl.adadeltaupdate(p, g, *(s or [None, None])),
    "muonupdate": lambda p, g, *s: dl.muonupdate(p, g, *(s or [None])),
    "dlupdate": lambda p, g: (dl.dlupdate(lambda p, g: p - 0.1 * g, p, g),),
}


def networks(dtype=np.float64):
    """Return two networks; a layer of each has another learn rate, and one is frozen."""
    first = dl.dlnetwork(
        [layers.FeatureInput(3), layers.FullyConnected(4, name="a"), layers.Tanh()], generator=0
    ).set_learn_rate_factor("a", 0.5)
    second = dl.dlnetwork(
        [
            layers.FeatureInput(4),
            layers.FullyConnected(5, name="b"),
            layers.BatchNormalization(),
            layers.FullyConnected(2, name="c"),
        ],
        generator=1,
    ).set_learn_rate_factor("b", 0)
    return [dl.dlupdate(dtype, net) for net in (first, second)]


def value(nets, x):
    return (nets[1].predict(nets[0].predict(x)) ** 2).mean()


def loss_of(form, x):
    """Return the function of a container that returns loss and gradient."""
    _, taken = FORMS[form]

    def loss(container):
        found = value(taken(container), x)
        return found, dl.dlgradient(found, container)

    return loss


def equal(found, want):
    assert list(found.learnables) == list(want.learnables)
    for key, array in want.learnables.items():
        np.testing.assert_array_equal(found.learnables[key], array, err_msg=key)


@pytest.fixture
def x(rng):
    return dl.dlarray(rng.normal(size=(6, 3)), "BC")


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_those_of_each_network(form, x):
    nets = networks()
    put, taken = FORMS[form]

    def alone(first, second):
        found = value([first, second], x)
        return dl.dlgradient(found, first, second)

    want = dl.dlfeval(alone, *nets)
    for run in (dl.dlfeval, lambda f, c: dl.dlaccelerate(f)(c)):
        _, gradient = run(loss_of(form, x), put(*nets))
        assert type(gradient) is type(put(*nets))
        for found, right in zip(taken(gradient), want, strict=True):
            equal(found, right)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", UPDATES)
def test_updates_are_those_of_each_network(form, name, x):
    """Over two steps, with the learn-rate factors of the layers."""
    update = UPDATES[name]
    put, taken = FORMS[form]
    nets, container = networks(), put(*networks())
    states, alone = [], [[], []]
    for _ in range(2):
        _, gradient = dl.dlfeval(loss_of(form, x), container)
        container, *states = update(container, gradient, *states)
        for i, g in enumerate(taken(gradient)):
            nets[i], *alone[i] = update(nets[i], g, *alone[i])
    for found, want, before in zip(taken(container), nets, networks(), strict=True):
        equal(found, want)
        frozen = [key for key, factor in before.learn_rate_factors().items() if not factor]
        for key in frozen if name != "dlupdate" else []:
            np.testing.assert_array_equal(found.learnables[key], before.learnables[key])


@pytest.mark.parametrize("form", FORMS)
def test_one_vector_of_all_networks(form, x):
    put, taken = FORMS[form]
    container = put(*networks())
    vector = dl.flatten(container)
    arrays = [a for net in networks() for a in net.learnables.values()]
    np.testing.assert_array_equal(vector, np.concatenate([np.ravel(a) for a in arrays]))
    for found, want in zip(taken(dl.unflatten(vector, container)), networks(), strict=True):
        equal(found, want)
    _, gradient = dl.dlfeval(loss_of(form, x), container)
    g = np.asarray(dl.flatten(gradient))
    clipped = np.asarray(dl.flatten(dl.clip_by_global_norm(gradient, 0.1)))
    np.testing.assert_allclose(clipped, g * min(1, 0.1 / np.linalg.norm(g)), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_all_networks_are_learned_by_lbfgs(form, x):
    put, taken = FORMS[form]
    container, state = put(*networks()), dl.lbfgs_state()
    start = networks()
    before = float(value(start, x))
    for _ in range(5):
        container, state = dl.lbfgsupdate(
            container, lambda c: dl.dlfeval(loss_of(form, x), c), state
        )
    assert float(value(taken(container), x)) < before / 10
    for found, net in zip(taken(container), start, strict=True):
        for key, factor in net.learn_rate_factors().items():
            moved = not np.array_equal(found.learnables[key], net.learnables[key])
            assert moved == (factor != 0)


@pytest.mark.parametrize("form", ["list", "tuple", "dict"])
def test_networks_in_a_container_are_saved(form, x, tmp_path):
    put, taken = FORMS[form]
    dl.save(tmp_path / "nets", put(*networks()))
    found = taken(dl.load(tmp_path / "nets"))
    assert found == networks()
    assert float(value(found, x)) == float(value(networks(), x))


def test_the_same_network_twice_is_two_variables(x):
    """As any array that is in two places; the gradients of both uses add up to that of one."""
    net = dl.dlupdate(
        np.float64, dl.dlnetwork([layers.FeatureInput(3), layers.FullyConnected(3)], generator=0)
    )
    _, (first, second) = dl.dlfeval(loss_of("list", x), [net, net])

    def alone(net):
        return dl.dlgradient(value([net, net], x), net)

    for key, g in dl.dlfeval(alone, net).learnables.items():
        np.testing.assert_allclose(first.learnables[key] + second.learnables[key], g, rtol=1e-12)
