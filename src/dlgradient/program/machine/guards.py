"""What must hold for a call to be answered, as comparisons of machine code.

Python has read values in the recorded call: what it learned must be the same. The function has read
globals and other places: they must hold the same objects. What has no form here is left to a
function of Python, which the machine code calls.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dlgradient.core.reading import whole
from dlgradient.engine.array import _item
from dlgradient.engine.zeros import holds_nan
from dlgradient.native.code import Register
from dlgradient.program.lines import Check
from dlgradient.program.machine.cells import Cells, Unsupported, compared, register
from dlgradient.program.machine.lower import Lowering

__all__ = ["differs"]

_RELATIONS = {
    operator.lt: "lt",
    operator.le: "le",
    operator.gt: "gt",
    operator.ge: "ge",
    operator.eq: "eq",
    operator.ne: "ne",
}


def differs(lowering: Lowering, check: Check) -> Register:
    """Return whether Python would read something else."""
    function, found = check.function, check.found
    truth = lowering.truth(check)
    if truth is not None:
        return _unlike(lowering, truth, found)
    operands = [lowering.cells(x) for x in check.operands]
    if function in (bool, holds_nan):
        (x,) = operands
        truth = _any(lowering, x, function is bool)
        return _unlike(lowering, truth, found)
    if function in _RELATIONS and all(x.shape == () for x in operands):
        return _unlike(lowering, _relation(lowering, _RELATIONS[function], operands), found)
    if function is _item:
        return _unlike_array(lowering, _element(*operands), np.asarray(found))
    if function is whole:
        return _unlike_array(lowering, operands[0], np.asarray(found))
    raise Unsupported(f"what Python reads by {getattr(function, '__name__', '?')}")


def _element(x: Cells, *index: Cells) -> Cells:
    """Return the element that ``item`` reads; the index is of constants."""
    numbers = [i.numbers[()] for i in index]
    if not all(type(i) is int for i in numbers):
        raise Unsupported("what Python reads by _item")
    return Cells(x.dtype, np.array(x.numbers.item(*numbers), object))


def _any(lowering: Lowering, x: Cells, truth: bool) -> Register:
    """Return whether any element is true, or is NaN."""
    f = lowering.f
    if truth and x.numbers.size != 1:
        raise Unsupported("the truth of an array")
    found = register(f, False, "i1")
    for number in x.numbers.ravel():
        if type(number) is not Register:
            raise Unsupported("a decision by a constant")
        if truth:
            one = compared(f, "ne", number, 0)
        elif number.kind in ("double", "float"):
            one = f.assign(f"fcmp uno {number.kind} {number.name}, {number.name}", "i1")
        else:
            continue
        found = f.assign(f"or i1 {found.name}, {one.name}", "i1")
    return found


def _relation(lowering: Lowering, relation: str, operands: list[Cells]) -> Register:
    x, y = operands
    number = x.numbers[()]
    # A number of Python is compared as it is: of an integer with a fraction, NumPy makes reals.
    if type(number) is not Register or x.dtype is None or y.dtype not in (x.dtype, None):
        raise Unsupported("a decision by numbers of two dtypes")
    if x.dtype.kind != "f" and type(y.numbers[()]) not in (int, Register):
        raise Unsupported("a decision by numbers of two dtypes")
    return compared(lowering.f, relation, number, y.numbers[()])


def _unlike(lowering: Lowering, truth: Register, found: Any) -> Register:
    if not found:
        return truth
    return lowering.f.assign(f"xor i1 {truth.name}, true", "i1")


def _unlike_array(lowering: Lowering, x: Cells, found: Any) -> Register:
    """Return whether an array has other bits than one that was read."""
    f = lowering.f
    unlike = register(f, False, "i1")
    for number, value in zip(x.numbers.ravel(), found.ravel(), strict=True):
        if type(number) is not Register or x.dtype is None:
            raise Unsupported("a decision by a constant")
        then = register(f, x.dtype.type(value).item(), number.kind)
        now = number
        if number.kind in ("double", "float"):
            bits = "i64" if number.kind == "double" else "i32"
            now, then = (
                f.assign(f"bitcast {r.kind} {r.name} to {bits}", bits) for r in (number, then)
            )
        one = f.assign(f"icmp ne {now.kind} {now.name}, {then.name}", "i1")
        unlike = f.assign(f"or i1 {unlike.name}, {one.name}", "i1")
    return unlike
