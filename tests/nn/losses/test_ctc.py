"""CTC: the sum over all paths, enumerated; published numbers; padding, zeros, every order."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rounding import assert_close

import dlgradient as dl
from dlgradient.nn.losses.ctc import ctc
from dlgradient.testing import check_derivatives


def merged(path, blank):
    """Merge repetitions, then remove blanks."""
    kept = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
    return [c for c in kept if c != blank]


def enumerated(y, labels, blank):
    """Sum over all paths of one observation, y of shape (C, T)."""
    classes, time = y.shape
    total = 0.0
    for path in product(range(classes), repeat=time):
        if merged(path, blank) == list(labels):
            total += np.prod([y[c, t] for t, c in enumerate(path)])
    return -np.log(total)


def probabilities(rng, *shape):
    y = rng.uniform(0.1, 1, size=shape)
    return y / y.sum(axis=0)


@pytest.mark.parametrize("blank", ["first", 1, "last"])
@pytest.mark.parametrize("labels", [[0], [0, 2], [2, 2], [0, 2, 0], []])
def test_sum_over_all_paths(rng, labels, blank):
    y = probabilities(rng, 4, 5)
    index = {"first": 0, "last": 3}.get(blank, blank)
    labels = [c + (c >= index) for c in labels]
    got = ctc(dl.dlarray(y, "CT"), np.array(labels, int), blank_index=blank)
    assert_allclose(got.item(), enumerated(y, labels, index), rtol=1e-13)


def test_padding_is_left_out(rng):
    y = probabilities(rng, 3, 3, 5)
    targets = np.array([[1, 2, 1], [2, 2, 0], [1, 0, 0]])
    labels = [[1, 2, 1], [2, 2], [1]]
    y_mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 0, 0]])
    y[:, 2, 3:] = np.nan
    got = ctc(y, targets, y_mask, targets > 0, data_format="CBT", reduction="none")
    want = [enumerated(y[:, b, y_mask[b] > 0], labels[b], 0) for b in range(3)]
    assert_allclose(np.asarray(got), want, rtol=1e-13)

    def loss(x):
        value = ctc(x, targets, y_mask, targets > 0)
        return value, dl.dlgradient(value, x)

    value, slope = dl.dlfeval(loss, dl.dlarray(y, "CBT"))
    assert_allclose(value.item(), np.mean(want))
    assert np.all(np.asarray(slope)[:, y_mask == 0] == 0)
    assert dl.dims(slope) == "CBT"
    assert np.isfinite(np.asarray(slope)).all()


def test_padded_logits_are_left_out(rng):
    z = rng.normal(size=(2, 1, 4))
    z[:, :, 3] = np.nan
    mask = np.array([[1, 1, 1, 0]])

    def loss(x):
        value = ctc(x, [[1]], mask, from_logits=True)
        return value, dl.dlgradient(value, x)

    value, slope = dl.dlfeval(loss, dl.dlarray(z, "CBT"))
    short = ctc(z[:, :, :3], [[1]], from_logits=True, data_format="CBT")
    assert_allclose(value.item(), short.item())
    assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("fmt", ["TBC", "BTC", "CTB"])
def test_any_order(rng, fmt):
    y = probabilities(rng, 3, 2, 4)
    targets = np.array([[1, 2], [2, 2]])
    want = ctc(y, targets, data_format="CBT").item()
    turned = np.transpose(y, ["CBT".index(c) for c in fmt])
    assert_allclose(ctc(turned, dl.dlarray(targets, "BT"), data_format=fmt).item(), want)
    order = fmt.replace("C", "")
    raw = targets if order == "BT" else targets.T
    assert_allclose(ctc(dl.dlarray(turned, fmt), raw).item(), want)
    with_c = dl.dlarray(targets[None], "CBT")
    assert_allclose(ctc(dl.dlarray(turned, fmt), with_c).item(), want)


def test_derivatives_of_second_order(rng):
    targets = np.array([[1, 2], [1, 1]])
    check_derivatives(lambda y: ctc(y, targets, data_format="CBT"), probabilities(rng, 3, 2, 4))
    z = rng.normal(size=(3, 2, 4))
    check_derivatives(lambda x: ctc(x, targets, from_logits=True, data_format="CBT"), z)


def test_logits_are_the_logarithms_of_probabilities(rng):
    y = probabilities(rng, 3, 2, 4)
    targets = np.array([[1, 2], [1, 1]])
    a = ctc(y, targets, data_format="CBT").item()
    assert_allclose(ctc(np.log(y), targets, from_logits=True, data_format="CBT").item(), a)


def test_a_probability_of_zero_has_exact_derivatives():
    # p = y₁₀ y₁₁ + y₁₀ y₀₁ + y₀₀ y₁₁ for the one label 1 in two steps, and y₁₁ = 0.
    y = np.array([[0.6, 1.0], [0.4, 0.0]])

    def loss(x):
        value = ctc(x, [1])
        return dl.dlgradient(value, x, enable_higher_derivatives=True)

    def second(x):
        slope = loss(x)
        return slope, dl.dlgradient(slope[1, 1], x)

    slope, hessian_row = dl.dlfeval(second, dl.dlarray(y, "CT"))
    p = 0.4
    first = np.array([[0.0, 0.4], [1.0, 1.0]])  # of p
    assert_allclose(np.asarray(slope), -first / p)
    mixed = np.array([[1.0, 0.0], [1.0, 0.0]])  # of dp/dy₁₁
    assert_allclose(np.asarray(hessian_row), -mixed / p + first[1, 1] * first / p**2)


def test_long_sequences_do_not_underflow(rng):
    time = 400
    z = rng.normal(size=(5, 1, time)) * 40
    targets = np.tile([1, 2, 3, 4], 20)[None]

    def loss(x):
        value = ctc(x, targets, from_logits=True)
        return value, dl.dlgradient(value, x)

    value, slope = dl.dlfeval(loss, dl.dlarray(z, "CBT"))
    assert 745 < value.item() < np.inf  # beyond what exp can hold
    # In every step the posterior probabilities of the classes have the sum one.
    assert_allclose(np.asarray(slope).sum(axis=0), 0, atol=1e-9)
    single, slope32 = dl.dlfeval(loss, dl.dlarray(z.astype(np.float32), "CBT"))
    assert single.dtype == slope32.dtype == np.float32
    assert_allclose(single.item(), value.item(), rtol=1e-5)
    assert_allclose(np.asarray(slope32), np.asarray(slope), atol=2e-3)


def in_logarithms(logits, labels):
    """Loss of one observation, logits (C, T), and its gradient: all sums of logarithms."""
    y = logits - np.logaddexp.reduce(logits, axis=0)
    chain = [0]
    for label in labels:
        chain += [label, 0]
    states, time = len(chain), y.shape[1]

    def sums(order, classes):
        total = np.full((time, states), -np.inf)
        for i, t in enumerate(order):
            for s in range(states):
                if i == 0:
                    ways = [0.0] if s < 2 else []
                else:
                    before = total[order[i - 1]]
                    ways = list(before[max(s - 1, 0) : s + 1])
                    if s > 1 and classes[s] not in (0, classes[s - 2]):
                        ways.append(before[s - 2])
                if ways:
                    total[t, s] = np.logaddexp.reduce(ways) + y[classes[s], t]
        return total

    forward = sums(range(time), chain)
    backward = sums(range(time)[::-1], chain[::-1])[:, ::-1]
    whole = np.logaddexp.reduce(forward[-1, -2:])
    slope = np.exp(y)
    for t in range(time):
        for s, c in enumerate(chain):
            if np.isfinite(y[c, t]):
                slope[c, t] -= np.exp(forward[t, s] + backward[t, s] - y[c, t] - whole)
    return -whole, slope


@pytest.mark.parametrize("size", [0.1, 3, 30, 300, 3000])
@pytest.mark.parametrize("time", [7, 40, 300])
def test_emissions_of_any_size(rng, size, time):
    z = rng.normal(size=(4, 2, time)) * size
    # A large part of what may be is impossible.
    z[1:, :, ::3] = np.where(
        rng.random((3, 2, len(range(0, time, 3)))) < 0.3, -np.inf, z[1:, :, ::3]
    )
    labels = [[1, 1, 2], [3, 2, 3]]
    # The loss is a sum of logarithms; a logit's rounding is one of the probability's exponent.
    largest = max(1, np.max(np.abs(z), where=np.isfinite(z), initial=0))

    def loss(x):
        values = ctc(x, np.array(labels), from_logits=True, reduction="none")
        return values, dl.dlgradient(values.sum(), x)

    values, slope = dl.dlfeval(loss, dl.dlarray(z, "CBT"))
    for b in range(2):
        value, want = in_logarithms(z[:, b], labels[b])
        assert_close(np.asarray(values)[b], value, time, largest + value)
        # The oracle subtracts logarithms that are as large as the loss.
        assert_close(np.asarray(slope)[:, b], want, time, largest + value)
    single = dl.dlfeval(loss, dl.dlarray(z.astype(np.float32), "CBT"))
    assert_close(single[0], values, time, largest + np.max(values))
    assert_close(single[1], slope, time, largest)


SATURATED = {
    "the step that is rescaled is large itself": (
        [
            [264, 26, 93, -186, -35, -202, 272],
            [-91, -113, 125, 198, 218, 92, 38],
            [-79, -164, 317, 25, -232, 254, -157],
        ],
        [2, 2],
    ),
    "states that are not reached go beyond all bounds": (
        [[0, -120, 120, 0, 120], [0, 120, 0, 120, -120]],
        [1, 1, 1],
    ),
    "a step that is divided by itself": (
        [[363, 7], [-246, -253], [-397, 19], [428, -130]],
        [1, 3],
    ),
}


@pytest.mark.parametrize("name", SATURATED)
def test_saturated_logits(name):
    logits, labels = SATURATED[name]
    z = np.array(logits, float)
    direction = np.arange(z.size).reshape(z.shape) / z.size

    def loss(x):
        value = ctc(x, labels, from_logits=True)
        slope = dl.dlgradient(value, x, enable_higher_derivatives=True)
        return value, slope, dl.dlgradient((slope * direction).sum(), x)

    value, slope, curvature = dl.dlfeval(loss, dl.dlarray(z, "CT"))
    expected, slopes = in_logarithms(z, labels)
    assert_allclose(value.item(), expected, rtol=1e-12)
    assert_allclose(np.asarray(slope), slopes, atol=1e-9)
    step = 1e-4 * direction
    ahead, behind = in_logarithms(z + step, labels)[1], in_logarithms(z - step, labels)[1]
    assert_allclose(np.asarray(curvature), (ahead - behind) / 2e-4, atol=1e-6)


@pytest.mark.parametrize("name", SATURATED)
def test_the_softmax_of_saturated_logits(name):
    logits, labels = SATURATED[name]

    def loss(x):
        by_softmax = ctc(dl.softmax(x), labels)
        by_logits = ctc(x, labels, from_logits=True)
        slopes = dl.dlgradient(by_softmax, x), dl.dlgradient(by_logits, x)
        return by_softmax, by_logits, *slopes

    y, expected, slope, expected_slope = dl.dlfeval(loss, dl.dlarray(np.array(logits, float), "CT"))
    assert_allclose(y.item(), expected.item(), rtol=1e-12)
    assert_allclose(np.asarray(slope), np.asarray(expected_slope), atol=1e-12)


def test_what_cannot_be_has_an_infinite_loss_and_no_gradient():
    def loss(x):
        value = ctc(x, [1])
        return value, dl.dlgradient(value, x)

    value, slope = dl.dlfeval(loss, dl.dlarray([[1.0, 1.0], [0.0, 0.0]], "CT"))
    assert value.item() == np.inf
    assert not np.asarray(slope).any()
    # A step in which no state may be.
    y = np.array([[0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.0, 1.0, 0.0]])
    assert ctc(y, [1], data_format="CT").item() == np.inf


def test_nothing_that_counts_has_a_gradient_of_zeros(rng):
    def slope(x, targets, mask=None):
        value = ctc(x, targets, mask, data_format="CBT")
        assert value.item() == 0
        return dl.dlgradient(value, x)

    nobody = dl.dlfeval(slope, dl.dlarray(np.zeros((3, 0, 4))), np.zeros((0, 2), int))
    assert nobody.shape == (3, 0, 4)
    y, nothing = dl.dlarray(probabilities(rng, 3, 2, 4)), np.zeros((2, 0), int)
    np.testing.assert_array_equal(dl.dlfeval(slope, y, nothing, np.zeros((2, 4))), 0 * y)


def test_no_step_that_counts(rng):
    y = probabilities(rng, 3, 2, 4)
    mask = np.array([[0, 0, 0, 0], [1, 1, 0, 1]])
    labels_mask = np.array([[0, 0], [1, 0]])
    got = ctc(y, [[1, 2], [2, 1]], mask, labels_mask, data_format="CBT", reduction="none")
    kept = y[:, 1, [0, 1, 3]]
    assert_allclose(np.asarray(got), [0, enumerated(kept, [2], 0)], rtol=1e-13)
    none = ctc(y, [[1, 2]] * 2, 0 * mask, 0 * labels_mask, data_format="CBT", reduction="none")
    assert_allclose(np.asarray(none), 0)


def test_numbers_of_torch():
    """torch 2 in float64: ctc_loss(log_softmax(z), ..., reduction="none") and its gradient."""
    z = [[[0.2, -1.0, 0.7], [1.5, 0.3, -0.4]], [[0.1, 0.9, -0.3], [0.0, 0.4, 1.2]]]
    z = np.array([*z, [[1.0, -0.2, 0.3], [-0.7, 0.6, 0.2]]])

    def loss(x):
        targets = dl.dlarray([[1, 2], [1, 1]], "BT")
        values = ctc(x, targets, from_logits=True, reduction="none")
        return values, dl.dlgradient(values.sum(), x)

    values, slope = dl.dlfeval(loss, dl.dlarray(z, "TBC"))
    assert_allclose(np.asarray(values), [2.391790519232979, 3.996161123313154], rtol=1e-12)
    first = [
        [-0.24582616602507626, -0.3130784129088548, 0.5589045789339311],
        [0.6892925421984826, -0.7923890759755695, 0.10309653377708695],
    ]
    last = [
        [0.449404953806736, 0.16753679151490464, -0.6169417453216407],
        [0.14027409993575027, -0.4852927125524625, 0.3450186126167122],
    ]
    assert_allclose(np.asarray(slope)[0], first, rtol=1e-11)
    assert_allclose(np.asarray(slope)[2], last, rtol=1e-11)


def test_an_impossible_logit():
    z = np.array([[0.0, 1.0, 0.5], [0.3, -np.inf, 0.1]])

    def loss(x):
        value = ctc(x, [1], from_logits=True)
        return value, dl.dlgradient(value, x)

    value, slope = dl.dlfeval(loss, dl.dlarray(z, "CT"))
    y = np.exp(z) / np.exp(z).sum(axis=0)
    assert_allclose(value.item(), enumerated(y, [1], 0))
    assert np.isfinite(np.asarray(slope)).all()
