"""The package as a namespace of the array-API standard: code that knows only the standard."""

import sys
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.calls import FUNCTIONS


def softplus(x: Any) -> Any:
    """As a library would write it that supports any array type."""
    xp = x.__array_namespace__()
    return xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(x, xp.zeros_like(x))


def standardised(x: Any) -> Any:
    xp = x.__array_namespace__()
    centred = x - xp.mean(x, axis=0, keepdims=True)
    scale = xp.sqrt(xp.mean(xp.square(centred), axis=0, keepdims=True))
    return centred / scale


def gram(x: Any) -> Any:
    xp = x.__array_namespace__()
    both = xp.concat([x, xp.asarray(x[:1, :], dtype=x.dtype)], axis=0)
    return xp.matmul(both, xp.matrix_transpose(both)) + xp.eye(both.shape[0], dtype=x.dtype)


def chosen(x: Any) -> Any:
    xp = x.__array_namespace__()
    y = xp.where(x > 0, xp.pow(x, 2.0), xp.full(x.shape, 0.5, dtype=x.dtype))
    return xp.reshape(xp.permute_dims(y, (1, 0)), (-1,)) * xp.pi


def differences(x: Any) -> Any:
    xp = x.__array_namespace__()
    steps = xp.cumulative_sum(xp.flip(x, axis=1), axis=1)
    return xp.stack([steps, xp.roll(x, 1, axis=0)], axis=-1)


PROGRAMS = [softplus, standardised, gram, chosen, differences]
X = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1], [-0.8, 0.5, -1.6]])


def weighted(f: Any, x: Any) -> Any:
    y = f(x)
    return (y * np.cos(np.arange(y.size, dtype=float)).reshape(y.shape)).sum()


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_in_the_standard_differentiate(program: Any) -> None:
    def run(x: Any) -> Any:
        return program(x), dl.dlgradient(weighted(program, x), x)

    value, gradient = dl.dlfeval(run, dl.dlarray(X))
    np.testing.assert_allclose(dl.extractdata(value), program(X), rtol=1e-14)
    expected = np.zeros_like(X)
    for i in np.ndindex(X.shape):
        h = np.zeros_like(X)
        h[i] = 1e-6
        expected[i] = (weighted(program, X + h) - weighted(program, X - h)) / 2e-6
    np.testing.assert_allclose(dl.extractdata(gradient), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("program", PROGRAMS)
def test_float32_stays_float32(program: Any) -> None:
    def run(x: Any) -> Any:
        y = program(x)
        return y, dl.dlgradient((y * y).sum(), x)

    value, gradient = dl.dlfeval(run, dl.dlarray(X.astype(np.float32)))
    assert value.dtype == dl.float32
    assert gradient.dtype == dl.float32


def test_the_namespace_is_the_package() -> None:
    x = dl.dlarray(X)
    assert x.__array_namespace__() is dl
    assert x.__array_namespace__(api_version="2024.12") is dl


def test_constants() -> None:
    assert (dl.pi, dl.e, dl.inf) == (np.pi, np.e, np.inf)
    assert np.isnan(dl.nan)
    assert dl.newaxis is None


@pytest.mark.parametrize(
    "name",
    [
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float32", "float64", "complex64", "complex128"),
    ],
)
def test_dtypes(name: str) -> None:
    assert np.dtype(getattr(dl, name)) == np.dtype(name)
    assert dl.asarray([1], dtype=getattr(dl, name)).dtype == getattr(dl, name)


def test_questions_about_the_namespace() -> None:
    info = dl.__array_namespace_info__()
    assert info.default_device() == dl.dlarray(X).device
    assert info.capabilities()["boolean indexing"]


def test_questions_about_dtypes() -> None:
    x = dl.dlarray(X)
    assert dl.isdtype(x.dtype, "real floating")
    assert dl.isdtype(dl.int8, ("integral", "bool"))
    assert dl.finfo(dl.float32).eps == np.finfo(np.float32).eps
    assert dl.iinfo(dl.int8).max == 127
    assert dl.result_type(x, dl.complex64) == np.complex128
    assert dl.can_cast(dl.float32, dl.float64)
    assert dl.astype(x, dl.float32).dtype == dl.float32


def test_asarray_keeps_what_is_a_dlarray() -> None:
    def run(x: Any) -> Any:
        return dl.dlgradient(dl.sum(dl.asarray(x) ** 2), x)

    np.testing.assert_allclose(dl.extractdata(dl.dlfeval(run, dl.dlarray(X))), 2 * X)
    assert dl.isdlarray(dl.asarray([1.0, 2.0]))


def test_every_public_name_exists_and_every_function_is_public() -> None:
    assert sorted(set(dl.__all__)) == sorted(dl.__all__)
    for name in dl.__all__:
        assert getattr(dl, name) is not None or name == "newaxis"
    # Indexing is written with brackets; what a module keeps to itself is not in its `__all__`.
    functions = {
        name
        for name, function in FUNCTIONS.items()
        if name in getattr(sys.modules[function.__module__], "__all__", ())
        and function.__module__ != "dlgradient.ops.index"
    }
    assert (
        functions
        - set(dl.__all__)
        - set(dl.fft.__all__)
        - set(dl.linalg.__all__)
        - set(dl.special.__all__)
        == set()
    )


# Functions of the standard.
STANDARD = """
abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh
bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
broadcast_to can_cast ceil clip concat conj copysign cos cosh cumulative_prod cumulative_sum diff
divide e empty empty_like equal exp expand_dims expm1 eye finfo flip floor floor_divide full
full_like greater greater_equal hypot iinfo imag inf isdtype isfinite isin isinf isnan less
less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor
matmul matrix_transpose max maximum mean min minimum moveaxis multiply nan negative newaxis
nextafter nonzero not_equal ones ones_like permute_dims pi positive pow prod real reciprocal
remainder repeat reshape result_type roll round searchsorted sign signbit sin sinh sort sqrt
square squeeze stack std subtract sum take tan tanh tensordot tile trunc unique_all unique_counts
unique_inverse unique_values var vecdot where zeros zeros_like
"""


@pytest.mark.parametrize("name", STANDARD.split())
def test_the_name_of_the_standard_exists(name: str) -> None:
    assert name in dl.__all__
