"""Layers of positions and tokens: their values, in every order of dimensions."""

from itertools import permutations

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

ORDERS = ["".join(p) for p in permutations("TCB")]


def turned(x, fmt):
    """An array of the order TCB in another one."""
    return dl.dlarray(np.transpose(x, ["TCB".index(c) for c in fmt]), fmt)


def straight(y):
    fmt = dl.dims(y)
    return np.transpose(np.asarray(y), [fmt.index(c) for c in "TCB"])


@pytest.mark.parametrize("fmt", ORDERS)
def test_vectors_of_positions(fmt, rng):
    x = rng.normal(size=(4, 2, 3))
    learned = dl.dlnetwork([layers.PositionEmbedding(5, 9, name="p")], turned(x, fmt), generator=0)
    table = np.asarray(learned.learnables["p/weights"])
    y = straight(learned.predict(turned(x, fmt)))
    assert y.shape == (4, 5, 3)
    assert all(np.array_equal(y[:, :, i], table[:4]) for i in range(3))
    fixed = layers.SinusoidalPositionEncoding(6).predict(turned(x, fmt))
    want = dl.sinusoidalencoding(np.arange(4.0), 6)
    assert all(np.array_equal(straight(fixed)[:, :, i], want) for i in range(3))


@pytest.mark.parametrize("fmt", ORDERS)
def test_data_as_positions(fmt, rng):
    x = rng.uniform(0, 9, size=(4, 1, 3))
    y = layers.SinusoidalPositionEncoding(6, positions="data-values").predict(turned(x, fmt))
    for t in range(4):
        for b in range(3):
            want = dl.sinusoidalencoding(x[t, 0, b], 6)
            np.testing.assert_allclose(straight(y)[t, :, b], want, rtol=1e-12)


@pytest.mark.parametrize("fmt", ORDERS)
def test_a_token_before_the_first_step(fmt, rng):
    x = rng.normal(size=(4, 2, 3))
    layer = layers.EmbeddingConcatenation(weights=[7.0, 8.0], name="token")
    y = straight(dl.dlnetwork([layer], turned(x, fmt)).predict(turned(x, fmt)))
    assert np.array_equal(y[1:], x)
    assert np.array_equal(y[0], np.tile([[7.0], [8.0]], 3))


@pytest.mark.parametrize("index", ["first", "last", 2, -1, 0])
def test_one_step(index, rng):
    x = rng.normal(size=(4, 2, 3))
    want = x[{"first": 0, "last": -1}.get(index, index)]
    y = layers.Indexing1d(index).predict(dl.dlarray(x, "TCB"))
    assert (np.array_equal(y, want), dl.dims(y)) == (True, "CB")


@pytest.mark.parametrize("mode", ["row-major", "column-major"])
@pytest.mark.parametrize("fmt", ["SSCB", "BSSC", "BCSS"])
def test_patches(mode, fmt, rng):
    image = rng.normal(size=(4, 6, 3, 2))  # SSCB
    axes = {"SSCB": (0, 1, 2, 3), "BSSC": (3, 0, 1, 2), "BCSS": (3, 2, 0, 1)}[fmt]
    x = dl.dlarray(np.transpose(image, axes), fmt)
    layer = layers.PatchEmbedding((2, 3), 5, spatial_flatten_mode=mode, name="patch")
    net = dl.dlupdate(np.float64, dl.dlnetwork([layer], x, generator=0))
    y = net.predict(x)
    w = np.asarray(net.learnables["patch/weights"]).reshape(-1, 5)
    patches = [image[i : i + 2, j : j + 3].reshape(-1, 2) for i in (0, 2) for j in (0, 3)]
    if mode == "column-major":
        patches = [patches[i] for i in (0, 2, 1, 3)]
    want = np.stack([w.T @ p for p in patches])  # S, C, B
    found = np.transpose(np.asarray(y), [dl.dims(y).index(c) for c in "SCB"])
    assert dl.dims(y) == fmt.replace("SS", "S")
    np.testing.assert_allclose(found, want, rtol=1e-12)


WRONG = {
    "has 4 positions; max_position is 3": lambda: layers.PositionEmbedding(2, 3),
    "must have a time 'T', or one dimension 'S'": lambda: layers.EmbeddingConcatenation(),
    "there is no step 4": lambda: layers.Indexing1d(4),
    "needs one channel": lambda: layers.SinusoidalPositionEncoding(2, positions="data-values"),
    "patches of .3,. do not divide it": lambda: layers.PatchEmbedding(3, 2),
    "output_size must be even, not 3": lambda: layers.SinusoidalPositionEncoding(3),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls(text):
    fmt = "CB" if "must have a time" in text else "SCB" if "patches" in text else "TCB"
    x = dl.dlarray(np.ones((4, 2, 3)[: len(fmt)]), fmt)
    with pytest.raises(dl.DlgradientError, match=text):
        dl.dlnetwork([WRONG[text]()], x)
