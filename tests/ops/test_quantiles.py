"""Quantiles of values at the ends of the range."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl

INF = np.inf


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([-INF, 1.0], -INF),
        ([1.0, INF], INF),
        ([-INF, INF], np.nan),
        ([-INF, 3.0, INF], 3.0),
        ([INF, INF], INF),
        ([-1e308, 1.5e308], 0.25e308),
        ([1.5e308, 1.6e308], 1.55e308),
    ],
)
@pytest.mark.parametrize("median", [dl.median, dl.nanmedian])
def test_median_of_infinite_and_large_values(median: Any, x: list[float], expected: float) -> None:
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(median(dl.dlarray(x)), expected, rtol=1e-15)


# Methods that take one element, whatever its neighbours are.
@pytest.mark.parametrize("method", ["inverted_cdf", "closest_observation", "lower", "higher"])
@pytest.mark.parametrize("q", [0.0, 0.4, 0.5, 0.75, 1.0])
def test_an_element_next_to_infinity_is_itself(method: Any, q: float) -> None:
    for x in ([-INF, 1.0, 2.0], [1.0, 2.0, INF], [-INF, -INF, 1.0, INF]):
        ranks = np.quantile(np.arange(len(x)), q, method=method)
        with np.errstate(all="raise"):
            assert dl.quantile(dl.dlarray(x), q, method=method).item() == x[int(ranks)]


def test_derivatives_next_to_infinity_are_finite() -> None:
    def run(x: dl.dlarray) -> dl.dlarray:
        return dl.dlgradient(dl.quantile(x, 0.5) + dl.median(x), x)

    assert dl.dlfeval(run, dl.dlarray([-INF, 3.0, INF])).tolist() == [0.0, 2.0, 0.0]


def test_equal_elements_are_their_quantile(rng: np.random.Generator) -> None:
    q = rng.uniform(size=50)
    assert dl.extractdata(dl.quantile(dl.dlarray(np.full(7, 0.1)), q)).tolist() == [0.1] * 50
