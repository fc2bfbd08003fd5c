"""What a mask excluded stays excluded: no NaN of it reaches a gradient, through any operation.

For every sample of every operation, elements of an operand become NaN. The elements of the result
that do not depend on them are known: they are the same for two other values. A loss of only these
has the gradient that it has with finite numbers instead.
"""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing.checks import Bound, evaluate, outputs
from dlgradient.testing.subject import Subject

NUMBERS = (0.4375, 0.8125, 0.625)
# Why an operation, or one of its samples, is left out.
OTHERS = {
    **{
        name: "each element of the result depends on all of the operand"
        for name in OPS
        if "fft" in name
    },
    **dict.fromkeys(("qr", "tall_qr"), "what does not depend on the operand is the zeros of R"),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like"), "constant"),
    "det-11": "LAPACK finds 0 for a column of zeros, and the cofactors are NaN",
    "pow-22": "NaN ** 0 is 1 in NumPy, but its derivative by the exponent is NaN",
    "pow-24": "1 ** NaN is 1 in NumPy, but its derivative is NaN",
}
CASES = [
    pytest.param(name, i, id=f"{name}-{i}")
    for name in (*OPS, *DERIVED)
    if name not in OTHERS and getattr(OPS.get(name), "kind", "") != "constant"
    for i in range(len(Subject(name).cases))
    if f"{name}-{i}" not in OTHERS
]


def is_float_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc" and x.size > 1


def replaced(values: list[Any], i: int, places: Any, number: float) -> list[Any]:
    x = np.array(values[i])
    x[places] = number
    return [*values[:i], x, *values[i + 1 :]]


def gradients(bound: Bound, values: list[Any], masks: list[Any], weights: list[Any], order: int):
    def loss(*xs: Any) -> Any:
        ys = outputs(bound(*xs))
        total = sum(
            (dl.real(dl.where(m, y, 0)) * w).sum()
            for y, m, w in zip(ys, masks, weights, strict=True)
            if y.dtype.kind in "fc"
        )
        if order == 1:
            return dl.dlgradient(total, *xs)
        first = dl.dlgradient(total**2, *xs, enable_higher_derivatives=True)
        several = first if isinstance(first, tuple) else (first,)
        kept = [dl.where(np.isfinite(dl.extractdata(g)), g, 0) for g in several]
        return dl.dlgradient(sum((dl.real(g) ** 2).sum() for g in kept), *xs)

    found = dl.dlfeval(loss, *[dl.dlarray(v) for v in values])
    return [dl.extractdata(g) for g in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "index"), CASES)
def test_nan_that_a_mask_excluded(name: str, index: int, rng: np.random.Generator) -> None:
    subject = Subject(name)
    bound = subject.bind(subject.cases[index])
    values = [np.array(v) for v in bound.values]
    tried = 0
    for i, x in enumerate(values):
        if not is_float_array(x):
            continue
        places = rng.random(x.shape) < max(0.2, 1 / x.size)
        with np.errstate(all="ignore"):
            try:
                results = [
                    evaluate(bound, replaced(values, i, places, n)) for n in (*NUMBERS, np.nan)
                ]
            except dl.errors.DlgradientError:
                continue  # the operand has to be finite
        masks = [
            (a == b) & (a == c) & (a == d) & np.isfinite(a)
            for a, b, c, d in zip(*results, strict=True)
        ]
        if not any(np.any(m) for m in masks):
            continue
        tried += 1
        weights = [rng.normal(size=np.shape(m)) for m in masks]
        for order in (1, 2):
            expected = gradients(
                bound, replaced(values, i, places, NUMBERS[0]), masks, weights, order
            )
            found = gradients(bound, replaced(values, i, places, np.nan), masks, weights, order)
            for e, f, v in zip(expected, found, values, strict=True):
                tolerance = 1e-4 if v.dtype.char in "fF" else 1e-9
                size = max(1.0, float(np.max(np.abs(e), initial=0)))
                np.testing.assert_allclose(
                    f,
                    e,
                    rtol=tolerance,
                    atol=tolerance * size,
                    err_msg=f"order {order} operand {i}",
                )
