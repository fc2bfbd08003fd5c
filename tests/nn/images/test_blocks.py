"""Blocks of images against plain loops."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import dlgradient as dl
from dlgradient.nn.images.blocks import depth_to_space, space_to_depth


@pytest.mark.parametrize("mode", ["dcr", "crd"])
def test_depth_to_space_by_a_loop(rng, mode):
    x = rng.normal(size=(2, 12, 2, 3))
    y = depth_to_space(dl.dlarray(x, "BCSS"), (2, 3), mode=mode)
    assert dl.dims(y) == "BCSS"
    assert y.shape == (2, 2, 4, 9)
    for c, i, j in np.ndindex(2, 4, 9):
        p, q = i % 2, j % 3
        k = (p * 3 + q) * 2 + c if mode == "dcr" else c * 6 + p * 3 + q
        assert_array_equal(np.asarray(y)[:, c, i, j], x[:, k, i // 2, j // 3])
    back = space_to_depth(y, (2, 3), mode=mode)
    assert_array_equal(np.asarray(back), x)


def test_the_example_of_onnx():
    """Of the standard's page of DepthToSpace, mode DCR."""
    x = np.arange(0, 72, 9.0)[None, :, None, None] + np.arange(6.0).reshape(2, 3)
    y = np.asarray(depth_to_space(x, 2, data_format="BCSS"))
    first = [[0, 18, 1, 19, 2, 20], [36, 54, 37, 55, 38, 56], [3, 21, 4, 22, 5, 23]]
    assert_array_equal(y[0, 0], [*first, [39, 57, 40, 58, 41, 59]])


@pytest.mark.parametrize("fmt", ["SSCB", "SCSB", "CBSS"])
@pytest.mark.parametrize("function", [depth_to_space, space_to_depth])
def test_any_order_of_dimensions(rng, function, fmt):
    x = rng.normal(size=(2, 4, 4, 2))
    base = np.asarray(function(dl.dlarray(x, "BCSS"), 2))
    numbered = [(c, "BCSS"[:i].count(c)) for i, c in enumerate("BCSS")]
    order = [numbered.index((c, fmt[:i].count(c))) for i, c in enumerate(fmt)]
    y = function(np.transpose(x, order), 2, data_format=fmt)
    assert dl.dims(y) == ""
    assert_array_equal(np.asarray(y), np.transpose(base, order))
