"""Projected recurrent layers are recurrent layers with products of weights."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


@pytest.mark.parametrize("kind", ["Lstm", "Gru"])
def test_a_product_of_weights(kind, rng):
    net = dl.dlnetwork(
        [layers.SequenceInput(5), getattr(layers, f"{kind}Projected")(4, 3, 2, name="r")],
        generator=0,
    )
    p = {k: np.asarray(a, float) for k, a in net.learnables.items()}
    assert p["r/input_projector"].shape == (5, 2)
    assert p["r/recurrent_weights"].shape[1] == 3
    full = getattr(layers, kind)(
        4,
        weights=p["r/weights"] @ p["r/input_projector"].T,
        recurrent_weights=p["r/recurrent_weights"] @ p["r/output_projector"].T,
        bias=p["r/bias"],
    )
    x = rng.normal(size=(6, 5, 3))
    plain = dl.dlnetwork([layers.SequenceInput(5), full])
    np.testing.assert_allclose(net.predict(x), plain.predict(x), rtol=1e-4, atol=1e-5)
