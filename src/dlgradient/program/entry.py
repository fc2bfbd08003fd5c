"""The entry of a path: one function that looks at the arguments, answers, and wraps the results.

It is written out for the arguments of one call: a general look at them costs more than a small
program (rows rosenbrock and chain). It answers `MISS` if anything is
not as it was, or anything raises; then the cache is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from dlgradient.core.shares import the_share
from dlgradient.core.trace import the_trace
from dlgradient.engine.array import dlarray
from dlgradient.native.switch import chosen
from dlgradient.program.numpy_printer import BROKEN
from dlgradient.program.structure import Looks

__all__ = ["FLOAT_ERRORS", "MISS", "Enter", "Hits", "entry", "no_entry"]

MISS = object()
# It gets the arguments, and returns the result or `MISS`.
Enter: TypeAlias = Callable[[tuple[Any, ...]], Any]

# What arithmetic of Python's floats raises where NumPy returns infinity or NaN.
FLOAT_ERRORS = (ZeroDivisionError, OverflowError, ValueError)

# A trace records by itself; several processes share a batch; another mode has other programs.
_ELSEWHERE = "the_trace() is not None or the_share() is not None or chosen() is not mode"
_CONTAINERS = (list, tuple, dict)
_PLAIN = (int, bool, str, bytes, type(None))


class _Inexpressible(Exception):  # noqa: N818 - no error: there is no quick entry
    """An argument or a result that no entry is written for."""


class Hits:
    """How many calls were answered.

    Attributes
    ----------
    counted : list of int
        One number, to which code of Python adds.
    by_machine : array
        One number, to which machine code adds.
    """

    def __init__(self) -> None:
        self.counted = [0]
        self.by_machine = np.zeros(1, np.int64)

    @property
    def total(self) -> int:
        """How many calls were answered."""
        return self.counted[0] + int(self.by_machine[0])


def no_entry(_args: tuple[Any, ...]) -> Any:
    """Answer nothing."""
    return MISS


def entry(
    args: tuple[Any, ...],
    result: Any,
    call: Callable[..., Any],
    after_error: Callable[..., Any] | None,
    unchanged: Callable[[], bool],
    mode: str,
    hits: Hits,
) -> Enter:
    """Return the entry of a path; `no_entry` if arguments or result are not of the common kinds.

    Parameters
    ----------
    args : tuple
        Arguments of the recorded call.
    result : object
        What it returned.
    call : callable
        The program.
    after_error : callable or None
        If scalars are Python's floats, the same in NumPy.
    unchanged : callable
        Tells whether what the function reads is as it was.
    mode : str
        What is chosen for this thread now; where something else is, the entry does not answer.
    hits : Hits
        Counts the answers.
    """
    writer = _Writer()
    try:
        writer.argument("args", args)
        returned = writer.returned(result)
    except _Inexpressible:
        return no_entry
    scope = {**writer.scope, "call": call, "after_error": after_error, "unchanged": unchanged}
    scope.update(mode=mode, counted=hits.counted)
    values = ", ".join(writer.values)
    answer = [f"found = call({values})"]
    if after_error is not None:
        again = f"    found = after_error({values})"
        answer = ["try:", f"    {answer[0]}", "except FLOAT_ERRORS:", again]
    lines = [
        *writer.lines,
        "if not unchanged():",
        "    return MISS",
        *answer,
        "if found is BROKEN:",
        "    return MISS",
        *writer.wrapping,
        "counted[0] += 1",
        f"return {returned}",
    ]
    text = "".join(
        [
            *("def enter(args):\n", f"    if {_ELSEWHERE}:\n", "        return MISS\n    try:\n"),
            *[f"        {line}\n" for line in lines],
            "    except Exception:\n        return MISS\n",
        ]
    )
    exec(compile(text, "<dlaccelerate: entry>", "exec"), scope)
    found: Enter = scope["enter"]
    return found


class _Writer:
    """Writes the text of an entry.

    Attributes
    ----------
    lines : list of str
        What looks at the arguments.
    wrapping : list of str
        What makes the results dlarrays.
    values : list of str
        Names of the raw values of the arguments.
    scope : dict
        What the names in the text are.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.wrapping: list[str] = []
        self.values: list[str] = []
        self.scope: dict[str, Any] = {
            "BROKEN": BROKEN,
            "FLOAT_ERRORS": FLOAT_ERRORS,
            "MISS": MISS,
            "chosen": chosen.get,
            "the_share": the_share.get,
            "the_trace": the_trace.get,
            "dlarray": dlarray,
            "ndarray": np.ndarray,
            "new": object.__new__,
        }
        self.count = 0

    def name(self) -> str:
        """Return a new name."""
        self.count += 1
        return f"a{self.count}"

    def bind(self, value: Any) -> str:
        """Return the name of a value."""
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def miss_if(self, condition: str) -> None:
        """Write that the entry does not answer if a condition holds."""
        self.lines += [f"if {condition}:", "    return MISS"]

    # -- arguments -------------------------------------------------------------------------------

    def argument(self, name: str, value: Any) -> None:
        """Write what looks at an argument and takes its arrays."""
        kind = type(value)
        if kind is dlarray:
            self._array(name, value)
        elif kind in _CONTAINERS:
            self._container(name, value)
        elif hasattr(kind, "_program_parts"):
            self._parts(name, value)
        elif kind in _PLAIN or (kind is float and value):
            known = self.bind(value)
            self.miss_if(f"type({name}) is not {self.bind(kind)} or {name} != {known}")
        else:
            raise _Inexpressible

    def _array(self, name: str, array: Any) -> None:
        raw, value = self.name(), array._value
        fmt = "is not None" if array._format is None else f"!= {array._format!r}"
        kind = "ndarray" if type(value) is np.ndarray else self.bind(type(value))
        wrong = [
            *(f"type({name}) is not dlarray", f"{name}._node is not None"),
            *(f"type({raw} := {name}._value) is not {kind}", f"{name}._format {fmt}"),
        ]
        if type(value) is np.ndarray:
            dtype = self.bind(value.dtype)
            wrong += [f"{raw}.shape != {value.shape}", f"{raw}.dtype is not {dtype}"]
        self.miss_if(" or ".join(wrong))
        self.values.append(raw)

    def _container(self, name: str, value: Any) -> None:
        kind, members = type(value), list(value.values() if type(value) is dict else value)
        if name == "args":
            self.miss_if(f"len(args) != {len(value)}")
        else:
            self.miss_if(f"type({name}) is not {kind.__name__} or len({name}) != {len(value)}")
        if kind is dict:
            if not all(type(key) is str for key in value):
                raise _Inexpressible
            self.miss_if(f"tuple({name}) != {self.bind(tuple(value))}")
        names = [self.name() for _ in members]
        if names:
            source = f"{name}.values()" if kind is dict else name
            self.lines.append(f"{', '.join(names)}, = {source}")
        for inner, member in zip(names, members, strict=True):
            self.argument(inner, member)

    def _parts(self, name: str, value: Any) -> None:
        """Write what looks at a network, or another container that says what it consists of."""
        parts = value._program_parts()
        self.miss_if(f"type({name}) is not {self.bind(type(value))}")
        if not hasattr(value, "_program_looks"):
            found = self.name()
            self.lines.append(f"{found} = {name}._program_parts()")
            self.miss_if(f"{found}.key != {self.bind(parts.key)}")
            self._members(f"{found}.members", parts.members)
            return
        looks = value._program_looks()
        other = [f"{text.format(name)} is not {self.bind(x)}" for text, x in looks.same]
        self.miss_if(" or ".join(other))
        first, before = len(self.values), len(self.lines)
        self._members(looks.members.format(name), parts.members)
        if looks.vectors:
            arrays, self.lines[before:] = self.lines[before:], []
            self._vectors(name, looks, arrays, self.values[first:])

    def _members(self, source: str, members: Sequence[Any]) -> None:
        """Write what looks at the members of a list."""
        names = [self.name() for _ in members]
        if names:
            self.lines.append(f"{', '.join(names)}, = {source}")
        for inner, member in zip(names, members, strict=True):
            self.argument(inner, member)

    def _vectors(self, name: str, looks: Looks, arrays: list[str], values: list[str]) -> None:
        """Write what takes values from vectors, and what looks at arrays where there are none."""
        tables = [text.format(name) for text, _ in looks.vectors]
        none = " or ".join([f"{table}._buffers is None" for table in tables])
        self.lines += [f"if {none}:", *[f"    {line}" for line in arrays], "else:"]
        others = [
            f"{table}._buffers[{i}].dtype is not {self.bind(dtype)}"
            for table, (_, dtypes) in zip(tables, looks.vectors, strict=True)
            for i, dtype in enumerate(dtypes)
        ]
        raws = " + ".join([f"{table}.raws()" for table in tables])
        self.lines += [f"    if {' or '.join(others)}:", "        return MISS"]
        self.lines.append(f"    {', '.join(values)}, = {raws}")

    # -- results ---------------------------------------------------------------------------------

    def returned(self, result: Any) -> str:
        """Return the expression of the result; what it needs is written before it."""
        names: list[str] = []
        shown = self._expression(result, names)
        raws = [f"{name}._value" for name in names]
        makes = [f"{name} = new(dlarray)" for name in names]
        if names:
            makes.append(f"{', '.join(raws)}, = found")
        self.wrapping = makes + self.wrapping
        return shown

    def _expression(self, value: Any, names: list[str]) -> str:
        kind = type(value)
        if kind is dlarray:
            name = f"r{len(names)}"
            names.append(name)
            self.wrapping.append(f"{name}._format, {name}._node = {value._format!r}, None")
            return name
        if kind in _PLAIN or kind is float:
            return self.bind(value)
        if kind is dict:
            items = [f"{self.bind(k)}: {self._expression(v, names)}" for k, v in value.items()]
            return f"{{{', '.join(items)}}}"
        if hasattr(kind, "_program_parts"):
            parts = value._program_parts()
            inside = ", ".join([self._expression(v, names) for v in parts.members])
            build = value._program_looks().build if hasattr(kind, "_program_looks") else parts.build
            return f"{self.bind(build)}([{inside}])"
        if kind not in _CONTAINERS:
            raise _Inexpressible
        members = [self._expression(v, names) for v in value]
        inside = ", ".join(members) + "," * (kind is tuple and len(members) == 1)
        return f"({inside})" if kind is tuple else f"[{inside}]"
