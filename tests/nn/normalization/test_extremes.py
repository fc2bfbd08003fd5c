"""Normalisations of values whose squares overflow or underflow, against mpmath."""

import mpmath
import numpy as np
import pytest

import dlgradient as dl

# Of the format BCS; an axis of one of these averages.
SHAPE = (2, 4, 3)
SIZES = {
    np.float32: [1e-36, 1e-30, 1e-17, 1e-13, 1e13, 1e17, 1e30, 1e38],
    np.float64: [1e-305, 1e-200, 1e-100, 1e100, 1e200, 1e307],
}


def standard(axes, epsilon, *, centered=True):
    """Return the formula of a normalisation, of an array of mpmath's numbers."""

    def formula(x):
        mu = x.mean(axes, keepdims=True) if centered else 0
        variance = ((x - mu) ** 2).mean(axes, keepdims=True)
        return (x - mu) / np.vectorize(mpmath.sqrt, [object])(variance + mpmath.mpf(epsilon))

    return formula


def grouped(x):
    y = standard((2, 3), 0)(x.reshape(2, 2, 2, 3))
    return y.reshape(SHAPE)


def adjacent(x):
    y = np.empty(SHAPE, object)
    for i in range(4):
        squares = (x[:, max(i - 1, 0) : i + 2] ** 2).sum(1)
        y[:, i] = x[:, i] * np.vectorize(lambda s: (2 + 0.1 * s / 3) ** mpmath.mpf(-0.75))(squares)
    return y


def deviation(x):
    variance = ((x - x.mean((1, 2), keepdims=True)) ** 2).mean((1, 2))
    return np.vectorize(mpmath.sqrt, [object])(variance)


ALL = {"operation_dimension": "batch-excluded"}
NORMS = {
    "batch": (lambda x: dl.batchnorm(x, 0.0, 1.0, epsilon=0.0)[0], standard((0, 2), 0)),
    "layer": (lambda x: dl.layernorm(x, 0.0, 1.0, epsilon=1e-30, **ALL), standard((1, 2), 1e-30)),
    "layer, usual epsilon": (lambda x: dl.layernorm(x, 0.0, 1.0, **ALL), standard((1, 2), 1e-5)),
    "layer, scale of elements": (
        lambda x: dl.layernorm(x, 0.0, dl.dlarray(np.ones((4, 3), x.dtype), "CS"), **ALL),
        standard((1, 2), 1e-5),
    ),
    "group": (lambda x: dl.groupnorm(x, 2, 0.0, 1.0, epsilon=0.0), grouped),
    "instance": (lambda x: dl.instancenorm(x, 0.0, 1.0, epsilon=0.0), standard((2,), 0)),
    "rms": (
        lambda x: dl.rmsnorm(x, 1.0, epsilon=0.0, **ALL),
        standard((1, 2), 0, centered=False),
    ),
    "adjacent channels": (lambda x: dl.crosschannelnorm(x, 3, alpha=0.1), adjacent),
    "std": (lambda x: dl.std(dl.stripdims(x), (1, 2)), deviation),
}


def data(size, dtype, rng):
    """One observation of the given size, and one of the size one."""
    # No channel has nearly equal elements: their deviation would lose all digits.
    sizes = rng.permuted(np.broadcast_to([0.3, 0.9, 1.7], SHAPE), axis=-1)
    x = (sizes + rng.uniform(-0.1, 0.1, SHAPE)) * rng.choice([-1.0, 1.0], SHAPE)
    x[0] *= size
    return x.astype(dtype)


@pytest.mark.parametrize(
    ("name", "dtype", "size"),
    [
        (name, dtype, size)
        for name in NORMS
        for dtype, sizes in SIZES.items()
        for size in sizes
        # A mean alone overflows near the largest number, as NumPy's does.
        if name != "std" or size < np.finfo(dtype).max / 100
    ],
)
def test_values_and_gradients(name, dtype, size, rng):
    norm, formula = NORMS[name]
    x = data(size, dtype, rng)
    weights = rng.uniform(0.5, 1.0, SHAPE if name != "std" else (2,)).astype(dtype)

    def both(x):
        y = norm(x)
        loss = (dl.stripdims(y) * weights).sum()
        first = dl.dlgradient(loss, x, retain_data=True)
        return y, first, dl.dlgradient(loss, x, enable_higher_derivatives=True)

    y, *gradients = dl.dlfeval(both, dl.dlarray(x, "BCS"))
    assert y.dtype == dtype
    tolerance = 200 * np.finfo(dtype).eps
    with mpmath.workdps(60):
        exact = np.vectorize(mpmath.mpf, [object])(x.astype(object))
        expected = formula(exact)
        for found, value in zip(np.ravel(dl.extractdata(y)), expected.ravel(), strict=True):
            assert abs(found - value) <= tolerance * abs(expected).max() + np.finfo(dtype).tiny
        # Each direction is as large as the observation it changes.
        for b in (0, 0, 1, 1):
            along = np.zeros(SHAPE, object) + mpmath.mpf(0)
            along[b] = [[mpmath.mpf(float(v)) for v in row] for row in rng.normal(size=(4, 3))]
            along[b] *= abs(exact[b]).max()
            slope = mpmath.diff(lambda t, d=along: (formula(exact + t * d) * weights).sum(), 0)
            largest = sum(abs((formula(exact) * weights).ravel()))
            for g in gradients:
                total = mpmath.fsum(
                    mpmath.mpf(float(a)) * d
                    for a, d in zip(np.ravel(dl.extractdata(g)), along.ravel(), strict=True)
                )
                assert abs(total - slope) <= tolerance * largest
