"""Compiled steps of optimisers: the bits of NumPy's, for any number and any container."""

import numpy as np
import pytest

import dlgradient as dl

pytest.importorskip("llvmlite")

UPDATES = {
    "sgdm": (dl.sgdmupdate, 1, False),
    "rmsprop": (dl.rmspropupdate, 1, False),
    "adagrad": (dl.adagradupdate, 1, False),
    "adadelta": (dl.adadeltaupdate, 2, False),
    "lion": (dl.lionupdate, 1, False),
    "adam": (dl.adamupdate, 2, True),
    "nadam": (dl.nadamupdate, 2, True),
    "adamw": (dl.adamwupdate, 2, True),
    "muon": (dl.muonupdate, 2, True),
}


def numbers(rng, size, dtype):
    """Return ordinary numbers, and those that a fast but careless kernel gets wrong."""
    tiny = np.finfo(dtype).smallest_subnormal
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -3 * tiny, 1e30, 1e-30], dtype)
    x = rng.normal(size=size).astype(dtype)
    chosen = rng.random(size) < 0.3
    return np.where(chosen, rng.choice(special, size), x)


def assert_same_bits(a, b):
    a, b = dl.extractdata(a), dl.extractdata(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)  # NaN equals NaN
    np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))


def three_steps(update, count, counts, p, gradients):
    states = (None,) * count
    with np.errstate(all="ignore"):
        for i, g in enumerate(gradients, 1):
            p, *states = update(p, g, *states, *([i] if counts else []))
    return p, *states


@pytest.mark.parametrize("size", [0, 1, 7, 8, 64, 1003])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UPDATES)
def test_steps_have_the_bits_of_numpy(name, dtype, size, rng):
    p = dl.dlarray(numbers(rng, size, dtype))
    gradients = [dl.dlarray(numbers(rng, size, dtype)) for _ in range(3)]
    with dl.acceleration("numpy"):
        expected = three_steps(*UPDATES[name], p, gradients)
    with dl.acceleration("native"):
        found = three_steps(*UPDATES[name], p, gradients)
    for a, b in zip(found, expected, strict=True):
        assert_same_bits(a, b)


def network(width=5):
    sizes = [dl.layers.FeatureInput(3), dl.layers.FullyConnected(width, name="one")]
    return dl.dlnetwork([*sizes, dl.layers.FullyConnected(2, name="two")], generator=0)


def gradients_of(net, rng):
    """Return gradients that are no parts of one vector, as `dlgradient` gives them."""
    return dl.dlupdate(
        lambda p: dl.dlarray(numbers(rng, p.shape, dl.extractdata(p).dtype)), net.learnables
    )


def in_both_ways(name, net, gradients, **options):
    """Return a network and states after steps, as NumPy and as machine code compute them."""
    found = []
    for mode in ("numpy", "native"):
        new, states = net, (None,) * UPDATES[name][1]
        with dl.acceleration(mode), np.errstate(all="ignore"):
            for i, g in enumerate(gradients, 1):
                given = (i,) if UPDATES[name][2] else ()
                new, *states = UPDATES[name][0](new, g, *states, *given, **options)
        found.append([new.learnables, *states])
    return found


def assert_alike(tables, others):
    for table, other in zip(tables, others, strict=True):
        for a, b in zip(table.values(), other.values(), strict=True):
            assert_same_bits(a, b)


@pytest.mark.parametrize("width", [1, 17, 70_000])  # the last is cut into blocks
@pytest.mark.parametrize("name", UPDATES)
def test_steps_of_networks_have_the_bits_of_numpy(name, width, rng):
    net = network(width)
    if width == 17:  # spans of several factors, and one that is frozen
        net = net.set_learn_rate_factor("one/bias", 3.0).set_learn_rate_factor("two", 0.0)
        net = net.set_l2_factor("one/weights", 0.5)
    gradients = [gradients_of(net, rng) for _ in range(3)]
    assert_alike(*in_both_ways(name, net, gradients))


