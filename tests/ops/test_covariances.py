"""Weighted means and covariances: narrow weights, and few observations."""

import numpy as np

import dlgradient as dl


def test_weights_are_summed_in_the_precision_of_the_result() -> None:
    weights = np.full(10, 0.1, np.float32)
    assert dl.average(dl.dlarray(np.ones(10)), weights).item() == 1
    assert dl.average(dl.dlarray(np.ones((10, 2))), weights, axis=0).tolist() == [1, 1]


def test_a_covariance_of_too_few_observations_is_nan_as_the_variance() -> None:
    x = dl.dlarray([1.0, 2.0])
    with np.errstate(all="raise"):
        for correction in (2, 3):
            assert np.isnan(dl.var(x, correction=correction).item())
            assert np.isnan(dl.cov(x, correction=correction).item())
            assert np.isnan(dl.cov(x, correction=correction, aweights=[1.0, 1.0]).item())
        assert np.isnan(dl.extractdata(dl.corrcoef(dl.dlarray([[1.0], [2.0]])))).all()


def test_columns_of_one_row_are_variables() -> None:
    x = dl.dlarray([[1.0, 2.0, 4.0]])
    assert dl.cov(x, rowvar=False, correction=0).tolist() == np.zeros((3, 3)).tolist()
