"""Every deep-learning function computes in floating point, whatever its operands are.

Integers and logical values take the dtype of the floating operands next to them, else float64. In
their own arithmetic they would wrap around: in uint8, 10 - 20 is 246.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing import Case, case, maker, sample_cases

TABLE = {**{n: op.declaration for n, op in OPS.items()}, **DERIVED}
FUNCTIONS = sorted(
    name
    for name in dl.__all__
    if getattr(getattr(dl, name), "__module__", "").startswith("dlgradient.nn")
    # No operand of these is a number to compute with.
    if not name.startswith(("initialize", "onehot"))
)
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]


def cases(name: str) -> list[Case]:
    """Samples of a function, with data."""
    m = maker(name)
    spectra = m.complex(2, 3, 2)
    other = {
        "dlstft": [case(m.real(2, 9), data_format="CT", window=[0.5, 1, 1, 0.5])],
        "dlistft": [case(spectra, data_format="CST", window=[0.5, 1, 1, 0.5])],
        "spectral_convolution": [case(m.real(2, 6), m.real(3, 2, 2), data_format="CS")],
    }
    found = other.get(name) or sample_cases(TABLE[name])
    return [c for c in found if np.ndim(c.args[0]) and all(np.size(x) for x in c.args)]


def converted(args: Any, convert: Callable[[int, Any], Any]) -> Any:
    """Convert the arrays of real numbers in the arguments of a sample, counted from zero."""
    leaves, rebuild = tree.flatten(list(args))
    places = [i for i, x in enumerate(leaves) if np.ndim(x) and np.asarray(x).dtype.kind == "f"]
    for k, i in enumerate(places):
        leaves[i] = convert(k, leaves[i])
    return rebuild(leaves)


def whole(x: Any, dtype: str, size: float) -> Any:
    """Return the numbers as integers up to twice a size, or their signs."""
    if dtype == "bool":
        return x > 0
    return np.rint(np.abs(x * size) if dtype.startswith("u") else x * size).astype(dtype)


def results(name: str, args: Any, params: dict[str, Any]) -> Iterator[Any]:
    generators = {"seed": params["seed"]} if "seed" in params else {}
    leaves, _ = tree.flatten(getattr(dl, name)(*args, **{**params, **generators}))
    for y in leaves:
        yield dl.extractdata(y) if isinstance(y, dl.dlarray) else np.asarray(y)


@pytest.mark.filterwarnings("ignore:(divide|invalid|overflow):RuntimeWarning")
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_integers_and_logical_values_are_computed_in_double(name: str, dtype: str) -> None:
    for c in cases(name):
        for size in (1.0, 60.0):
            integers = converted(c.args, lambda _, x, size=size: whole(x, dtype, size))
            doubles = converted(c.args, lambda _, x, size=size: whole(x, dtype, size).astype(float))
            expected = results(name, doubles, c.params)
            for y, z in zip(results(name, integers, c.params), expected, strict=True):
                assert y.dtype == z.dtype
                np.testing.assert_allclose(y, z, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_integers_do_not_change_the_precision(name: str) -> None:
    """Single precision stays single next to integers, whichever operand is which."""
    for c in cases(name):
        count: list[int] = []
        converted(c.args, lambda k, _, count=count: count.append(k))
        for chosen in count:
            args = converted(
                c.args,
                lambda k, x, chosen=chosen: (
                    dl.dlarray(x.astype(np.float32)) if k == chosen else whole(x, "uint8", 1.0)
                ),
            )
            args = [x.astype(np.complex64) if np.iscomplexobj(x) else x for x in args]
            for y in results(name, args, c.params):
                assert y.dtype.char in "fFl?", chosen


def weak(value: Any) -> Any:
    return np.float64(value) if isinstance(value, float) else value


@pytest.mark.parametrize("name", FUNCTIONS)
def test_scalars_of_numpy_do_not_change_the_precision(name: str) -> None:
    """Operands and options that are float64 scalars are weak, as Python's numbers."""
    for c in cases(name):
        single = converted(c.args, lambda _, x: dl.dlarray(x.astype(np.float32)))
        single = [dl.astype(x, "complex64") if np.iscomplexobj(x) else x for x in single]
        args = [weak(x) for x in single]
        params = {key: weak(value) for key, value in c.params.items()}
        expected = results(name, single, c.params)
        for y, z in zip(results(name, args, params), expected, strict=True):
            assert y.dtype == z.dtype
            assert y.dtype.char in "fFl?"
            np.testing.assert_allclose(y, z, rtol=1e-6, atol=1e-6)
