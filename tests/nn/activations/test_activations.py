"""Activations: values far out, formats, masked softmax, published numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rounding import tolerance
from scipy import special

import dlgradient as dl
from dlgradient.errors import FormatClashError, FormatError
from dlgradient.nn.activations.complexrelu import complexrelu, zrelu
from dlgradient.nn.activations.gated import glu
from dlgradient.nn.activations.piecewise import (
    clippedrelu,
    elu,
    hardsigmoid,
    leakyrelu,
    prelu,
    relu,
)
from dlgradient.nn.activations.smooth import erf, gelu, mish, sigmoid, softplus, softsign, swish
from dlgradient.nn.activations.softmax import log_softmax, softmax
from dlgradient.testing import check_derivatives

ELEMENTWISE = {
    "relu": relu,
    "leakyrelu": leakyrelu,
    "clippedrelu": lambda x: clippedrelu(x, 6),
    "elu": elu,
    "hardsigmoid": hardsigmoid,
    "erf": erf,
    "gelu": gelu,
    "gelu tanh": lambda x: gelu(x, approximation="tanh"),
    "mish": mish,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "softsign": softsign,
    "swish": swish,
    "complexrelu": complexrelu,
    "zrelu": zrelu,
}
X = np.array([-3.0, -0.7, 0.4, 2.5])


def slopes(fun, x, order):
    def run(x):
        y = fun(x)
        for _ in range(order):
            y = dl.dlgradient(y.sum(), x, enable_higher_derivatives=True)
        return y

    return np.asarray(dl.dlfeval(run, dl.dlarray(x)))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_float32_scalars_and_formats(name):
    fun = ELEMENTWISE[name]
    x = dl.dlarray(X.astype(np.float32).reshape(2, 2), "CB")
    y = fun(x)
    assert y.dtype == np.float32
    assert dl.dims(y) == "CB"
    assert_allclose(np.asarray(y), np.asarray(fun(X.reshape(2, 2))), rtol=1e-5, atol=1e-7)
    assert fun(2.0) == fun(np.float64(2.0)) == np.asarray(fun(dl.dlarray(2.0)))
    assert fun(dl.dlarray(np.zeros((0, 3), np.float32), "BC")).shape == (0, 3)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_large_and_undefined_values(name):
    fun = ELEMENTWISE[name]
    with np.errstate(all="raise", under="ignore"):
        y = np.asarray(fun(np.array([-750.0, 750.0, np.nan])))
    assert np.isfinite(y[:2]).all()
    if name not in ("zrelu", "complexrelu"):
        assert np.isnan(y[2])
    g = slopes(fun, np.array([-750.0, 750.0]), 1)
    assert np.isfinite(g).all()


def test_tails_do_not_cancel():
    x = np.array([-20.0])
    assert_allclose(gelu(x), x * special.ndtr(x), rtol=1e-14)
    assert_allclose(sigmoid(x), special.expit(x), rtol=1e-14)
    assert_allclose(elu(x) + 1, np.exp(x), rtol=1e-6)
    assert_allclose(slopes(elu, x, 1), np.exp(x), rtol=1e-14)
    assert_allclose(softplus(x), np.exp(x), rtol=1e-8)


def test_gelu_in_single_precision():
    x = np.linspace(-12.5, 12.5, 140001).astype(np.float32)  # several pieces
    x[:6] = 0.0, -0.0, np.inf, np.nan, 1e30, -1e30
    wide = x.astype(np.float64)
    y, exact = np.asarray(gelu(x)), wide * special.ndtr(wide)
    assert y.dtype == np.float32
    # Rounding x² once turns exp(-x²/2) by x²/2 roundings, as rounding x itself would.
    some = np.isfinite(exact) & (exact != 0)
    error = np.abs(y[some] / exact[some] - 1) / np.finfo(np.float32).eps
    assert (error < 6 + np.clip(wide[some], -13, 13) ** 2).all()
    assert_array_equal(y[~some], exact[~some].astype(np.float32))
    slope, wide = slopes(gelu, x[4:], 1), wide[4:]
    density = np.exp(-(wide**2) / 2) / np.sqrt(2 * np.pi)
    assert slope.dtype == np.float32
    assert_allclose(slope, special.ndtr(wide) + wide * density, rtol=0, atol=4e-7)


def test_second_derivatives_by_hand():
    s = special.expit(X)
    assert_allclose(slopes(sigmoid, X, 2), s * (1 - s) * (1 - 2 * s), rtol=1e-12)
    assert_allclose(slopes(softplus, X, 2), s * (1 - s), rtol=1e-12)
    assert_allclose(slopes(softsign, X, 2), -2 * np.sign(X) / (1 + np.abs(X)) ** 3, rtol=1e-12)
    density = np.exp(-(X**2) / 2) / np.sqrt(2 * np.pi)
    assert_allclose(slopes(gelu, X, 2), density * (2 - X**2), rtol=1e-12)


# -- softmax -------------------------------------------------------------------------------------


def test_softmax_along_the_channels_in_any_order():
    x = np.linspace(-2, 3, 24).reshape(2, 3, 4) ** 2
    for fmt, axis in [("CBT", 0), ("BCT", 1), ("SSC", 2), ("STC", 2)]:
        y = softmax(dl.dlarray(x, fmt))
        assert dl.dims(y) == fmt
        assert_allclose(np.asarray(y), special.softmax(x, axis=axis), rtol=1e-13)
        z = log_softmax(x, data_format=fmt)
        assert dl.dims(z) == ""
        assert_allclose(np.asarray(z), special.log_softmax(x, axis=axis), rtol=1e-13)
    with pytest.raises(FormatClashError, match=r"'CBT'.*'BCT'"):
        softmax(dl.dlarray(x, "CBT"), data_format="BCT")
    with pytest.raises(FormatError, match="has no data format"):
        softmax(x)


def test_softmax_of_masked_lines():
    x = np.array([[0.0, -np.inf, 1.0], [-np.inf, -np.inf, -np.inf]])
    e = np.exp([0.0, 1.0])
    y = np.asarray(softmax(x, axis=1))
    assert_allclose(y, [[e[0] / e.sum(), 0, e[1] / e.sum()], [0, 0, 0]])
    g = slopes(lambda x: softmax(x, axis=1)[:, 0], x, 1)
    assert_allclose(g[1], 0)
    assert np.isfinite(g).all()
    h = slopes(lambda x: softmax(x, axis=1)[:, 0] ** 2, x, 2)
    assert np.isfinite(h).all()
    z = log_softmax(x, axis=1)
    assert_array_equal(np.asarray(z)[1], -np.inf)

    def loss(x):
        return -log_softmax(x, axis=1)[:, 0]

    assert_allclose(slopes(loss, x, 1), [[e[0] / e.sum() - 1, 0, e[1] / e.sum()], [0, 0, 0]])


def test_large_softmax_in_single_precision(rng):
    x = rng.normal(size=(300, 300)).astype(np.float32)
    y = np.asarray(softmax(x, axis=1))
    assert y.dtype == np.float32
    assert_allclose(y, special.softmax(x, axis=1), rtol=tolerance(np.float32, 300))


# -- with channels -------------------------------------------------------------------------------


def test_prelu_by_label():
    x = np.linspace(-2, 3, 12).reshape(2, 3, 2)
    alpha = np.array([0.1, 0.2, 0.3])
    for fmt in ("BCT", "TCB", "SCB"):
        y = prelu(dl.dlarray(x, fmt), dl.dlarray(alpha))
        assert_allclose(np.asarray(y), np.where(x > 0, x, x * alpha[:, None]))
        assert dl.dims(y) == fmt
    check_derivatives(lambda x, a: prelu(x, a, data_format="BCT"), x, alpha)


def test_glu():
    x = np.linspace(-2, 3, 12).reshape(3, 4)
    y = glu(dl.dlarray(x, "BC"))
    assert dl.dims(y) == "BC"
    assert_allclose(np.asarray(y), x[:, :2] * special.expit(x[:, 2:]))


@pytest.mark.parametrize("fmt", ["CB", "BC"])
@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2)])
def test_a_row_or_a_column_of_slopes_is_one_for_each_channel(fmt, shape):
    """Where there are as many observations as channels, the position would decide silently."""
    x = np.array([[-1.0, -2.0], [-3.0, 4.0]])
    slopes = np.array([0.5, 0.25])
    expected = np.where(x > 0, x, x * (slopes if fmt == "BC" else slopes[:, None]))
    y = dl.prelu(dl.dlarray(x, fmt), slopes.reshape(shape))
    assert_array_equal(dl.extractdata(y), expected)


def test_slopes_that_are_not_one_for_each_channel_need_all_dimensions():
    x = dl.dlarray(np.full((2, 3, 4), -1.0), "CBT")
    with pytest.raises(FormatError, match=r"alpha of shape \(2, 3\).*3 dimensions"):
        dl.prelu(x, np.ones((2, 3)))
    assert dl.prelu(x, np.full((2, 3, 1), 2.0)).sum().item() == -48
