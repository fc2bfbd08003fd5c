"""Structural zeros of cotangents that meet values that are not finite.

A structural zero says that there is no derivative: ``where`` did not take this element, indexing
left it out. Zero times infinity or NaN is NaN in the arithmetic of floats, so a rule would spread
what a mask excluded. The second walk over a graph guards every such product.

* The rule of a pointwise operation multiplies element by element: where `g` is zero, the cotangent
  is zero.
* Other rules add products up, as a matrix product does. An element of their cotangent is NaN for
  one of two reasons. Either a nonzero element of `g` met a value that is not finite, and NaN is
  right; or only zeros did. To tell them apart, the rule is applied to two further sets of values.
  In these, other finite numbers replace those that are not finite. What is the same in both does
  not depend on them.
"""

from __future__ import annotations

import operator
from cmath import isnan
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.core.graph import Node
from dlgradient.core.reading import decided, refuse
from dlgradient.core.types import Cotangent, RawValue
from dlgradient.engine.array import dlarray

__all__ = ["MET", "guarded", "guarded_jointly", "has_nan"]

Pull = Callable[[Node, Cotangent], Any]
# The ends of two ranges of replacements. They are positive, so that a rule can take roots and
# logarithms; of several sizes, so that a line of them has a variance; and never the same.
_REPLACEMENTS = ((0.5, 0.75), (1.25, 1.0))
# Why a call is not recorded.
MET = "zeros of a mask met values that are not finite in a backward walk"


def has_nan(c: Cotangent) -> bool:
    """Tell whether an element is NaN. A maximum finds it in a third of the time of a sum."""
    return decided(holds_nan, c) if type(c) is dlarray else holds_nan(c)


def holds_nan(value: RawValue) -> bool:
    """Tell whether an element of a raw value is NaN."""
    # The function of `cmath` takes a tenth of the time of NumPy's.
    return isnan(np.maximum.reduce(value, axis=None, initial=-np.inf))


def guarded(node: Node, pull: Pull, c: Cotangent, g: Cotangent) -> Cotangent:
    """Return the cotangent `c` of an operand, without what only zeros of `g` contribute."""
    if not has_nan(c):
        return c
    refuse(node, MET)
    if node.op.pointwise:
        return _with_zeros(c, g)
    first, second = [pull(other, g) for other in _with_finite_values(node, type(c) is dlarray)]
    return _independent(c, first, second)


def guarded_jointly(
    node: Node, pull: Pull, pulled: Sequence[Cotangent | None], g: Cotangent
) -> Sequence[Cotangent | None]:
    """Return the cotangents of all operands, as `guarded` does that of one."""
    endangered = [c for c in pulled if c is not None and has_nan(c)]
    if not endangered:
        return pulled
    refuse(node, MET)
    traced = type(endangered[0]) is dlarray
    first, second = [pull(other, g) for other in _with_finite_values(node, traced)]
    return [
        c if c is None or not has_nan(c) else _independent(c, a, b)
        for c, a, b in zip(pulled, first, second, strict=True)
    ]


def _raw(x: Cotangent) -> RawValue:
    return x._value if type(x) is dlarray else x


def _with_zeros(c: Cotangent, g: Cotangent) -> Cotangent:
    """Return `c` with zeros where `g` has them: no gradient stays no gradient."""
    if type(c) is dlarray or type(g) is dlarray:
        # Only what is not finite: a cotangent that is zero by its value, as at a minimum, has a
        # derivative of its own.
        gone = (_raw(g) == 0) & ~np.isfinite(_raw(c))
        return FUNCTIONS["where"](gone, 0, c) if np.any(gone) else c
    return np.where(g == 0, c.dtype.type(0), c)


def _independent(c: Cotangent, first: Cotangent, second: Cotangent) -> Cotangent:
    """Return `first` where it is the same as `second`, else `c`."""
    same = _raw(first) == _raw(second)
    return FUNCTIONS["where"](same, first, c) if type(c) is dlarray else np.where(same, first, c)


def _with_finite_values(node: Node, traced: bool) -> list[Node]:
    """Return `node` twice, with other numbers for the saved ones that are not finite."""
    return [_with_numbers(node, ends, traced) for ends in _REPLACEMENTS]


def _with_numbers(node: Node, ends: tuple[float, float], traced: bool) -> Node:
    saved = [_finite(value, ends) for value in node.saved]
    parents, result = list(node.parents), node.result
    if traced:
        # Operations, not only other values: a later walk may compute the values again.
        for i, value in enumerate(node.saved):
            if saved[i] is value or isinstance(value, tuple | list):
                continue
            source = parents[i] if i < len(parents) else result
            if type(source) is Node:
                x = FUNCTIONS["where"](np.isfinite(value), wrap(value, source), saved[i])
                saved[i] = x._value
                if i < len(parents):
                    parents[i] = x._node
                else:
                    result = x._node
    return node.but(saved=tuple(saved), parents=tuple(parents), result=result)


def _finite(value: Any, ends: tuple[float, float]) -> Any:
    """Return a saved value with other numbers for those that are not finite."""
    if isinstance(value, tuple | list):  # several results
        found = [_finite(v, ends) for v in value]
        return value if all(map(operator.is_, found, value)) else found
    if not isinstance(value, np.ndarray | np.inexact) or value.dtype.kind not in "fc":
        return value
    finite = np.isfinite(value)
    if np.all(finite):
        return value
    numbers = np.linspace(*ends, value.size, dtype=value.dtype).reshape(value.shape)
    return np.where(finite, value, numbers)[()]
