"""Norms of gradients whose squares overflow or vanish."""

import numpy as np
import pytest

import dlgradient as dl


@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1.0, 1e20, 1e37])
@pytest.mark.parametrize("kind", ["arrays", "dlarrays", "table"])
def test_norms_of_any_size(kind, scale):
    w, b = (np.float32(scale) * np.float32(x) for x in ([3.0, 4.0], [12.0]))
    if kind == "table":
        net = dl.dlnetwork(
            [dl.layers.FeatureInput(2), dl.layers.FullyConnected(1, weights=[w], bias=b)]
        )
        gradients = net.learnables
        weights, bias = gradients
    else:
        gradients = {"weights": w, "bias": b}
        weights, bias = gradients
        if kind == "dlarrays":
            gradients = {name: dl.dlarray(g) for name, g in gradients.items()}
    limit = scale / 2
    each, all_ = dl.clip_by_norm(gradients, limit), dl.clip_by_global_norm(gradients, limit)
    for found, norms in ((each, (5, 12)), (all_, (13, 13))):
        for name, g, norm in ((weights, [3.0, 4.0], norms[0]), (bias, [12.0], norms[1])):
            wanted = np.multiply(g, limit) / norm
            np.testing.assert_allclose(np.asarray(found[name]).ravel(), wanted, rtol=1e-6)


def test_norms_of_large_double_precision():
    g = [dl.dlarray([3e154, 4e200]), dl.dlarray([1e160])]
    first, second = dl.clip_by_global_norm(g, 1.0)
    np.testing.assert_allclose(np.asarray(first), [0.75e-46, 1.0], rtol=1e-12)
    np.testing.assert_allclose(np.asarray(second), [0.25e-40], rtol=1e-12)
