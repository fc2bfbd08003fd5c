"""The cache of one accelerated function: paths by the keys of arguments.

A path answers after two calls have recorded the same program. What differs between them, such as a
random number or a count, is in no program. Paths of one key differ in what Python has read. A
key whose calls record a new path again and again, or never the same, is given up: it runs eagerly.

The least recently used keys leave the cache when it is full. One lock serves all caches, and is
held for a few statements only; a forked child gets a new one.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

from dlgradient.program.lines import Check, Program, alike
from dlgradient.program.path import Path
from dlgradient.program.record import Recording

__all__ = ["Cache", "Entry", "in_words"]

PATHS = 8  # of one key
ATTEMPTS = 3  # calls that may record different programs before a key is given up
# What Python reads, in words, by the name of the function that reads it.
_READS = {
    "whole": "all values, as extractdata and tolist do",
    "item": "a number, as item, float and int do",
    "bool": "a condition, as if does",
    "are_classes": "whether targets are classes",
    "holds_nan": "whether a gradient has NaN",
}
BROKEN_CALLS = 24  # calls of one key in which no path answered, one after the other

_lock = {"it": Lock()}


def _new_lock() -> None:
    _lock["it"] = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


class Entry:
    """What is known of the calls with one key.

    Attributes
    ----------
    paths : list of Path
        The last one used first.
    refusal : str
        Why these calls run eagerly; '' if they need not.
    eager : int
        How many calls ran eagerly.
    """

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.refusal = ""
        self.eager = 0
        self._once: list[Recording] = []
        self._attempts = 0
        self._unanswered = 0

    @property
    def reads(self) -> list[list[Check]]:
        """What Python has read in calls that were recorded once."""
        return [r.program.checks for r in self._once if r.program is not None]

    def answered(self, path: Path) -> None:
        """Note that a path has answered."""
        self._unanswered = 0
        if self.paths[0] is not path:
            with _lock["it"]:
                if path in self.paths:
                    self.paths.remove(path)
                    self.paths.insert(0, path)

    def recorded(self, recording: Recording, make: Callable[[], Path]) -> None:
        """Take a recording; make a path if it is the second of its kind."""
        with _lock["it"]:
            self.eager += 1
            self._unanswered += 1
            if recording.refusal:
                self._give_up(recording.refusal)
                return
            assert recording.program is not None
            assert recording.watch is not None
            # What the function reads has changed since these were recorded.
            self._once = [r for r in self._once if r.watch is not None and r.watch.unchanged()]
            reads = recording.program.checks
            known = next((r for r in self._once if _same_reads(r.program, reads)), None)
            if known is None:
                if self._unanswered > BROKEN_CALLS:
                    self._give_up(_broken(recording.program))
                else:
                    self._once = [*self._once, recording][-PATHS:]
                return
            self._once.remove(known)
            assert known.program is not None
            if not _is_confirmed(known, recording):
                self._attempts += 1
                if self._attempts == ATTEMPTS:
                    self._give_up(_difference(known.program, recording.program))
                else:
                    self._once.append(recording)
                return
        try:
            path = make()
        except Exception as error:  # noqa: BLE001 - the result of the call is there all the same
            self._give_up(f"its program cannot be written: {error!r}")
            return
        with _lock["it"]:
            self.paths = [path, *self.paths][:PATHS]

    def _give_up(self, reason: str) -> None:
        self.refusal = reason
        self._once = []


def _is_confirmed(first: Recording, second: Recording) -> bool:
    """Return whether two calls have recorded the same program and the same result."""
    assert first.structure is not None
    assert second.structure is not None
    same = bool(first.structure.key == second.structure.key)
    return same and alike(first.program, second.program)


def _same_reads(program: Program | None, reads: list[Any]) -> bool:
    return program is not None and alike(program.checks, reads)


def in_words(check: Check) -> str:
    """Return one read, in words."""
    name = getattr(check.function, "__name__", "?").strip("_")
    return _READS.get(name, name.replace("_", " "))


def _broken(program: Program) -> str:
    names = sorted({in_words(check) for check in program.checks})
    return (
        f"Python reads values that differ in every call ({', '.join(names)}), here or in a function"
        " that is called; return the dlarray, and read it outside"
    )


def _difference(first: Program, second: Program) -> str:
    """Return what differs between two programs that should be the same."""
    pairs = zip(first.lines, second.lines, strict=False)
    line = next((b for a, b in pairs if not alike(a, b)), None)
    what = "a result" if line is None else f"a constant or a parameter of {line.op.shown}"
    return (
        f"calls with the same arguments compute different things: {what} differs, such as a random "
        "number or a count; make it an argument, as a dlarray"
    )


class Cache:
    """Entries by keys, the least recently used first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[Any, Entry] = OrderedDict()

    def __iter__(self) -> Iterator[tuple[Any, Entry]]:
        with _lock["it"]:
            return iter(list(self._entries.items()))

    def entry(self, key: Any) -> Entry:
        """Return the entry of a key, a new one if there is none."""
        with _lock["it"]:
            found = self._entries.get(key)
            if found is None:
                found = self._entries[key] = Entry()
            self._entries.move_to_end(key)
            self._shrink()
            return found

    def shrink(self) -> None:
        """Forget the least recently used entries, until there is room."""
        with _lock["it"]:
            self._shrink()

    def _shrink(self) -> None:
        while len(self._entries) > self.size or self._count() > self.size:
            if len(self._entries) == 1:
                (entry,) = self._entries.values()
                entry.paths = entry.paths[: self.size]
                return
            self._entries.popitem(last=False)

    @property
    def count(self) -> int:
        """How many paths there are."""
        with _lock["it"]:
            return self._count()

    def _count(self) -> int:
        return sum(len(entry.paths) for entry in self._entries.values())

    def clear(self) -> None:
        """Forget everything."""
        with _lock["it"]:
            self._entries.clear()
