"""Interpolation: what the samples of the operations do not show."""

import numpy as np
import pytest
from scipy import interpolate

import dlgradient as dl
from dlgradient.testing import check_derivatives

EVEN = np.linspace(-1.0, 3.0, 9)


def test_cubic_convolution_is_differentiated_by_values_and_queries(
    rng: np.random.Generator,
) -> None:
    def run(v: dl.dlarray, xq: dl.dlarray) -> dl.dlarray:
        return dl.interp1(EVEN, v, xq, "cubic")

    check_derivatives(run, rng.normal(size=9), rng.uniform(-0.9, 2.9, 6), order=2)


@pytest.mark.parametrize("method", ["cubic", "spline"])
def test_a_parabola_is_met(method: str, rng: np.random.Generator) -> None:
    # Convolution and splines are exact for parabolas.
    xq = rng.uniform(0.2, 1.8, 5)
    y = dl.interp1(EVEN, EVEN**2, xq, method)
    np.testing.assert_allclose(y, xq**2, rtol=1e-12)


def test_second_derivative_of_a_spline_is_that_of_scipy(rng: np.random.Generator) -> None:
    points, values = np.sort(rng.uniform(0, 5, 8)), rng.normal(size=8)
    xq = rng.uniform(points[0], points[-1], 10)

    def second(x: dl.dlarray) -> dl.dlarray:
        y = dl.interp1(points, values, x, "spline")
        first = dl.dlgradient(y.sum(), x, enable_higher_derivatives=True)
        return dl.dlgradient(first.sum(), x)

    found = dl.extractdata(dl.dlfeval(second, dl.dlarray(xq)))
    expected = interpolate.CubicSpline(points, values)(xq, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_labels_are_those_of_the_queries() -> None:
    x = dl.dlarray([[0.5, 1.5]], "CB")
    assert dl.dims(dl.interp1([0.0, 1.0, 2.0], [1.0, 2.0, 5.0], x, "pchip")) == "CB"
    assert dl.dims(dl.interp1([0.0, 1.0, 2.0], np.ones((3, 2)), x)) == ""


def test_large_tables_are_as_small_ones(rng: np.random.Generator) -> None:
    points = np.sort(rng.uniform(size=1000))
    xq = rng.uniform(-0.1, 1.1, 5000)
    values = np.sin(5 * points)
    np.testing.assert_allclose(
        dl.interp(xq, points, values), np.interp(xq, points, values), rtol=1e-13
    )


def test_an_infinite_query_has_the_value_of_the_end() -> None:
    def run(x: dl.dlarray, v: dl.dlarray) -> tuple[dl.dlarray, ...]:
        y = dl.interp(x, [0.0, 1.0, 2.0], v)
        return y, dl.dljvp(y, v, dl.dlarray([3.0, 5.0, 7.0])), *dl.dlgradient(y.sum(), [x, v])

    x, v = dl.dlarray([np.inf, -np.inf, 0.5]), dl.dlarray([1.0, 2.0, 4.0])
    with np.errstate(all="raise"):
        y, t, of_x, of_v = dl.dlfeval(run, x, v)
    assert y.tolist() == [4, 1, 1.5]
    assert of_x.tolist() == [0, 0, 1]
    assert of_v.tolist() == [1.5, 0.5, 1]
    assert t.tolist() == [7, 3, 4]
