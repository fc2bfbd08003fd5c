"""Every sample of every operation: a batch in one call is what a call for each member returns.

And the derivatives along all unit vectors at once are those of one walk for each.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.calls import call_again
from dlgradient.engine.batch_rules import Call, rule_of
from dlgradient.engine.batching import each
from dlgradient.engine.directions import columns, rows
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing.checks import Bound, outputs
from dlgradient.testing.subject import Subject

SIZE = 3
# Rows and columns that are compared.
COMPARED = 5


def members(x: Any) -> list[Any]:
    """Return other operands of the kind of `x`, as a batch."""
    value = np.asarray(x)
    if value.dtype.kind in "fc":
        factors = np.asarray([1.0, 0.98, 1.01], value.real.dtype)
        found = [(value * factor).astype(value.dtype)[()] for factor in factors]
    else:
        found = [value[()]] * SIZE
    return found


def calls(name: str) -> list[tuple[Call, Any]]:
    """Return calls of an operation with each choice of batched operands, in each precision."""
    op = OPS[name]
    found = []
    for case in Subject(name).cases:
        args = case.args[0] if op.variadic else case.args
        for narrow, chosen in product((False, True), product((False, True), repeat=len(args))):
            if not any(chosen) or len(args) > 4:
                continue
            values = [narrowed(x) if narrow else x for x in args]
            values = [dl.extractdata(x) if type(x) is dl.dlarray else x for x in values]
            values = [np.asarray(x)[()] if b else x for x, b in zip(values, chosen, strict=True)]
            operands = [
                np.stack(members(x)) if b else x for x, b in zip(values, chosen, strict=True)
            ]
            params = {**op.params, **case.params}
            shapes = [np.shape(x) for x in values]
            with np.errstate(all="ignore"):
                shape = np.shape(call_again(op, values, params))
            found.append(Call(op, operands, list(chosen), shapes, params, shape, SIZE))
    return found


def narrowed(x: Any) -> Any:
    """Return a value in single precision, if it is one of floating point."""
    code = np.asarray(x).dtype.char
    return np.asarray(x, code.lower() if code == "d" else "F")[()] if code in "dD" else x


def agree(found: Any, expected: Any, rtol: float) -> None:
    """Raise an error if two values differ by more than rounding."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    scale = float(np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected)))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", [n for n in OPS if not OPS[n].outputs])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # samples at infinity
def test_a_batch_is_one_call_for_each_member(name: str) -> None:
    rule = rule_of(OPS[name])
    ruled = False
    for call in calls(name):
        found = None if rule is None else rule(call)
        if found is not None:
            ruled = True
            expected = each(call)
            single = np.result_type(found).char in "fF"
            agree(found, expected, 1e-5 if single else 1e-12)
    assert ruled or rule is None


# -- derivatives ---------------------------------------------------------------------------------


def value_of(bound: Bound, *xs: Any) -> Any:
    """Return the elements of all results of a call as one vector."""
    found = [y.reshape(-1) for y in map(dl.stripdims, outputs(bound(*xs))) if y.size]
    return dl.concat(found) if found else None


def both_modes(bound: Bound, *xs: Any) -> Any:
    """Return rows and columns of a Jacobian, each at once and one by one."""
    y = value_of(bound, *xs)
    if y is None or y._node is None:
        return []
    nodes = [x._node for x in xs]
    units = np.eye(y.size, dtype=y.dtype)[:COMPARED]
    at_once = rows(y._node, nodes, None, real=False, traced=False)
    found = [
        (
            each[:COMPARED],
            np.stack([dl.extractdata(dl.dlvjp(y, unit, x, retain_data=True)) for unit in units]),
        )
        for each, x in zip(at_once, xs, strict=True)
    ]
    if any(z.dtype.kind == "c" for z in (y, *xs)):
        return found
    for x in xs:
        directions = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)[:COMPARED]
        if x.size:
            expected = np.stack([dl.extractdata(dl.dljvp(y, x, unit)) for unit in directions])
            found.append((columns(y._node, x._node, None, traced=False)[:COMPARED], expected))
    return found


def gradient_of(bound: Bound) -> Any:
    """Return the function that computes the gradient of a call, as one call has it."""

    def call(*xs: Any) -> Any:
        y = value_of(bound, *xs)
        if y is None or y._node is None:
            return []
        weights = np.linspace(0.5, 1.5, y.size, dtype=y.real.dtype)
        total = (dl.real(y) * weights).sum()
        found: Any = dl.dlgradient(total, *xs, enable_higher_derivatives=True)
        return found

    return call


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", [*OPS, *DERIVED])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # samples at infinity
def test_all_directions_at_once_are_one_walk_for_each(name: str, narrow: bool) -> None:
    subject = Subject(name)
    for case in subject.cases:
        bound = subject.bind(case)
        if narrow:
            bound.values = [narrowed(v) for v in bound.values]
        if not bound.values or case.kink:
            continue
        second = Bound(gradient_of(bound), bound.arrays(), {})
        for fun in (bound,) if narrow else (bound, second):
            try:
                pairs = dl.dlfeval(lambda *xs, f=fun: both_modes(f, *xs), *bound.arrays())
            except dl.DlgradientError:
                assert fun is second  # an operation that has first derivatives only
                continue
            for found, expected in pairs:
                assert found.shape == expected.shape
                single = np.result_type(expected).char in "fF"
                scale = np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected))
                tolerance = 1e-4 if single else 1e-11
                np.testing.assert_allclose(found, expected, tolerance, tolerance * scale)
