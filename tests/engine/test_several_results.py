"""Operations with several results: each is differentiated, alone or together, at every order."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import rules
from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.samples import case


def _vjp(g, x, out):
    sine, cosine = out
    total = 0 * x
    if g[0] is not None:
        total = total + g[0] * cosine
    if g[1] is not None:
        total = total - g[1] * sine
    return (total,)


def _formats(formats, _shapes, _params):
    return formats[0], formats[0]


@pytest.fixture
def sincos():
    @rules.general(
        vjp=_vjp,
        outputs=2,
        format=_formats,
        samples=lambda m: [case(m.real(3))],
    )
    def sincos(x, /):
        """Sine and cosine."""
        return np.sin(x), np.cos(x)

    yield sincos
    del rules.OPS["sincos"], FUNCTIONS["sincos"]


X = np.array([0.3, -1.2, 2.0])


def test_values_and_formats(sincos):
    s, c = sincos(dl.dlarray(X, "C"))
    np.testing.assert_array_equal(np.asarray(s), np.sin(X))
    np.testing.assert_array_equal(np.asarray(c), np.cos(X))
    assert dl.dims(s) == dl.dims(c) == "C"
    np.testing.assert_array_equal(sincos(X)[1], np.cos(X))


def test_gradients_of_one_result_and_of_both(sincos):
    def fun(x):
        s, c = sincos(x)
        return (
            dl.dlgradient(s.sum(), x, retain_data=True),
            dl.dlgradient((s * c).sum(), x),
            dl.dlgradient((s * c).sum(), x),  # recomputed
            dl.dlgradient(c.sum(), c),
        )

    only, both, again, itself = map(np.asarray, dl.dlfeval(fun, dl.dlarray(X)))
    np.testing.assert_allclose(only, np.cos(X))
    np.testing.assert_allclose(both, np.cos(2 * X))
    np.testing.assert_allclose(again, both)
    assert itself.tolist() == [1.0, 1.0, 1.0]


def test_second_derivatives_and_forward_mode(sincos):
    def fun(x):
        s, c = sincos(x)
        g = dl.dlgradient((s * c).sum(), x, enable_higher_derivatives=True)
        t = dl.dljvp(s * c, x, np.ones(3), enable_higher_derivatives=True)
        return dl.dlgradient(g.sum(), x), t, dl.dlgradient(t.sum(), x)

    h, t, th = map(np.asarray, dl.dlfeval(fun, dl.dlarray(X)))
    np.testing.assert_allclose(h, -2 * np.sin(2 * X))
    np.testing.assert_allclose(t, np.cos(2 * X))
    np.testing.assert_allclose(th, h)


def test_several_results_need_a_joint_rule():
    with pytest.raises(dl.RuleError, match=r"general\(vjp"):

        @rules.general(x=lambda g: g, outputs=2, samples=lambda _m: [])
        def halves(x, /):
            """Two halves."""
