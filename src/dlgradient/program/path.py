"""One path of a function: a program that is printed, and what must be true for it to answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from dlgradient.core.calls import wrap
from dlgradient.program.entry import FLOAT_ERRORS, entry
from dlgradient.program.floats import floating_slots
from dlgradient.program.lines import Program
from dlgradient.program.numpy_printer import Printed, printed
from dlgradient.program.passes import improved
from dlgradient.program.record import Recording

__all__ = ["Path"]


class Path:
    """A program of one path, and its result.

    Attributes
    ----------
    program : Program
        As it was recorded, to be compared.
    watch : Watch
        On what the function reads besides its arguments.
    enter : callable or None
        Answers calls with positional arguments at once; see `dlgradient.program.entry`.
    """

    def __init__(
        self, name: str, recording: Recording, args: tuple[Any, ...] | None, result: Any
    ) -> None:
        assert recording.program is not None
        assert recording.watch is not None
        assert recording.structure is not None
        self.program: Program = recording.program
        self.watch = recording.watch
        self._improved = improved(self.program)
        self._name = name
        self.lines = len(self._improved.lines)
        floats = floating_slots(self._improved)
        self.floats = printed(self._improved, name, floats) if floats else None
        self._structure = recording.structure
        self._formats = [x._format for x in self._structure.arrays]
        self._structure.arrays = []  # not the results of the recorded call
        self.enter = None
        if args is not None:
            first = self.floats or self.numpy
            second = self.numpy_call if self.floats else None
            self.enter = entry(args, result, first.call, second, self.watch.unchanged)

    @cached_property
    def numpy(self) -> Printed:
        """The program in NumPy; if scalars are floats, it is needed for infinity and NaN only."""
        return printed(self._improved, self._name)

    def numpy_call(self, *values: Any) -> Any:
        """Return the results of the program in NumPy."""
        return self.numpy.call(*values)

    @property
    def source(self) -> str:
        """The text of the function that answers."""
        return (self.floats or self.numpy).source

    def run(self, values: Sequence[Any]) -> Any:
        """Return the results as raw values, or `BROKEN`."""
        if self.floats is not None:
            try:
                return self.floats.call(*values)
            except FLOAT_ERRORS:
                pass  # the program in NumPy knows infinity
        return self.numpy.call(*values)

    def wrapped(self, found: Sequence[Any]) -> Any:
        """Return what the function returns, of raw results."""
        pairs = zip(found, self._formats, strict=True)
        return self._structure.rebuilt([wrap(value, None, fmt) for value, fmt in pairs])
