"""Update functions against their formulas in NumPy, for containers, networks and derivatives."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def adam_step(g, m, s, t, b1=0.9, b2=0.999, eps=1e-8):
    m, s = b1 * m + (1 - b1) * g, b2 * s + (1 - b2) * g**2
    return m / (1 - b1**t) / (np.sqrt(s / (1 - b2**t)) + eps), m, s


def adamw(p, g, m, s, t, l2=1.0, rate=1.0):
    d, m, s = adam_step(g, m, s, t)
    lr = 0.02 * rate
    return p - lr * 0.1 * l2 * p - lr * d, m, s


def nadam(p, g, m, s, t, _l2=1.0, rate=1.0):
    mu = [0.9 * (1 - 0.5 * 0.96 ** (0.004 * i)) for i in range(1, t + 2)]
    m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
    ahead = mu[-1] * m / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
    return p - 0.02 * rate * ahead / (np.sqrt(s / (1 - 0.999**t)) + 1e-8), m, s


def lion(p, g, m, _s, _t, l2=1.0, rate=1.0):
    step = np.sign(0.9 * m + 0.1 * g) + 0.05 * l2 * p
    return p - 0.003 * rate * step, 0.99 * m + 0.01 * g, None


def adagrad(p, g, s, _u, _t, _l2=1.0, rate=1.0):
    s = s + g**2
    return p - 0.05 * rate * g / (np.sqrt(s) + 1e-10), s, None


def adadelta(p, g, s, u, _t, _l2=1.0, rate=1.0):
    s = 0.9 * s + 0.1 * g**2
    d = np.sqrt((u + 1e-6) / (s + 1e-6)) * g
    return p - 0.5 * rate * d, s, 0.9 * u + 0.1 * d**2


def muon(p, g, m, s, t, l2=1.0, rate=1.0):
    lr = 0.02 * rate
    left = p - lr * 0.1 * l2 * p
    if p.ndim != 2:
        d, m, s = adam_step(g, m, s, t)
        return left - lr * d, m, s
    m = 0.95 * m + 0.05 * g
    x = 0.95 * m + 0.05 * g
    x = x / np.linalg.norm(x)
    # The polynomial acts on the singular values alone.
    u, values, v = np.linalg.svd(x, full_matrices=False)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    return left - lr * 0.2 * max(p.shape) ** 0.5 * (u * values) @ v, m, np.zeros_like(p)


FORMULAS = {
    "adamw": (
        adamw,
        lambda p, g, s, t: dl.adamwupdate(p, g, *(s or (None, None)), t, 0.02, weight_decay=0.1),
    ),
    "nadam": (nadam, lambda p, g, s, t: dl.nadamupdate(p, g, *(s or (None, None)), t, 0.02)),
    "lion": (
        lion,
        lambda p, g, s, _t: dl.lionupdate(p, g, *s, learning_rate=3e-3, weight_decay=0.05),
    ),
    "adagrad": (adagrad, lambda p, g, s, _t: dl.adagradupdate(p, g, *s, learning_rate=0.05)),
    "adadelta": (adadelta, lambda p, g, s, _t: dl.adadeltaupdate(p, g, *s, learning_rate=0.5)),
    "muon": (muon, lambda p, g, s, t: dl.muonupdate(p, g, *(s or (None, None)), t, 0.02)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_hundred_steps_are_those_of_the_formula(name, rng):
    formula, update = FORMULAS[name]
    start = [rng.normal(size=s) for s in [(3, 4), (5, 2), (4,), ()]]
    q, state = [dl.dlarray(x) for x in start], ()
    rows = [(x, np.zeros_like(x), np.zeros_like(x)) for x in start]
    for t in range(1, 101):
        gs = [rng.normal(size=x.shape) for x in start]
        q, *state = update(q, [dl.dlarray(g) for g in gs], state, t)
        rows = [formula(p, g, *rest, t) for (p, *rest), g in zip(rows, gs, strict=True)]
    for i, row in enumerate(rows):
        for found, wanted in zip([q, *state], row, strict=False):
            np.testing.assert_allclose(dl.extractdata(found[i]), wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", FORMULAS)
def test_networks_have_their_factors(name, rng):
    formula, update = FORMULAS[name]
    fc = layers.FullyConnected(3, bias_learn_rate_factor=2.0, weights_l2_factor=0.5)
    head = layers.FullyConnected(2)
    net = dl.dlnetwork([layers.FeatureInput(4), fc, head], generator=0)
    net = dl.dlupdate(lambda p: dl.astype(p, "float64") + 0.5, net)
    net = net.set_learn_rate_factor("fc_1/weights", 0)
    values = {k: np.asarray(v) for k, v in net.learnables.items()}
    rows = {k: (v, 0 * v, 0 * v) for k, v in values.items()}
    start, state = net, ()
    for t in (1, 2, 3):
        gs = {k: rng.normal(size=row[0].shape) for k, row in rows.items()}
        g = dl.dlupdate(lambda _p, g: dl.dlarray(g), net.learnables, type(net.learnables)(gs))
        net, *state = update(net, g, state, t)
        rates, l2 = net.learn_rate_factors(), net.l2_factors()
        rows = {k: formula(p, gs[k], *rest, t, l2[k], rates[k]) for k, (p, *rest) in rows.items()}
    for key, (wanted, *_) in rows.items():
        np.testing.assert_allclose(net.learnables[key], wanted, rtol=1e-12)
    frozen = "fc_1/weights"
    assert np.array_equal(net.learnables[frozen], start.learnables[frozen])


@pytest.mark.parametrize("name", FORMULAS)
def test_two_steps_can_be_differentiated(name, rng):
    """The derivative through two steps, against differences along a direction."""
    update = FORMULAS[name][1]
    x, d = rng.normal(size=(2, 2, 3)) + 2
    w = rng.normal(size=(2, 3))

    def after(p):
        state = ()
        for t in (1, 2):
            p, *state = update([p], [p**3 if type(p) is not list else p[0] ** 3], state, t)
            p = p[0]
        return (w * p).sum()

    def slope(p):
        return dl.dlgradient(after(p), p)

    found = (dl.extractdata(dl.dlfeval(slope, dl.dlarray(x))) * d).sum()
    h = 1e-6
    wanted = (float(after(x + h * d)) - float(after(x - h * d))) / (2 * h)
    assert found == pytest.approx(wanted, rel=1e-6)


def test_muon_of_wide_tall_and_empty_matrices():
    for shape in [(2, 5), (5, 2), (0, 3), (1, 1)]:
        p = np.ones(shape)
        new, *_ = dl.muonupdate(p, p, None, None, 1, 0.1)
        turned, *_ = dl.muonupdate(p.T, p.T, None, None, 1, 0.1)
        assert new.shape == shape
        np.testing.assert_allclose(new, np.asarray(turned).T, rtol=1e-12)
    still, *_ = dl.muonupdate(p, 0 * p, None, None, 1, 0.1, weight_decay=0.0)
    assert np.array_equal(still, p)


# -- clipping --------------------------------------------------------------------------------------


def clipped(name, arrays, limit):
    if name == "clip_by_value":
        parts = [(np.clip(a.real, -limit, limit), np.clip(a.imag, -limit, limit)) for a in arrays]
        return [x + 1j * y if y.any() else x for x, y in parts]
    norms = [np.linalg.norm(a) for a in arrays]
    if name == "clip_by_global_norm":
        norms = [np.linalg.norm(norms)] * len(arrays)
    return [a * min(1, limit / n) for a, n in zip(arrays, norms, strict=True)]


CLIPS = ["clip_by_value", "clip_by_norm", "clip_by_global_norm"]


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("limit", [0.3, 1.0, 100.0])
def test_clipping_of_containers(name, limit, rng):
    arrays = [rng.normal(size=(3, 2)), 0.1 * rng.normal(size=4), rng.normal(size=2) + 1j]
    found = getattr(dl, name)({"a": arrays[0], "b": [dl.dlarray(a) for a in arrays[1:]]}, limit)
    for a, b in zip([found["a"], *found["b"]], clipped(name, arrays, limit), strict=True):
        np.testing.assert_allclose(dl.extractdata(dl.dlarray(a)), b, rtol=1e-14)


@pytest.mark.parametrize("name", CLIPS)
def test_clipping_of_a_table_is_that_of_its_arrays(name, rng):
    net = dl.dlnetwork([layers.FeatureInput(4), layers.FullyConnected(3)], generator=0)
    arrays = {k: rng.normal(size=v.shape).astype("f") for k, v in net.learnables.items()}
    table = dl.dlupdate(lambda _p, g: g, net.learnables, type(net.learnables)(arrays))
    found = getattr(dl, name)(table, 0.5)
    wanted = clipped(name, list(arrays.values()), 0.5)
    for (key, a), b in zip(found.items(), wanted, strict=True):
        assert a.dtype == np.float32, key
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert np.array_equal(table["fc/weights"], arrays["fc/weights"])


@pytest.mark.parametrize("name", CLIPS)
def test_clipping_is_differentiated(name, rng):
    x, d = rng.normal(size=(2, 5))
    w = rng.normal(size=5)

    def value(x):
        a, b = getattr(dl, name)([x[:3], x[3:]], 0.7)
        return (w[:3] * a).sum() + (w[3:] * b).sum()

    found = dl.dlfeval(lambda x: dl.dlgradient(value(x), x), dl.dlarray(x))
    wanted = (float(value(x + 1e-6 * d)) - float(value(x - 1e-6 * d))) / 2e-6
    assert (dl.extractdata(found) * d).sum() == pytest.approx(wanted, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", CLIPS)
def test_clipping_of_nothing_and_wrong_limits(name):
    assert getattr(dl, name)([], 1.0) == []
    zero = getattr(dl, name)([np.zeros(3)], 1.0)
    assert np.array_equal(zero[0], np.zeros(3))
    with pytest.raises(dl.InvalidArgumentError, match="limit must be a finite number above 0"):
        getattr(dl, name)([np.ones(2)], 0)
