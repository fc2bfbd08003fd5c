"""Losses of saturated probabilities, against the exact formulas of their logits by mpmath."""

import mpmath
import numpy as np
import pytest

import dlgradient as dl

LOGITS = [-1000.0, -40.0, -17.0, -3.0, 0.5, 3.0, 17.0, 40.0, 1000.0]
TOLERANCE = {np.float64: 1e-11, np.float32: 3e-4}


def exact(formula, z):
    """Value and two derivatives of a function of one logit, in 60 digits."""
    with mpmath.workdps(60):
        return [float(mpmath.diff(formula, mpmath.mpf(z), n)) for n in range(3)]


def found(loss, z, dtype):
    """The same of a loss of dlarrays, for a logit that is a number times a variable."""

    def derivatives(z):
        y = loss(z)
        g = dl.dlgradient(y, z, enable_higher_derivatives=True)
        return y, g, dl.dlgradient(g.sum(), z)

    results = dl.dlfeval(derivatives, dl.dlarray(np.array([z], dtype)))
    assert all(r.dtype == dtype for r in results)
    return [float(r.sum().item()) for r in results]


def logistic(z):
    return 1 / (1 + mpmath.exp(-z))


def binary(z, t, gamma, a, b):
    p, q = logistic(z), logistic(-z)
    return -a * t * q**gamma * mpmath.log(p) - b * (1 - t) * p**gamma * mpmath.log(q)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("z", LOGITS)
