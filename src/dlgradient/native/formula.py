"""Any formula of arrays, elementwise, in one pass over memory.

NumPy would make a pass for each operation. The machine code does the same operations in the same
order, without fused multiplications, so results have the bits of NumPy's. Numbers of a formula,
such as a learn rate, are not in the machine code: they change at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from dlgradient.core.sizes import NATIVE_STREAM_BYTES, NATIVE_THREAD_BYTES
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array
from dlgradient.native.code import ELEMENTS, Function, Register, vector
from dlgradient.native.compiler import Compiled, address_of, compiled
from dlgradient.native.lanes import Text, written
from dlgradient.native.machine import machine

__all__ = ["compute", "operation"]


def compute(
    formula: Callable[..., Sequence[object]],
    operands: Sequence[Array | float],
    outputs: Sequence[Array],
) -> bool:
    """Write the results of a formula to arrays; False if it is none that can be compiled.

    Parameters
    ----------
    formula : callable
        Of as many operands; it returns as many results as there are outputs.
    operands : sequence of array or float
    outputs : sequence of array
        They share no memory. All arrays are contiguous, of one size, and all of float32 or float64.
    """
    found = written(formula, operands)
    if found is None:
        return False
    text, values = found
    dtype, size = outputs[0].dtype, outputs[0].size
    numbers = np.array(values, dtype)
    arrays = [x for x in operands if not isinstance(x, float)]
    addresses = [address_of(x) for x in (*arrays, *outputs)]
    # What is written past the caches must be aligned, and outputs all in the same way.
    width = machine().vector_bytes
    offsets = {address % width for address in addresses[-len(outputs) :]}
    streamed = size * dtype.itemsize >= NATIVE_STREAM_BYTES and len(offsets) == 1
    run = _kernel(text, dtype.char, streamed)

    def work(block: slice) -> None:
        here = [address + block.start * dtype.itemsize for address in addresses]
        count = block.stop - block.start
        head = min(-here[-1] % width // dtype.itemsize, count) if streamed else 0
        run(*here, address_of(numbers), head, count)

    in_blocks(work, size, split=size * dtype.itemsize >= NATIVE_THREAD_BYTES)
    return True


@cache
def _kernel(text: Text, char: str, streamed: bool) -> Compiled:
    """Return ``f(*operands, *outputs, numbers, head, size)``; vectors begin after the head."""
    f = Function("formula")
    arrays = {name: f.address(name) for name in text.operands}
    outputs = [f.address(f"y{i}") for i in range(len(text.results))]
    given, head, size = f.address("numbers"), f.integer("head"), f.integer("size")
    element = ELEMENTS[char]
    numbers = {f"n{i}": f.load(element, given, i) for i in range(text.numbers)}

    def apply(
        at: Register, kind: str, write: Callable[[Register, Register, Register], None]
    ) -> None:
        values = {name: f.spread(x, kind) for name, x in numbers.items()}
        values.update({name: f.load(kind, array, at) for name, array in arrays.items()})
        for i, (step, *names) in enumerate(text.steps):
            values[f"s{i}"] = operation(f, step, *[values[name] for name in names])
        for name, output in zip(text.results, outputs, strict=True):
            write(values[name], output, at)

    lanes = machine().lanes(element)
    whole = (size - head) / lanes * lanes + head
    with f.loop(0, head) as i:
        apply(i, element, f.store)
    with f.loop(head, whole, lanes) as i:
        apply(i, vector(element, lanes), f.stream if streamed else f.store)
    with f.loop(whole, size) as i:
        apply(i, element, f.store)
    return compiled(f)


def operation(f: Function, name: str, x: Register, *others: Register) -> Register:
    """Write a step of a formula."""
    if name == "sqrt":
        return f.call("sqrt", x)
    if name == "sign":  # of NaN, itself
        zero = f.choose(f.compare("eq", x, 0), f.constant(0, x.kind), x)
        return f.choose(x > 0, f.constant(1, x.kind), f.choose(x < 0, f.constant(-1, x.kind), zero))
    return f.combine(name, x, *others)
