"""The NumPy printer: a program as the text of a Python function.

A line is printed as a user would write it: an operator where the kernel is one, else a call of the
kernel by the name of its operation. A check compares what Python has read, and leaves the function
if it differs. What `buffers` has found a place for is written to ``m[0]``, ``m[1]`` and so on.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from itertools import count
from typing import Any

import numpy as np

from dlgradient.core.declaration import OPS, Op
from dlgradient.core.threads import product
from dlgradient.core.values import ERRORS, SILENT
from dlgradient.program.buffers import UFUNCS, Plan, planned
from dlgradient.program.floats import FORMS, is_vector_of_floats, power
from dlgradient.program.lines import Check, Group, Line, Program, Slot, Step, alike
from dlgradient.program.rooms import with_room

__all__ = ["BROKEN", "Printed", "printed"]

BROKEN = object()  # what a program returns when a check fails

_INFIX = {
    operator.add: "{} + {}",
    operator.sub: "{} - {}",
    operator.mul: "{} * {}",
    operator.truediv: "{} / {}",
    operator.floordiv: "{} // {}",
    operator.mod: "{} % {}",
    operator.neg: "-{}",
    operator.pos: "+{}",
    operator.abs: "abs({})",
    operator.eq: "{} == {}",
    operator.ne: "{} != {}",
    operator.lt: "{} < {}",
    operator.le: "{} <= {}",
    operator.gt: "{} > {}",
    operator.ge: "{} >= {}",
}
_LITERALS = (bool, int, str, type(None), type(Ellipsis))
_number = count(1)


def _product(x: Any, y: Any, out: Any) -> Any:
    """Write a matrix product; gradients of sums have strides of zero, which BLAS does not take."""
    x, y = [np.array(a) if 0 in a.strides else a for a in (x, y)]
    return product(x, y, out)


class Printed:
    """A function, its text, and what the names in it are.

    Attributes
    ----------
    program : Program
    source : str
    call : callable
        ``call(*values)`` of the inputs returns the results, or `BROKEN`.
    """

    def __init__(self, program: Program, source: str, scope: dict[str, Any], name: str) -> None:
        self.program = program
        self.source = source
        file = f"<dlaccelerate: {name} {next(_number)}>"
        # The text is kept with the function, and not in `linecache`, which nothing clears.
        exec(compile(source, file, "exec"), scope)
        self.call: Callable[..., Any] = scope[name]


def printed(program: Program, name: str, floats: AbstractSet[Slot] = frozenset()) -> Printed:
    """Print a program.

    Parameters
    ----------
    program : Program
    name : str
        Of the function.
    floats : set of Slot
        Values that are Python floats.
    """
    plan = Plan() if floats else planned(program)
    found = _printed(program, name, floats, plan)
    if plan.places:
        function = found.call
        without: list[Printed] = []

        def otherwise(*values: Any) -> Any:
            if not without:
                without.append(_printed(program, name, floats, Plan()))
            return without[0].call(*values)

        found.call = with_room(function, plan, otherwise)
    return found


def _printed(program: Program, name: str, floats: AbstractSet[Slot], plan: Plan) -> Printed:
    printer = _Printer(program, floats, plan)
    printer.scope[name] = None  # no kernel may have it: the function would call itself
    return Printed(program, printer.text(name), printer.scope, name)


class _Printer:
    def __init__(self, program: Program, floats: AbstractSet[Slot], plan: Plan) -> None:
        self.program = program
        self.floats = floats
        self.plan = plan
        self.names = {i: f"x{i}" for i in range(len(program.inputs))}
        self.scope: dict[str, Any] = {
            "BROKEN": BROKEN,
            "alike": alike,
            "math": math,
            "np": np,
            "inf": math.inf,
            "nan": math.nan,
        }
        self.bound: dict[int, str] = {}
        self.out: list[str] = []

    # -- the function ----------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """Return the text of the function."""
        quiet = False
        for step in self.program.steps:
            silent = self.is_silent(step, quiet)
            if silent and not quiet:
                self.scope.update(ERRORS=ERRORS, SILENT=SILENT)
                self.out += ["quiet = ERRORS.set(SILENT)", "try:"]
            elif quiet and not silent:
                self.out += ["finally:", "    ERRORS.reset(quiet)"]
            quiet = silent
            self.out += ["    " * quiet + text for text in self.step(step)]
        if quiet:
            self.out += ["finally:", "    ERRORS.reset(quiet)"]
        results = [self.operand(x) for x in self.program.results]
        self.out.append(f"return ({', '.join(results)}{',' * (len(results) == 1)})")
        names = [self.names[i] for i in range(len(self.program.inputs))]
        arguments = ", ".join([*names, "m"] if self.plan.places else names)
        return f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in self.out)

    def is_silent(self, step: Step, quiet: bool) -> bool:
        """Return whether NumPy must not warn in a step; one that cannot is as those around it."""
        if type(step) is Group:
            return quiet
        if type(step) is not Line or not step.silent:
            return False
        by_python = step.target in self.floats or self.is_vector(step)
        return quiet if by_python else True

    def is_vector(self, line: Line) -> bool:
        """Return whether a line is printed as a vector of floats."""
        return bool(self.floats) and is_vector_of_floats(line, self.floats)

    def step(self, step: Step) -> list[str]:
        """Return the text of a line, a check or a group."""
        if type(step) is Check:
            return self.check(step)
        if type(step) is Group:
            return self.group(step)
        assert type(step) is Line
        target = self.names[step.target] = f"v{len(self.names) - len(self.program.inputs)}"
        if step.target in self.floats:
            return [f"{target} = {self.of_floats(step)}"]
        if self.is_vector(step):
            return [f"{target} = {self.vector(step)}"]
        return [f"{target} = {self.expression(step, self.place(step.target))}"]

    def place(self, x: Slot) -> str:
        """Return where a value is written; '' if it is new."""
        number = self.plan.numbers.get(x)
        return "" if number is None else f"m[{number}]"

    def check(self, check: Check) -> list[str]:
        """Return the text of a check."""
        operands = ", ".join([self.operand(x) for x in check.operands])
        if check.function is bool:
            word = "not " * bool(check.found)
            return [f"if {word}{operands}:", "    return BROKEN"]
        function = self.bind(check.function, getattr(check.function, "__name__", "read").strip("_"))
        call = f"{function}({operands})"
        if isinstance(check.found, bool | np.bool_):
            return [f"if {'not ' * bool(check.found)}{call}:", "    return BROKEN"]
        return [f"if not alike({call}, {self.constant(check.found)}):", "    return BROKEN"]

    def group(self, group: Group) -> list[str]:
        """Return the text of lines that one function computes, which are shown as comments."""
        shown = []
        for line in group.lines:
            target = self.names[line.target] = f"v{len(self.names) - len(self.program.inputs)}"
            shown.append(f"# {target} = {self.expression(line, '')}")
        for x in group.targets:  # one may have no line
            self.names.setdefault(x, f"v{len(self.names) - len(self.program.inputs)}")
        targets = "".join([f"{self.names[x]}, " for x in group.targets]).rstrip()
        operands = ", ".join([self.operand(x) for x in group.operands])
        places = [self.place(x) or "None" for x, _, _ in group.stored]
        if any(place != "None" for place in places):
            operands += f", out=[{', '.join(places)}]"
        return [*shown, f"{targets} = {self.bind(group.function, 'loop')}({operands})"]

    # -- lines -----------------------------------------------------------------------------------

    def expression(self, line: Line, place: str) -> str:
        """Return a line as an expression of NumPy, which writes to a place if there is one."""
        op = line.op
        operands = [self.operand(x) for x in line.operands]
        if op is Op.pick:
            return f"{operands[0]}[{line.params['index']}]"
        if op is OPS["getitem"]:
            return f"{operands[0]}[{self.key(line.params['key'])}]"
        params = [f"{n}={self.constant(value)}" for n, value in line.params.items()]
        if place:
            return f"{self.writer(op)}({', '.join([*operands, f'out={place}'])})"
        form = _INFIX.get(op.kernel) if not op.params else None
        if form is not None:
            return form.format(*operands)
        if op.variadic:
            operands = [f"[{', '.join(operands)}]"]
        return f"{self.bind(op.kernel, op.name)}({', '.join([*operands, *params])})"

    def writer(self, op: Any) -> str:
        """Return the name of a function that writes the result of an operation to a place."""
        if op.name in UFUNCS:
            return f"np.{op.declaration.numpy.__name__}"
        return self.bind(_product if op.name == "matmul" else op.kernel, op.name)

    def of_floats(self, line: Line) -> str:
        """Return a line as an expression of Python's floats."""
        if line.op.name == "getitem":
            return f"{self.names[line.operands[0]]}.item({line.params['key']})"
        operands = [self.float_operand(x) for x in line.operands]
        if line.op.name == "pow":
            return power(operands[0], line.operands[1], operands[1])
        return FORMS[line.op.name].format(*operands)

    def vector(self, line: Line) -> str:
        """Return a vector of floats, as the sum of what goes to each element."""
        terms: list[list[str]] = [[] for _ in range(line.shape[0])]
        for key, x in zip(line.params["keys"], line.operands, strict=True):
            terms[key].append(self.names[x])
        return f"np.array([{', '.join([' + '.join(t) or '0.0' for t in terms])}])"

    # -- operands --------------------------------------------------------------------------------

    def operand(self, x: Any) -> str:
        """Return an operand of NumPy."""
        if type(x) is not Slot:
            return self.constant(x)
        return f"np.float64({self.names[x]})" if x in self.floats else self.names[x]

    def float_operand(self, x: Any) -> str:
        """Return an operand as a Python float."""
        if type(x) is Slot:
            return self.names[x] if x in self.floats else f"float({self.names[x]})"
        number = repr(int(x) if type(x) is int else float(x))
        return f"({number})" if number.startswith("-") else number

    def key(self, key: Any) -> str:
        """Return an index."""
        if type(key) is int:
            return str(key)
        parts = key if type(key) is tuple else (key,)
        texts = [self._part(part) for part in parts]
        if None in texts or not texts:
            return self.bind(key, "key")
        return ", ".join(map(str, texts)) + "," * (type(key) is tuple and len(parts) == 1)

    def _part(self, part: Any) -> str | None:
        if type(part) is int:
            return str(part)
        if part is Ellipsis:
            return "..."
        if type(part) is slice:
            bounds = [part.start, part.stop, part.step]
            if all(b is None or type(b) is int for b in bounds):
                start, stop, step = ["" if b is None else str(b) for b in bounds]
                return f"{start}:{stop}" + (f":{step}" if step else "")
        return None

    def constant(self, value: Any) -> str:
        """Return a constant: as a literal, or as the name of what is bound to it."""
        kind = type(value)
        if kind in _LITERALS:
            return f"({value!r})" if kind is int and value < 0 else repr(value)
        if kind is float:
            return f"({value!r})" if repr(value).startswith("-") else repr(value)
        if kind is tuple and all(type(v) in _LITERALS for v in value):
            return repr(value)
        return self.bind(value, "c")

    def bind(self, value: Any, name: str) -> str:
        """Return the name of a value in the function's scope."""
        if id(value) not in self.bound:
            name = name if name.isidentifier() else "f"
            unique = name if name != "c" and name not in self.scope else ""
            number = len(self.bound)
            while not unique:
                candidate = f"{name}{number}"
                unique = candidate if candidate not in self.scope else ""
                number += 1
            self.scope[unique] = value
            self.bound[id(value)] = unique
        return self.bound[id(value)]