@pytest.mark.parametrize("gamma", [None, 2.0, 0.5])
def test_several_labels(gamma, z, t, dtype):
    """Of sigmoid, and from logits."""
    options = {"classification_mode": "multilabel", "data_format": "C"}
    function = dl.crossentropy if gamma is None else dl.focalcrossentropy
    if gamma is not None:
        options["gamma"] = gamma
    weights = (1, 1) if gamma is None else (0.25, 0.75)
    expected = exact(lambda z: binary(z, t, gamma or 0, *weights), z)
    for loss in (
        lambda z: function(dl.sigmoid(z), np.array([t], dtype), **options),
        lambda z: function(z, np.array([t], dtype), from_logits=True, **options),
    ):
        np.testing.assert_allclose(
            found(loss, z, dtype), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("z", LOGITS)
@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("gamma", [None, 2.0])
@pytest.mark.parametrize("source", ["softmax", "sigmoid"])
def test_one_label(source, gamma, z, wrong, dtype):
    """Two classes: softmax of (z, 0) is the sigmoid of z and of -z."""
    options = {"data_format": "C"}
    function = dl.crossentropy if gamma is None else dl.focalcrossentropy
    if gamma is not None:
        options["gamma"] = gamma
    sign = np.array([1.0, -1.0] if source == "sigmoid" else [1.0, 0.0], dtype)
    t = np.array([0.0, 1.0] if wrong else [1.0, 0.0], dtype)

    def loss(z):
        both = z * sign
        y = dl.sigmoid(both) if source == "sigmoid" else dl.softmax(both, data_format="C")
        return function(y, t, **options)

    expected = exact(
        lambda z: binary(-z if wrong else z, 1, gamma or 0, 1 if gamma is None else 0.25, 0), z
    )
    np.testing.assert_allclose(
        found(loss, z, dtype), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


def test_the_gradient_for_the_probabilities_does_not_pass_their_logits():
    def gradients(z):
        y = dl.sigmoid(z)
        options = {"classification_mode": "multilabel", "data_format": "C"}
        loss = dl.crossentropy(y, [0.0, 1.0], **options)
        return loss, dl.dlgradient(loss, y, retain_data=True), dl.dlgradient(loss, z)

    loss, for_y, for_z = dl.dlfeval(gradients, dl.dlarray([40.0, 0.0]))
    np.testing.assert_allclose(loss.item(), 40 + np.log(2))
    np.testing.assert_allclose(for_y[1].item(), -2.0)
    np.testing.assert_allclose(dl.extractdata(for_z), [1.0, -0.5])


def test_masks_weights_and_other_reductions_hold_with_logits():
    z = np.array([[900.0, -900.0, 1.0], [0.0, 0.0, 0.0]])
    t = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    options = {"mask": np.array([[True, True, False]]), "reduction": "none"}

    def both(z):
        y = dl.softmax(z)
        return (
            dl.crossentropy(y, t, [2.0, 1.0], **options),
            dl.crossentropy(z, t, [2.0, 1.0], from_logits=True, **options),
        )

    y, expected = dl.dlfeval(both, dl.dlarray(z, "CB"))
    assert dl.dims(y) == "CB"
    np.testing.assert_allclose(dl.extractdata(y), dl.extractdata(expected))
    np.testing.assert_allclose(dl.extractdata(y)[:, :2], [[0, 1800], [900, 0]])


def log_softmax(z):
    total = mpmath.log(mpmath.fsum(mpmath.exp(v) for v in z))
    return [v - total for v in z]


def log_rest(z, i):
    others = [mpmath.exp(v) for j, v in enumerate(z) if j != i]
    return mpmath.log(mpmath.fsum(others)) - mpmath.log(mpmath.fsum(map(mpmath.exp, z)))


def several(z, t, gamma, a, b):
    """Losses of softmax with independent weights: of the classes (a) and of their rests (b)."""
    total = mpmath.mpf(0)
    for i, (log, target) in enumerate(zip(log_softmax(z), t, strict=True)):
        rest = log_rest(z, i)
        total -= a * target * mpmath.exp(gamma * rest) * log
        total -= b * (1 - target) * mpmath.exp(gamma * log) * rest
    return total


def divergence(z, t):
    pairs = zip(log_softmax(z), t, strict=True)
    return mpmath.fsum(v * (mpmath.log(v) - log) for log, v in pairs if v)


MULTI = {"classification_mode": "multilabel"}
SOFTMAX_LOSSES = {
    "single": (dl.crossentropy, {}, lambda z, t: several(z, t, 0, 1, 0)),
    "multi": (dl.crossentropy, MULTI, lambda z, t: several(z, t, 0, 1, 1)),
    "focal": (dl.focalcrossentropy, {"gamma": 0.5}, lambda z, t: several(z, t, 0.5, 0.25, 0)),
    "focal multi": (dl.focalcrossentropy, MULTI, lambda z, t: several(z, t, 2, 0.25, 0.75)),
    "index": (
        lambda y, t, **o: dl.indexcrossentropy(y, np.argmax(t), **o),
        {},
        lambda z, t: several(z, t, 0, 1, 0),
    ),
    "divergence": (dl.kldivergence, {}, divergence),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("size", [1.0, 30.0, 800.0, 5000.0])
@pytest.mark.parametrize("name", SOFTMAX_LOSSES)
def test_softmax_of_several_classes(name, size, place, dtype, rng):
    """All derivatives along a line through the logits, in reverse and in forward mode."""
    function, options, formula = SOFTMAX_LOSSES[name]
    z = (rng.permutation([-1.0, -0.3, 0.5, 1.0]) * size).astype(dtype)
    along = rng.choice([-1.0, -0.5, 0.5, 1.0], 4).astype(dtype)
    t = np.eye(4, dtype=dtype)[place]

    def loss(s):
        return function(dl.softmax(z + s * along, data_format="C"), t, data_format="C", **options)

    line = [(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(z, along, strict=True)]
    expected = exact(lambda s: formula([a + s * b for a, b in line], [int(v) for v in t]), 0.0)
    tolerance = {"rtol": 20 * TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(found(loss, 0.0, dtype), expected, **tolerance)
    zero = dl.dlarray(np.zeros(1, dtype))
    slope = dl.dlfeval(lambda s: dl.dljvp(loss(s), s, dl.ones_like(s)), zero)
    np.testing.assert_allclose(slope.item(), expected[1], **tolerance)


def test_one_class_has_no_loss_and_no_gradient():
    for function in (dl.crossentropy, dl.focalcrossentropy):
        for gradient in (
            lambda z, f=function: dl.dlgradient(f(dl.softmax(z), [[1.0]]), z),
            lambda z, f=function: dl.dlgradient(f(z, [[1.0]], from_logits=True), z),
        ):
            assert dl.dlfeval(gradient, dl.dlarray([[3.0]], "CB")).item() == 0.0


@pytest.mark.parametrize("function", [dl.crossentropy, dl.focalcrossentropy, dl.kldivergence])
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_excluded_classes_count_nothing(function, reduction):
    """A logit of -inf, whose target is 0, next to a probability that underflows."""
    z, t = [800.0, 0.0, -np.inf], [0.0, 1.0, 0.0]

    def gradient(z):
        return dl.dlgradient(function(dl.softmax(z), t, reduction=reduction).sum(), z)

    a = 0.25 if function is dl.focalcrossentropy else 1.0
    found = dl.dlfeval(gradient, dl.dlarray(z, "C"))
    np.testing.assert_allclose(dl.extractdata(found), [a, -a, 0.0])


def test_the_logits_are_found_after_a_walk_has_dropped_them():
    def gradients(w):
        z = 40.0 * w * 2.0
        y = dl.sigmoid(z)
        first = dl.dlgradient(y.sum(), w)  # the saved values are dropped
        return first, dl.dlgradient(dl.crossentropy(y, [0.0], **MULTI), w)

    _, g = dl.dlfeval(gradients, dl.dlarray([1.0], "C"))
    assert g.item() == 80.0


@pytest.mark.parametrize("make", [dl.sigmoid, dl.softmax])
def test_derivatives_by_the_probabilities_do_not_pass_their_logits(make):
    z, t = dl.dlarray([40.0, -3.0, 0.2], "C"), np.array([0.0, 0.5, 0.5])
    direction = np.array([0.3, -1.0, 0.7])

    def loss(p):
        return dl.crossentropy(p, t, classification_mode="multilabel")

    def given(p):
        y = loss(p)
        return dl.dlgradient(y, p, retain_data=True), dl.dljvp(y, p, direction)

    def made(z):
        p = make(z)
        y = loss(p)
        gradient = dl.dlgradient(y, p, retain_data=True)
        both = dl.dlgradient(y, p, z, retain_data=True)
        return (
            gradient,
            dl.dljvp(y, p, direction),
            both,
            dl.dljvp(y, [p, z], [direction, direction]),
        )

    gradient, tangent = dl.dlfeval(given, make(z))
    found, pushed, (by_p, by_z), pushed_both = dl.dlfeval(made, z)
    np.testing.assert_allclose(found, gradient)
    np.testing.assert_allclose(pushed, tangent)
    np.testing.assert_allclose(pushed, np.dot(extracted := dl.extractdata(gradient), direction))
    np.testing.assert_allclose(by_p, extracted)
    total = np.dot(dl.extractdata(by_p) + dl.extractdata(by_z), direction)
    np.testing.assert_allclose(pushed_both, total)
