"""Every operation's samples: a replayed call is the eager one, with derivatives, in both forms."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing import sample_cases

MODES = ["numpy", *["native"] * (find_spec("llvmlite") is not None)]


def as_variables(value: Any) -> Any:
    """Return an argument with dlarrays for its arrays of floating-point numbers."""
    if isinstance(value, list | tuple):
        return type(value)([as_variables(v) for v in value])
    is_float = isinstance(value, np.ndarray | np.generic) and value.dtype.char in "fdFD"
    return dl.dlarray(value) if is_float else value


def compare(name: str, found: Any, expected: Any) -> None:
    pairs = zip(tree.flatten(found)[0], tree.flatten(expected)[0], strict=True)
    for a, b in pairs:
        assert type(a) is type(b)
        if not dl.isdlarray(a):
            continue
        assert (type(a._value), a.dtype, a.shape) == (type(b._value), b.dtype, b.shape), name
        assert dl.dims(a) == dl.dims(b)
        x, y = dl.extractdata(a), dl.extractdata(b)
        if x.dtype.kind not in "fc":
            assert np.array_equal(x, y), name
            continue
        scale = float(np.max(np.abs(y), initial=1.0, where=np.isfinite(y)))
        tolerance = 1e3 * float(np.finfo(x.dtype).eps)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [*OPS, *DERIVED])
def test_samples(name: str, mode: Any) -> None:
    operation: Any = OPS[name] if name in OPS else DERIVED[name]
    call = operation.call if name in OPS else operation.function
    for case in sample_cases(operation):
        params = case.params

        def fun(*args: Any, params: Any = params) -> Any:
            y = call(*args, **params)
            leaves = [v for v in tree.flatten(y)[0] if dl.isdlarray(v) and v.dtype.kind in "fc"]
            variables = [v for v in tree.flatten(args)[0] if dl.isdlarray(v)]
            if not leaves or not variables:
                return y
            total = sum([dl.real(v * v).sum() for v in leaves], dl.zeros(()))
            return y, dl.dlgradient(total, variables)

        args = as_variables(case.args)
        accelerated = dl.dlaccelerate(fun)
        with np.errstate(all="ignore"), warnings.catch_warnings(), dl.acceleration(mode):
            warnings.simplefilter("ignore")
            try:
                expected = dl.dlfeval(fun, *args)
            except dl.DlgradientError:
                continue  # samples without a derivative
            for _ in range(4):
                compare(name, accelerated(*args), expected)
