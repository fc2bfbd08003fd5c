"""Lines of a program, as instructions: each element of each array is a number in a register."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.declaration import OPS
from dlgradient.core.types import Dtype, Shape
from dlgradient.native.code import Register
from dlgradient.native.objects import PythonFunction
from dlgradient.ops.shape import normalized
from dlgradient.program.lines import Check, Line, Slot, is_known
from dlgradient.program.machine.cells import (
    KINDS,
    LARGEST,
    Cells,
    Unsupported,
    compared,
    converted,
    moved,
    of_constant,
    register,
)
from dlgradient.program.machine.numbers import ARITHMETIC, LOGICAL, RELATIONS, TESTS, power

__all__ = ["Lowering"]

# Elements of all arrays of a program.
_MOST = 1 << 15

# Operations whose kernels move elements, or leave zero.
_MOVING = frozenset(
    {
        *("getitem", "setitem", "cleared", "reshape", "squeeze", "expand_dims", "broadcast_to"),
        *("spread", "permute_dims", "matrix_transpose", "flip", "roll", "concat", "stack"),
        *("repeated", "tile", "tril", "triu"),
    }
)
_BOOL = np.dtype(np.bool_)


class Memory(NamedTuple):
    """An array in C order that is no cells."""

    data: Register
    shape: Shape
    dtype: Dtype


class Lowering:
    """The values of a program, as far as its lines are written.

    Parameters
    ----------
    f : PythonFunction
        What the instructions are written to.
    """

    def __init__(self, f: PythonFunction) -> None:
        self.f = f
        self.values: dict[int, Cells] = {}
        self.memory: dict[int, Memory] = {}
        self._known: dict[Any, Register] = {}
        self._count = 0

    def take(self, number: Slot, data: Register, shape: Shape, dtype: Dtype) -> None:
        """Take an argument, which is in memory; of a long one, elements are read as needed."""
        kind = KINDS[dtype]
        count = prod(shape)
        if count > LARGEST:
            self.memory[number] = Memory(data, shape, dtype)
            return
        numbers = np.empty(count, object)
        for i in range(count):
            numbers[i] = self.f.number_at(data, i, kind)
        self.values[number] = Cells(dtype, numbers.reshape(shape))

    def cells(self, x: Any) -> Cells:
        """Return an operand: a value, or a constant."""
        if type(x) is not Slot:
            return of_constant(x)
        if self._is_memory(x):
            raise Unsupported(f"an argument of shape {self.memory[x].shape} in an operation")
        return self.values[x]

    def truth(self, _: Check) -> Register | None:
        """Return what Python would read, true or false; None if it must be read from registers."""
        return None

    def _is_memory(self, x: Any) -> bool:
        return type(x) is Slot and x in self.memory

    def line(self, line: Line) -> None:
        """Write a line."""
        op, name = line.op, line.op.name
        most = _MOST if name == "scatter" else LARGEST
        if line.dtype not in KINDS or prod(line.shape) > most or not is_known(op):
            raise Unsupported(f"{op.shown} of shape {line.shape} {line.dtype}")
        if name == "getitem" and self._is_memory(line.operands[0]):
            self.values[line.target] = self._elements(line)
            return
        operands = [self.cells(x) for x in line.operands]
        self._count += max([prod(line.shape), *[x.numbers.size for x in operands]])
        if self._count > _MOST:
            raise Unsupported("a program of many operations")
        rule = _RULES.get(name)
        if rule is None:
            raise Unsupported(op.shown)
        found = rule(self, line, operands)
        if (found.shape, found.dtype) != (line.shape, line.dtype):
            raise Unsupported(f"{op.shown} with a result of {found.shape} {found.dtype}")
        self.values[line.target] = found

    def _elements(self, line: Line) -> Cells:
        """Read elements of an argument that is long."""
        memory = self.memory[line.operands[0]]
        places = np.arange(prod(memory.shape)).reshape(memory.shape)[line.params["key"]]
        self._count += np.size(places)
        kind = KINDS[memory.dtype]
        found = self._map(lambda i: self.f.number_at(memory.data, int(i), kind), np.asarray(places))
        return Cells(memory.dtype, found)

    # -- elementwise -----------------------------------------------------------------------------

    def _arithmetic(self, line: Line, operands: list[Cells]) -> Cells:
        if line.params:
            raise Unsupported(f"{line.op.shown} with parameters")
        name = line.op.name
        return self._each(line, name, ARITHMETIC[name], operands, line.dtype)

    def _where_positive(self, line: Line, operands: list[Cells]) -> Cells:
        if {x.dtype for x in operands} != {line.dtype}:
            raise Unsupported(f"{line.op.shown} of two dtypes")  # a converted one may become zero
        return self._arithmetic(line, operands)

    def _test(self, line: Line, operands: list[Cells]) -> Cells:
        name = line.op.name
        return self._each(line, name, TESTS[name], operands, operands[0].dtype)

    def _logical(self, line: Line, operands: list[Cells]) -> Cells:
        name = line.op.name
        return self._each(line, name, LOGICAL[name], operands, _BOOL)

    def _each(
        self,
        line: Line,
        name: str,
        rule: Callable[..., Register],
        operands: Sequence[Cells],
        dtype: Dtype | None,
    ) -> Cells:
        """Apply a rule to each element of operands, in a common dtype."""
        if dtype is None or dtype not in KINDS:
            raise Unsupported(f"{line.op.shown} of {dtype}")
        kind = KINDS[dtype]

        def number(x: Any, source: Dtype | None) -> Register:
            return register(self.f, converted(self.f, x, source, dtype), kind)

        arrays = np.broadcast_arrays(*[x.numbers for x in operands])
        sources = [x.dtype for x in operands]
        out = np.empty(line.shape, object)
        if arrays[0].shape != line.shape:
            raise Unsupported(f"{line.op.shown} of operands of other shapes")
        for index in np.ndindex(line.shape):
            given = [number(a[index], s) for a, s in zip(arrays, sources, strict=True)]
            out[index] = self._once((name, *[x.name for x in given]), rule, given)
        return Cells(line.dtype, out)

    def _once(self, key: Any, rule: Callable[..., Register], given: Sequence[Register]) -> Register:
        """Return the result of a rule; the same operands have the same one."""
        key = (*key, given[0].kind)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = rule(self.f, *given)
        return found

    def _power(self, line: Line, operands: list[Cells]) -> Cells:
        base, exponent = operands
        scalar = line.shape == ()
        single = exponent.numbers.size == 1 and exponent.numbers.ravel()[0]
        if exponent.numbers.size == 1 and type(single) in (int, float):

            def rule(f: PythonFunction, x: Register) -> Register:
                return power(f, x, single, scalar=scalar)

            shape = np.broadcast_shapes(base.shape, exponent.shape)
            base = Cells(base.dtype, np.broadcast_to(base.numbers, shape))
            return self._each(line, f"pow {single!r}", rule, [base], line.dtype)

        def general(f: PythonFunction, x: Register, y: Register) -> Register:
            return power(f, x, y, scalar=scalar)

        return self._each(line, "pow", general, operands, line.dtype)

    def _relation(self, line: Line, operands: list[Cells]) -> Cells:
        relation = RELATIONS[line.op.name]
        dtype = np.result_type(
            *[x.numbers.item(0) if x.dtype is None else x.dtype for x in operands]
        )

        def rule(f: PythonFunction, x: Register, y: Register) -> Register:
            return compared(f, relation, x, y)

        return self._each(line, line.op.name, rule, operands, dtype)

    # -- other operations ------------------------------------------------------------------------

    def _moved(self, line: Line, operands: list[Cells]) -> Cells:
        assert line.dtype is not None
        if line.op.variadic:

            def kernel(*places: Any) -> Any:
                return line.op.kernel(list(places), **line.params)

        else:

            def kernel(*places: Any) -> Any:
                return line.op.kernel(*places, **line.params)

        target = line.dtype
        cast = [
            Cells(target, self._map(partial(self._converted, c.dtype, target), c.numbers))
            for c in operands
        ]
        return moved(kernel, cast, target)

    def _converted(self, source: Dtype | None, target: Dtype, number: Any) -> Any:
        return converted(self.f, number, source, target)

    def _map(self, function: Callable[[Any], Any], numbers: Any) -> Any:
        out = np.empty(numbers.shape, object)
        for index in np.ndindex(numbers.shape):
            out[index] = function(numbers[index])
        return out

    def _cast(self, line: Line, operands: list[Cells]) -> Cells:
        (x,) = operands
        target = line.dtype
        assert target is not None
        found = self._map(partial(self._converted, x.dtype, target), x.numbers)
        return Cells(target, found)

    def _where(self, line: Line, operands: list[Cells]) -> Cells:
        condition, x, y = operands
        target = line.dtype
        assert target is not None
        kind = KINDS[target]
        arrays = np.broadcast_arrays(condition.numbers, x.numbers, y.numbers)
        out = np.empty(line.shape, object)
        for index in np.ndindex(line.shape):
            c, a, b = (array[index] for array in arrays)
            chosen = converted(self.f, c, condition.dtype, _BOOL)
            if type(chosen) is not Register:
                out[index] = converted(self.f, *((a, x.dtype) if chosen else (b, y.dtype)), target)
                continue
            given = [
                register(self.f, converted(self.f, n, s, target), kind)
                for n, s in ((a, x.dtype), (b, y.dtype))
            ]
            out[index] = self.f.choose(chosen, *given)
        return Cells(target, out)

    def _scatter(self, line: Line, operands: list[Cells]) -> Cells:
        """Write sums that begin with zero, as those of the kernel do."""
        target = line.dtype
        if target is None or target.kind != "f":
            raise Unsupported(line.op.shown)
        kind = KINDS[target]
        places = np.arange(prod(line.shape)).reshape(line.shape)
        sums: list[Any] = [0.0] * places.size
        for key, x in zip(line.params["keys"], operands, strict=True):
            to = np.asarray(places[key])
            for place, n in zip(
                to.ravel(), np.broadcast_to(x.numbers, to.shape).ravel(), strict=True
            ):
                term = register(self.f, converted(self.f, n, x.dtype, target), kind)
                sums[place] = register(self.f, sums[place], kind) + term
        out = np.empty(places.size, object)
        out[:] = sums
        return Cells(target, out.reshape(line.shape))

    # -- sums ------------------------------------------------------------------------------------

    def _reduced(
        self, line: Line, x: Cells, combine: Callable[[Any, Any], Any], first: Any, axis: Any
    ) -> Cells:
        """Combine elements along dimensions, one after the other."""
        axes = normalized(axis, len(x.shape))
        kept = [i for i in range(len(x.shape)) if i not in axes]
        moved_numbers = x.numbers.transpose(*kept, *axes)
        shape = tuple([x.shape[i] for i in kept])
        rows = moved_numbers.reshape((*shape, prod([x.shape[i] for i in axes])))
        out = np.empty(shape, object)
        for index in product(*map(range, shape)):
            row = list(rows[index])
            if not row:
                if first is None:
                    raise Unsupported(f"{line.op.shown} of nothing")
                out[index] = first
                continue
            total = row[0]
            for n in row[1:]:
                total = combine(total, n)
            out[index] = total
        return Cells(line.dtype, out.reshape(line.shape))

    def _in_dtype(self, line: Line, x: Cells) -> tuple[Cells, str]:
        """Return an operand in the dtype of the result, which must be real, in registers."""
        target = line.dtype
        if target is None or target.kind != "f":
            raise Unsupported(f"{line.op.shown} of {target}")
        kind = KINDS[target]
        numbers = self._map(
            lambda n: register(self.f, converted(self.f, n, x.dtype, target), kind), x.numbers
        )
        return Cells(target, numbers), kind

    def _sum(self, line: Line, operands: list[Cells]) -> Cells:
        x, kind = self._in_dtype(line, operands[0])
        zero = register(self.f, 0.0, kind)
        found = self._reduced(line, x, lambda a, b: a + b, 0.0, line.params.get("axis"))
        # As in NumPy, where no sum is -0.0.
        return Cells(
            line.dtype, self._map(lambda n: register(self.f, n, kind) + zero, found.numbers)
        )

    def _mean(self, line: Line, operands: list[Cells]) -> Cells:
        total = self._sum(line, operands)
        count = operands[0].numbers.size / total.numbers.size if total.numbers.size else 0
        if not count:
            raise Unsupported("the mean of nothing")
        kind = KINDS[line.dtype]
        divisor = self.f.constant(count, kind)
        return Cells(line.dtype, self._map(lambda n: n / divisor, total.numbers))

    def _extremum(self, line: Line, operands: list[Cells]) -> Cells:
        x, _ = self._in_dtype(line, operands[0])
        rule = ARITHMETIC["larger" if line.op.name == "max" else "smaller"]
        return self._reduced(line, x, lambda a, b: rule(self.f, a, b), None, line.params["axis"])

    def _ties(self, line: Line, operands: list[Cells]) -> Cells:
        """Compare elements with the extremum of their dimension; NaN equals NaN."""
        x, extremum = operands
        if x.dtype is None or x.dtype.kind != "f" or extremum.dtype != x.dtype:
            raise Unsupported(f"{line.op.shown} of {x.dtype}")

        def kernel(places: Any) -> Any:
            return OPS["spread"].kernel(places, shape=x.shape, **line.params)

        def rule(f: PythonFunction, a: Register, b: Register) -> Register:
            nans = [f.assign(f"fcmp uno {r.kind} {r.name}, {r.name}", "i1") for r in (a, b)]
            both = f.assign(f"and i1 {nans[0].name}, {nans[1].name}", "i1")
            equal = compared(f, "eq", a, b)
            return f.assign(f"or i1 {equal.name}, {both.name}", "i1")

        reached = moved(kernel, [extremum], x.dtype)
        return self._each(line, "ties", rule, [x, reached], x.dtype)

    def _matmul(self, line: Line, operands: list[Cells]) -> Cells:
        (x, _), (y, _) = self._in_dtype(line, operands[0]), self._in_dtype(line, operands[1])
        a, b = x.numbers, y.numbers
        if max(a.ndim, b.ndim) > 2 or a.shape[-1] == 0:
            raise Unsupported("matmul of shapes that are not small")
        rows = a if a.ndim == 2 else a[None]
        columns = b if b.ndim == 2 else b[:, None]
        self._count += rows.size * columns.shape[1]
        if self._count > _MOST:
            raise Unsupported("a program of many operations")
        out = np.empty((len(rows), columns.shape[1]), object)
        for i, j in np.ndindex(out.shape):
            total = rows[i, 0] * columns[0, j]
            for k in range(1, rows.shape[1]):
                total = total + rows[i, k] * columns[k, j]
            out[i, j] = total
        return Cells(line.dtype, out.reshape(line.shape))


_RULES: dict[str, Callable[[Lowering, Line, list[Cells]], Cells]] = {
    **dict.fromkeys(ARITHMETIC, Lowering._arithmetic),
    **dict.fromkeys(RELATIONS, Lowering._relation),
    **dict.fromkeys(TESTS, Lowering._test),
    **dict.fromkeys(LOGICAL, Lowering._logical),
    **dict.fromkeys(_MOVING, Lowering._moved),
    "pow": Lowering._power,
    "where_positive": Lowering._where_positive,
    "cast": Lowering._cast,
    "discretize": Lowering._cast,
    "where": Lowering._where,
    "scatter": Lowering._scatter,
    "sum": Lowering._sum,
    "mean": Lowering._mean,
    "max": Lowering._extremum,
    "min": Lowering._extremum,
    "matmul": Lowering._matmul,
    "ties": Lowering._ties,
}
