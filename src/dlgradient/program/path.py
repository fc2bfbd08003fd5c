"""One path of a function: a program that is printed, and what must be true for it to answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dlgradient.core.calls import wrap
from dlgradient.native.switch import chosen, mode, uses_native
from dlgradient.program.compiled import with_loops
from dlgradient.program.draws import rewind
from dlgradient.program.entry import FLOAT_ERRORS, Enter, Hits, entry, no_entry
from dlgradient.program.floats import floating_slots
from dlgradient.program.lines import Program
from dlgradient.program.numpy_printer import BROKEN, Printed, printed
from dlgradient.program.passes import improved
from dlgradient.program.record import Recording

__all__ = ["Path"]

# Answers after which machine code is made, unless the user has asked for it: it takes as long as
# a thousand answers, and is the same for any number that does not depend on time.
SETTLED = 32
_REALS = np.dtype(np.float64)


class Path:
    """A program of one path, and its result.

    Attributes
    ----------
    program : Program
        As it was recorded, to be compared.
    watch : Watch
        On what the function reads besides its arguments.
    machine : callable or str
        The program as machine code; why there is none, '' if it was not tried.
    generators : list of numpy.random.Generator
        What the program draws from.
    """

    def __init__(self, name: str, recording: Recording, *, exact: bool = False) -> None:
        assert recording.program is not None
        assert recording.watch is not None
        assert recording.structure is not None
        self.program: Program = recording.program
        self.watch = recording.watch
        self._improved = improved(self.program)
        self._name = name
        self._exact = exact  # whether results have the bits of eager ones
        self.lines = len(self._improved.lines)
        self.generators = self._improved.generators
        # A program of floats may begin again in NumPy, and would draw twice.
        floats = set() if self.generators else floating_slots(self._improved)
        self.floats = printed(self._improved, name, floats) if floats else None
        self._structure = recording.structure
        self._formats = [x._format for x in self._structure.arrays]
        self._structure.arrays = []  # not the results of the recorded call
        self.machine: Enter | str = ""
        self._answers = 0
        self._entries: dict[tuple[str, bool], Enter] = {}
        self._loops: dict[str, Printed | None] = {}

    # -- entries ---------------------------------------------------------------------------------

    def entries(self, args: tuple[Any, ...], result: Any, hits: Hits) -> tuple[Enter, Enter]:
        """Return what answers calls like one that was answered, the fastest first.

        They are of the mode that is chosen. Until it is settled whether machine code pays, there
        are none.
        """
        if self.generators:
            return no_entry, no_entry  # `run` sets generators back after a check that failed
        native = not self._exact and uses_native(_REALS, pays=True)
        if native:
            self._answers += 1
            if self._answers < SETTLED and mode() != "native":
                return no_entry, no_entry
        python = self._entry(args, result, hits, native=False)
        machine = self._entry(args, result, hits, native=True) if native else no_entry
        return (python, no_entry) if machine is no_entry else (machine, python)

    def _entry(self, args: tuple[Any, ...], result: Any, hits: Hits, *, native: bool) -> Enter:
        key = chosen.get(), native
        if key not in self._entries:
            make = self._machine_entry if native else self._python_entry
            self._entries[key] = make(args, result, key[0], hits)
        return self._entries[key]

    def _python_entry(self, args: tuple[Any, ...], result: Any, chosen: str, hits: Hits) -> Enter:
        first = self.floats or self.arrays
        second = self.numpy_call if self.floats else None
        return entry(args, result, first.call, second, self.watch.unchanged, chosen, hits)

    def _machine_entry(self, args: tuple[Any, ...], result: Any, chosen: str, hits: Hits) -> Enter:
        if self.machine and isinstance(self.machine, str):
            return no_entry
        from dlgradient.program.machine.entry import machine_entry  # with LLVM only

        try:
            self.machine = machine_entry(args, result, self._improved, self.watch, chosen, hits)
        except (OSError, RuntimeError) as error:  # of LLVM
            self.machine = str(error)
        return no_entry if isinstance(self.machine, str) else self.machine

    # -- the program in NumPy --------------------------------------------------------------------

    @cached_property
    def numpy(self) -> Printed:
        """The program in NumPy; if scalars are floats, it is needed for infinity and NaN only."""
        return printed(self._improved, self._name)

    @property
    def loops(self) -> Printed | None:
        """The program with compiled loops, if the mode of acceleration has some."""
        chosen = mode()
        if chosen not in self._loops:
            numpy_only = self._exact or self.floats is not None
            program = None if numpy_only else with_loops(self._improved)
            self._loops[chosen] = None if program is None else printed(program, self._name)
        return self._loops[chosen]

    @property
    def arrays(self) -> Printed:
        """The program that answers if scalars are no floats."""
        return self.loops or self.numpy

    def numpy_call(self, *values: Any) -> Any:
        """Return the results of the program in NumPy."""
        return self.numpy.call(*values)

    @property
    def source(self) -> str:
        """The text of the function that answers."""
        return (self.floats or self.arrays).source

    @property
    def shown(self) -> str:
        """What computes arrays, in words."""
        loops = self.loops
        if loops is None:
            return "NumPy"
        groups = loops.program.groups
        count = sum(len(group.lines) for group in groups)
        shown = "a compiled loop" if len(groups) == 1 else f"{len(groups)} compiled loops"
        return f"NumPy, {count} of them in {shown}"

    def run(self, values: Sequence[Any]) -> Any:
        """Return the results as raw values, or `BROKEN`; then nothing is drawn."""
        states = [(g, g.bit_generator.state) for g in self.generators]
        found = BROKEN
        try:
            found = self._run(values)
        finally:
            if found is BROKEN:
                rewind(states)
        return found

    def _run(self, values: Sequence[Any]) -> Any:
        if self.floats is not None:
            try:
                return self.floats.call(*values)
            except FLOAT_ERRORS:
                pass  # the program in NumPy knows infinity
        return self.arrays.call(*values)

    def wrapped(self, found: Sequence[Any]) -> Any:
        """Return what the function returns, of raw results."""
        pairs = zip(found, self._formats, strict=True)
        return self._structure.rebuilt([wrap(value, None, fmt) for value, fmt in pairs])