@pytest.mark.parametrize("name", UPDATES)
def test_every_number_of_a_formula_may_change(name, rng):
    """A formula is written down once: numbers that are 0 or 1 make no other one of it."""
    net = network()
    gradients = [gradients_of(net, rng) for _ in range(2)]
    options = {
        "learning_rate": (0.0, 1.0, 0.3), "weight_decay": (0.0, 1.0), "momentum": (0.0, 0.5),
        "gradient_decay": (0.0, 0.5), "sq_gradient_decay": (0.0, 0.5), "epsilon": (0.0, 1.0),
    }  # fmt: skip
    taken = UPDATES[name][0].__wrapped__.__code__.co_varnames
    for option, values in options.items():
        for value in values if option in taken else ():
            assert_alike(*in_both_ways(name, net, gradients, **{option: value}))


def test_gradients_in_any_form_are_read_as_they_are(rng):
    net = network()
    raw = {k: numbers(rng, (*v.shape[::-1], 2), np.float32) for k, v in net.learnables.items()}
    strided = type(net.learnables)({k: v[..., 0].T for k, v in raw.items()})
    forms = {
        "in Fortran's order": dl.dlupdate(lambda _p, g: dl.dlarray(g), net.learnables, strided),
        "in another precision": dl.dlupdate(
            lambda _p, g: dl.astype(g, "float64"), net.learnables, strided
        ),
    }
    forms["in Fortran's order"]._arrays = [
        dl.dlarray(np.asfortranarray(dl.extractdata(a))) for a in strided.values()
    ]
    for gradients in forms.values():
        assert_alike(*in_both_ways("adam", net, [gradients, gradients]))


@pytest.mark.parametrize("mode", ["numpy", "native"])
def test_gradients_of_other_shapes_are_refused(mode):
    net = network()
    for change in (lambda p: p.T if p.ndim == 2 else p, lambda p: p[..., :1], lambda p: p.sum()):
        gradients = dl.dlupdate(change, net.learnables)
        with dl.acceleration(mode), pytest.raises(dl.ShapeMismatchError, match="one/weights"):
            dl.adamupdate(net, gradients)


@pytest.mark.parametrize("mode", ["numpy", "native"])
def test_factors_that_change_between_steps_are_those_of_the_step(mode, rng):
    net = network()
    first, second = (
        dl.dlupdate(lambda p: dl.dlarray(np.float32(rng.normal(size=p.shape))), net.learnables)
        for _ in range(2)
    )
    with dl.acceleration(mode):
        net, *state = dl.adamupdate(net, first)
        frozen = net.set_learn_rate_factor("one", 0.0)
        for some in (frozen, frozen.copy(), net, net.set_learn_rate_factor("one", 2.0), frozen):
            new, *_ = dl.adamupdate(some, second, *state, 2)
            factors = some.learn_rate_factors()
            for key, p in some.learnables.items():
                one, *_ = dl.adamupdate(
                    p, second[key], *[s[key] for s in state], 2, 0.001 * factors[key]
                )
                np.testing.assert_allclose(
                    dl.extractdata(new.learnables[key]), dl.extractdata(one), rtol=1e-6
                )
                if not factors[key]:
                    np.testing.assert_array_equal(dl.extractdata(one), dl.extractdata(p))


def test_the_state_of_another_network_with_the_same_arrays_is_taken(rng):
    net, other = network(), network()
    gradients = gradients_of(net, rng)
    with np.errstate(all="ignore"):
        for mode in ("numpy", "native"):
            with dl.acceleration(mode):
                _, *state = dl.adamupdate(other, gradients_of(other, rng))
                found = dl.adamupdate(net, gradients, *state, 2)
                same = [type(s)(dict(s)) for s in state]
                expected = dl.adamupdate(net, gradients, *same, 2)
            assert_alike([found[0].learnables, *found[1:]], [expected[0].learnables, *expected[1:]])
