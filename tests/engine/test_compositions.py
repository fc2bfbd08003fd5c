"""Second derivatives of compositions that are smooth at the kink of a part."""

import numpy as np
import pytest

import dlgradient as dl


def product_with_hessian(fun, x, t):
    """Hessian-vector product in the direction `t`."""

    def product(x):
        g = dl.dlgradient(fun(x), x, enable_higher_derivatives=True)
        return dl.dlgradient(dl.real(dl.sum(dl.conj(g) * t)), x)

    return np.asarray(dl.dlfeval(product, dl.dlarray(x)))


@pytest.mark.parametrize(
    ("fun", "x", "expected"),
    [
        # Hessians times (1, 2, ...) at zeros, by hand.
        (lambda x: (dl.abs(x) ** 2).sum(), [0j, 1 + 1j], [2, 4]),
        (lambda x: dl.square(dl.abs(x)).sum(), [0j, 0j], [2, 4]),
        (lambda x: dl.sum((r := dl.abs(x)) * r), [0j, 0j], [2, 4]),
        (lambda x: dl.abs2(x).sum(), [0j, 2.0], [2, 4]),
        (lambda x: (dl.abs(x) ** 2.0).sum(), [0.0, 0.0, 3.0], [2, 4, 6]),
        (lambda x: (dl.hypot(x, 0.0) ** 2).sum(), [0.0, 1.0], [2, 4]),
        (lambda x: dl.hypot(x[0], x[1]) ** 2, [0.0, 0.0], [2, 4]),
        (lambda x: dl.std(x) ** 2, [0.1, 0.1, 0.1, 0.1], [-0.75, -0.25, 0.25, 0.75]),
        (lambda x: dl.cos(dl.abs(x)).sum(), [0.0, 0.0], [-1, -2]),
        (lambda x: dl.cosh(dl.abs(x)).sum(), [0.0, 0.0], [1, 2]),
        (lambda x: (dl.abs(x) ** 3).sum(), [0.0, 1.0], [0, 12]),
    ],
)
def test_second_derivative_of_smooth_compositions(fun, x, expected):
    t = np.arange(1.0, len(x) + 1)
    np.testing.assert_allclose(product_with_hessian(fun, np.array(x), t), expected, atol=1e-12)


def test_modulus_is_a_variable_itself():
    def both(z):
        r = dl.abs(z)
        g = dl.dlgradient((r**2).sum(), r, enable_higher_derivatives=True)
        return dl.dlgradient(g.sum(), r)

    assert dl.dlfeval(both, dl.dlarray([0j, 1j])).tolist() == [2.0, 2.0]


def test_power_of_a_spectrogram_with_a_silent_frame(rng):
    t = rng.standard_normal(32)

    def power(x):
        return (
            dl.abs(dl.dlstft(x, window=np.ones(8), overlap_length=0, data_format="T")) ** 2
        ).sum()

    # Parseval: each frame's power is a quadratic form, whatever the signal.
    silent = np.concatenate([np.zeros(16), rng.standard_normal(16)])
    loud = rng.standard_normal(32)
    np.testing.assert_allclose(
        product_with_hessian(power, silent, t), product_with_hessian(power, loud, t), rtol=1e-12
    )
