"""Losses: torch's numbers, formats, masks, targets that do not fit."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rounding import assert_close
from scipy import special

import dlgradient as dl
from dlgradient.errors import FormatClashError, IndexingError, ShapeMismatchError
from dlgradient.nn.activations.softmax import softmax
from dlgradient.nn.losses.classification import crossentropy, indexcrossentropy
from dlgradient.nn.losses.divergence import focalcrossentropy, generalizeddice, kldivergence
from dlgradient.nn.losses.regression import huber, l1loss, l2loss, mse
from dlgradient.nn.losses.similarity import contrastiveloss, cosineloss, tripletloss

Z = np.array([[0.2, -1.0, 0.7], [1.5, 0.3, -0.4]])
T = np.array([[0.1, 0.2, 0.7], [1.0, 0.0, 0.0]])
W = np.array([0.5, 1.0, 2.0])

# torch 2.13 in float64: the loss of logits Z, its gradient g, and the gradient of Σ g².
TORCH = {
    "crossentropy": (
        lambda z: crossentropy(z, T, W, from_logits=True),
        0.755488006116,
        [
            [0.254669029456, -0.015765307077, -0.23890372238],
            [-0.07767686445, 0.051902731006, 0.025774133444],
        ],
        [
            [0.169743515281, 0.005565857725, -0.175309373006],
            [-0.012947525964, 0.009551349895, 0.003396176069],
        ],
    ),
    "indexcrossentropy": (
        lambda z: indexcrossentropy(z, np.array([2, 0]), W, from_logits=True),
        0.674798897113,
        [
            [0.338992762977, 0.102102658089, -0.441095421066],
            [-0.07767686445, 0.051902731006, 0.025774133444],
        ],
        [
            [0.311996713215, 0.045597385388, -0.357594098602],
            [-0.012947525964, 0.009551349895, 0.003396176069],
        ],
    ),
    "multilabel": (
        lambda z: crossentropy(z, T, classification_mode="multilabel", from_logits=True),
        1.736685190318,
        [
            [0.224916998656, 0.034470710685, -0.015906113916],
            [-0.091212761903, 0.287221258406, 0.200656169944],
        ],
        [
            [0.055670684652, 0.006777353068, -0.003526590219],
            [-0.013604059821, 0.070213623912, 0.048209801028],
        ],
    ),
    "huber": (
        lambda z: huber(z, T, transition_point=0.6),
        0.3975,
        [[0.05, -0.3, 0.0], [0.25, 0.15, -0.2]],
        [[0.05, 0.0, 0.0], [0.25, 0.15, -0.2]],
    ),
    "kldivergence": (
        lambda z: kldivergence(softmax(z), T),
        0.271023737985,
        [
            [0.119496381489, -0.048948670956, -0.070547710533],
            [-0.155353728901, 0.103805462012, 0.051548266889],
        ],
        [
            [0.041836859922, -0.004597667543, -0.037239192378],
            [-0.051790103854, 0.03820539958, 0.013584704275],
        ],
    ),
    "cosineloss": (
        lambda z: cosineloss(z, T),
        0.355132940795,
        [
            [-0.032717293541, -0.221470910121, -0.307039216304],
            [-0.031622776602, 0.056920997883, -0.075894663844],
        ],
        [[-0.045042749067, 0.139380977626, -0.200566005587], [-0.024, 0.0192, -0.0256]],
    ),
    "tripletloss": (
        lambda z: tripletloss(z, T, 2 * T[::-1]),
        0.014651570393,
        [[0.455343180811, -0.268372634187, -0.160930171455], [0, 0, 0]],
        [[0.263889032964, 0.217692285713, -0.104825330836], [0, 0, 0]],
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_values_and_two_derivatives(name):
    fun, value, first, second = TORCH[name]

    def run(z):
        loss = fun(z)
        g = dl.dlgradient(loss, z, enable_higher_derivatives=True)
        return loss, g, dl.dlgradient((g * g).sum(), z)

    loss, g, h = dl.dlfeval(run, dl.dlarray(Z, "BC"))
    assert dl.dims(loss) == ""
    assert_allclose(loss.item(), value, rtol=1e-9)
    assert_allclose(np.asarray(g), first, atol=2e-12)
    assert_allclose(np.asarray(h), second, atol=2e-12)


LOSSES = {
    "mse": mse,
    "l1loss": l1loss,
    "l2loss": l2loss,
    "huber": huber,
    "crossentropy": lambda y, t, **kw: crossentropy(y, t, from_logits=True, **kw),
    "multilabel": lambda y, t, **kw: crossentropy(
        y, t, from_logits=True, classification_mode="multilabel", **kw
    ),
    "probabilities": lambda y, t, **kw: crossentropy(y * y + 0.1, t, **kw),
    "focal": lambda y, t, **kw: focalcrossentropy(special_sigmoid(y), t, **kw),
    "kldivergence": lambda y, t, **kw: kldivergence(special_sigmoid(y), t, **kw),
    "cosineloss": cosineloss,
}


def special_sigmoid(y):
    return 1 / (1 + dl.exp(-y))


@pytest.mark.parametrize("name", LOSSES)
def test_any_order_of_dimensions(rng, name):
    fun = LOSSES[name]
    y, t = rng.normal(size=(2, 3, 4)), rng.uniform(size=(2, 3, 4))
    expected = fun(dl.dlarray(y, "BCT"), t).item()
    sums = y.size, 1 + abs(expected)
    for order, fmt in [((1, 0, 2), "CBT"), ((2, 0, 1), "TBC")]:
        turned = dl.dlarray(np.transpose(y, order), fmt)
        assert_close(fun(turned, dl.dlarray(t, "BCT")), expected, *sums)
        plain = fun(np.transpose(y, order), np.transpose(t, order), data_format=fmt)
        assert_close(plain, expected, *sums)
    single = fun(dl.dlarray(y.astype(np.float32), "BCT"), t.astype(np.float32))
    assert single.dtype == np.float32
    assert_close(single, expected, *sums)


@pytest.mark.parametrize("name", LOSSES)
def test_targets_are_never_broadcast(name):
    fun = LOSSES[name]
    y = dl.dlarray(Z, "BC")
    for t in (T[:1], T[0], T[:, :1], 0.5, T.T):
        with pytest.raises(ShapeMismatchError, match=r"shape \(2, 3\) and format 'BC', targets"):
            fun(y, t)
    with pytest.raises(FormatClashError, match=r"'BC', targets shape .* and format 'BT'"):
        fun(y, dl.dlarray(T, "BT"))
    with pytest.raises(FormatClashError, match=r"'BC', targets shape .* and format 'C'"):
        fun(y, dl.dlarray(T[0], "C"))


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_batch(name):
    y = dl.dlarray(np.zeros((0, 3)), "BC")

    def run(y):
        loss = LOSSES[name](y, np.zeros((0, 3)))
        return loss, dl.dlgradient(loss, y)

    loss, g = dl.dlfeval(run, y)
    assert loss.item() == 0.0
    assert g.shape == (0, 3)


def test_regression_by_hand():
    y, t = dl.dlarray(Z, "BC"), T
    d = Z - T
    assert_allclose(mse(y, t).item(), (d**2).sum() / 4)
    assert_allclose(l2loss(y, t).item(), (d**2).sum() / 2)
    assert_allclose(l1loss(y, t, normalization_factor="all-elements").item(), abs(d).mean())
    assert_allclose(l1loss(y, t, normalization_factor="none").item(), abs(d).sum())
    mask = np.array([[True], [False]])
    kept = l1loss(y, t, mask=mask, normalization_factor="mask-included")
    assert_allclose(kept.item(), abs(d[0]).mean())
    weights = dl.dlarray(W, "C")
    assert_allclose(l2loss(y, t, weights).item(), (d**2 * W).sum() / 2)
    loss = l1loss(y, t, reduction="none")
    assert dl.dims(loss) == "BC"
    assert_allclose(np.asarray(loss), abs(d))
    assert dl.dims(l1loss(Z, t, reduction="none", data_format="BC")) == ""


def by_index(y, _t, **kw):
    return indexcrossentropy(y, np.array([0, 1]), from_logits=True, **kw)


def test_what_is_masked_has_no_gradient():
    y = dl.dlarray(np.array([[0.5, np.nan], [0.5, np.nan]]), "CB")
    t = np.array([[1.0, np.nan], [0.0, np.nan]])
    by_label, whole = dl.dlarray([True, False], "B"), np.array([[True, False], [True, False]])
    losses = (l1loss, huber, crossentropy, LOSSES["crossentropy"], LOSSES["multilabel"])
    cases = [(fun, mask) for fun in losses for mask in (by_label, whole)]
    for fun, mask in [*cases, (by_index, by_label)]:

        def run(y, fun=fun, mask=mask):
            loss = fun(y, t, mask=mask)
            return loss, dl.dlgradient(loss, y)

        loss, g = dl.dlfeval(run, y)
        assert np.isfinite(loss.item())
        assert np.isfinite(np.asarray(g)).all()
        assert not np.asarray(g)[:, 1].any()


def test_probabilities_of_zero():
    def run(y):
        loss = crossentropy(y, np.array([[1.0, 0.0], [0.0, 1.0]]))
        return loss, dl.dlgradient(loss, y)

    loss, g = dl.dlfeval(run, dl.dlarray([[1.0, 0.0], [0.0, 1.0]], "CB"))
    assert loss.item() == 0.0
    assert np.asarray(g).tolist() == [[-0.5, 0.0], [0.0, -0.5]]
    wrong = crossentropy(dl.dlarray([1.0, 0.0], "C"), np.array([0.0, 1.0]))
    assert 700 < wrong.item() < 710


def test_logits_of_minus_infinity():
    def run(z):
        loss = crossentropy(z, np.array([0.3, 0.7, 0.0]), from_logits=True)
        return loss, dl.dlgradient(loss, z)

    loss, g = dl.dlfeval(run, dl.dlarray([1.0, 2.0, -np.inf], "C"))
    p = special.softmax([1.0, 2.0])
    assert_allclose(loss.item(), -(0.3 * np.log(p[0]) + 0.7 * np.log(p[1])))
    assert_allclose(np.asarray(g), [p[0] - 0.3, p[1] - 0.7, 0])


def test_indices_are_one_hot_vectors(rng):
    y = special.softmax(rng.normal(size=(3, 2, 4)), axis=0)
    indices = np.array([[0, 2, 1, 1], [2, 2, 0, 1]])
    hot = np.moveaxis(np.eye(3)[indices], -1, 0)
    for weights in (None, W):
        expected = crossentropy(dl.dlarray(y, "CBT"), hot, weights).item()
        for t in (indices, indices[None], dl.dlarray(indices.T, "TB"), dl.dlarray(indices, "BT")):
            found = indexcrossentropy(dl.dlarray(y, "CBT"), t, weights).item()
            assert_allclose(found, expected, rtol=1e-12)
    values = indexcrossentropy(dl.dlarray(y, "CBT"), indices, reduction="none")
    assert dl.dims(values) == "BT"
    with pytest.raises(IndexingError, match="target is -1, but there are 3 classes"):
        indexcrossentropy(y, indices - 1, data_format="CBT")
    masked = indexcrossentropy(y, indices - 1, data_format="CBT", mask_index=-1)
    assert np.isfinite(masked.item())
    with pytest.raises(FormatClashError, match=r"'CBT', targets shape .* and format 'B'"):
        indexcrossentropy(dl.dlarray(y, "CBT"), dl.dlarray([0, 1], "B"))


def test_dice_by_hand(rng):
    y, t = rng.uniform(size=(2, 3, 4, 4)), (rng.uniform(size=(2, 3, 4, 4)) > 0.5) * 1.0
    t[0, 1] = 0
    found = generalizeddice(dl.dlarray(y, "BCSS"), t)
    assert dl.dims(found) == "B"
    for b in range(2):
        both = either = 0.0
        for k in range(3):
            size = t[b, k].sum()
            if size:
                both += (y[b, k] * t[b, k]).sum() / size**2
                either += (y[b, k] ** 2 + t[b, k] ** 2).sum() / size**2
        assert_allclose(np.asarray(found)[b], 2 * both / either)
    same = generalizeddice(dl.dlarray(t, "BCSS"), t)
    assert_allclose(np.asarray(same), 1.0)
    assert generalizeddice(np.zeros((2, 3)), np.zeros((2, 3)), data_format="CS").item() == 0.0


def test_dice_of_an_absent_class(rng):
    y, t = rng.uniform(size=(3, 5)), np.zeros((3, 5))
    t[0, :2] = t[1, 2:] = 1  # of the sizes 2 and 3; the third class is absent
    for word, third in (("excluded", 0.0), ("largest-weight", 1 / 4)):
        weights = np.array([1 / 4, 1 / 9, third])
        found = generalizeddice(y, t, data_format="CS", absent_classes=word)
        both, either = (y * t).sum(1) @ weights, (y**2 + t**2).sum(1) @ weights
        assert_allclose(found.item(), 2 * both / either)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("mode", ["single-label", "multilabel"])
def test_traced_options_of_the_focal_loss(rng, mode, from_logits):
    y, t = rng.uniform(0.1, 0.9, (3, 2)), np.eye(3, 2)

    def total(gamma, alpha):
        options = {"classification_mode": mode, "from_logits": from_logits, "data_format": "CB"}
        return focalcrossentropy(y, t, gamma=gamma, alpha=alpha, **options)

    def gradient(*options):
        return dl.dlgradient(total(*options), *options)

    found = dl.dlfeval(gradient, dl.dlarray(1.5), dl.dlarray(0.3))
    for g, (a, b) in zip(found, ((1e-5, 0), (0, 1e-5)), strict=True):
        ahead, behind = total(1.5 + a, 0.3 + b).item(), total(1.5 - a, 0.3 - b).item()
        assert_allclose(g.item(), (ahead - behind) / 2e-5, rtol=1e-7)
    with pytest.raises(dl.InvalidArgumentError, match=r"gamma is a dlarray.*at least 0"):
        total(dl.dlarray(-1.0), 0.5)


def test_the_focal_loss_is_divided_by_the_number_of_targets(rng):
    y = rng.uniform(0.1, 0.9, (6, 5, 3, 2))
    t = np.eye(3)[rng.integers(0, 3, (6, 5, 2))].transpose(0, 1, 3, 2)
    t[0, 0] = 0  # two positions without a target
    formula = -0.25 * (1 - y) ** 2 * t * np.log(y)
    found = focalcrossentropy(y, t, data_format="SSCB")
    assert_allclose(found.item(), formula.sum() / 58)
    mask = rng.uniform(size=(6, 5, 1, 2)) > 0.5
    found = focalcrossentropy(y, t, data_format="SSCB", mask=mask)
    assert_allclose(found.item(), (formula * mask).sum() / (t * mask).sum())
    none = focalcrossentropy(y, 0 * t, data_format="SSCB")
    assert none.item() == 0.0
    for factor, n in (("batch-size", 2), ("all-elements", 180), ("none", 1)):
        found = focalcrossentropy(y, t, data_format="SSCB", normalization_factor=factor)
        assert_allclose(found.item(), formula.sum() / n)


def test_contrastive_loss_by_hand():
    y = dl.dlarray(Z, "BC")
    d = np.linalg.norm(Z - T, axis=1)
    found = contrastiveloss(y, T, dl.dlarray([1.0, 0.0], "B"), margin=2.0)
    assert_allclose(found.item(), (d[0] ** 2 + max(2 - d[1], 0) ** 2) / 4)

    def run(y):
        return dl.dlgradient(contrastiveloss(y, Z, np.array([False, True])), y)

    assert not np.asarray(dl.dlfeval(run, y)).any()  # a kink: equal embeddings


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 1.5, 2])
def test_focal_loss_where_a_probability_is_one(gamma):
    def slopes(y):
        value = dl.focalcrossentropy(y, [[1.0, 0.0]], gamma=gamma, alpha=1.0)
        first = dl.dlgradient(value, y, enable_higher_derivatives=True)
        return first, dl.dlgradient(first.sum(), y)

    # -(1 - y)^γ log(y) is (1 - y)^(γ + 1) and more, where y is one.
    first, second = dl.dlfeval(slopes, dl.dlarray([[1.0, 0.0]], "BC"))
    assert_allclose(np.asarray(first), [[-1.0 if gamma == 0 else 0.0, 0.0]])
    if gamma >= 1:
        assert_allclose(np.asarray(second), [[2.0 if gamma == 1 else 0.0, 0.0]])


def test_focal_loss_needs_an_exponent_that_is_not_negative():
    with pytest.raises(dl.InvalidArgumentError, match=r"focalcrossentropy: gamma.*at least 0.*-1"):
        dl.focalcrossentropy(dl.dlarray([[1.0, 0.0]], "BC"), [[1.0, 0.0]], gamma=-1)


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e25), (np.float64, 1e-200)])
def test_cosine_of_vectors_whose_squares_leave_the_range(dtype, size):
    def slope(y):
        value = dl.cosineloss(y, [[0.0, 1.0]])
        return value, dl.dlgradient(value, y)

    value, first = dl.dlfeval(slope, dl.dlarray(np.array([[size, size]], dtype), "BC"))
    assert_allclose(value.item(), 1 - np.sqrt(0.5), rtol=1e-6)
    assert_allclose(np.asarray(first) * size, [[8**-0.5, -(8**-0.5)]], rtol=1e-5)


def test_a_distance_of_zero_has_no_gradient():
    def slope(y):
        return dl.dlgradient(dl.tripletloss(y, [[1.0, 2.0]], [[1.5, 2.0]]), y)

    first = dl.dlfeval(slope, dl.dlarray([[1.0, 2.0]], "BC"))
    assert_allclose(np.asarray(first), [[1.0, 0.0]])


@pytest.mark.parametrize("loss", [crossentropy, l1loss, mse, huber, kldivergence, cosineloss])
def test_integer_targets_leave_single_precision(loss):
    y, targets = np.full((2, 3), 0.5, np.float32), np.eye(2, 3, dtype=int)
    value = loss(dl.dlarray(y, "BC"), targets)
    assert value.dtype == np.float32
    assert_allclose(value.item(), loss(dl.dlarray(y, "BC"), targets.astype(np.float32)).item())


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_squares_of_complex_predictions_by_hand(rng, reduction):
    y, t = rng.normal(size=(2, 4, 3)) + 1j * rng.normal(size=(2, 4, 3))
    options = {"reduction": reduction, "normalization_factor": "none", "data_format": "CB"}

    def run(y):
        loss = l2loss(y, t, **options)
        return loss, dl.dlgradient(loss.sum(), y)

    value, gradient = dl.dlfeval(run, dl.dlarray(y))
    squares = np.abs(y - t) ** 2
    assert_close(value, squares.sum() if reduction == "sum" else squares)
    assert_close(gradient, 2 * (y - t))


def test_targets_in_an_order_that_is_not_its_own_inverse(rng):
    y, t = rng.normal(size=(2, 4, 3, 2))
    turned = dl.dlarray(t.transpose(1, 2, 0), "BTC")
    assert_close(l1loss(dl.dlarray(y, "CBT"), turned), l1loss(y, t, data_format="CBT"))
