"""The words of ``explain()``: programs, checks, and why calls were not replayed.

Calls whose key is new again and again cost more than eager ones. So the keys of the last calls are
compared, and a warning names the argument that varies.
"""

from __future__ import annotations

import inspect
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from dlgradient.program.cache import Cache, Entry, in_words
from dlgradient.program.lines import Check
from dlgradient.program.path import Path
from dlgradient.program.structure import Identity, described

__all__ = ["Misses", "explanation"]

NEW_KEYS = 20  # calls in a row, each with a new key, after which a warning names the argument
REASONS = 20  # different reasons that are counted


class Misses:
    """Calls that were not replayed.

    Attributes
    ----------
    reasons : Counter
        Why calls ran eagerly that have no key.
    varying : str
        The argument that varied last, and how.
    """

    def __init__(self, fun: Callable[..., Any], *, warns: bool = True) -> None:
        self._fun = fun
        self.reasons: Counter[str] = Counter()
        self.varying = ""
        self._last: Any = None
        self._new = 0
        self._warned = not warns

    def add_reason(self, reason: str) -> None:
        """Count a call that ran eagerly."""
        if reason in self.reasons or len(self.reasons) < REASONS:
            self.reasons[reason] += 1

    def add(self, key: Any, entry: Entry) -> None:
        """Note a call that was not replayed, and warn if most calls are such."""
        last, self._last = self._last, key
        is_new = not entry.paths and not entry.eager
        self._new = self._new + 1 if is_new and last is not None else 0
        if is_new and last is not None:
            self.varying = self._difference(last, key) or self.varying
        if entry.refusal and entry.eager >= NEW_KEYS and not self._warned:
            self._warned = True
            warnings.warn(
                f"dlaccelerate: {_name(self._fun)} has run eagerly {entry.eager} times, since "
                f"{entry.refusal}; it is not accelerated",
                RuntimeWarning,
                stacklevel=4,
            )
        if self._new >= NEW_KEYS and not self._warned:
            self._warned = True
            warnings.warn(
                f"dlaccelerate: the last {self._new} calls of {_name(self._fun)} were new, since "
                f"{self.varying}; make a value that varies a dlarray, or give arrays few different "
                "shapes",
                RuntimeWarning,
                stacklevel=4,
            )

    def _difference(self, last: Any, key: Any) -> str:
        """Return which argument differs between two calls, and how."""
        (_, _, (old, old_named)), (_, _, (new, new_named)) = last, key
        names = _parameters(self._fun)
        for i, (a, b) in enumerate(zip(old[2], new[2], strict=False)):
            if a != b:
                name = names[i] if i < len(names) else f"argument {i}"
                return _variation(name, a, b)
        for name, a, b in zip(new_named[1], old_named[2], new_named[2], strict=False):
            if a != b:
                return _variation(name[1], a, b)
        return "the number or the names of the arguments vary"


def _variation(name: str, old: Any, new: Any) -> str:
    """Return how an argument differs between two calls; of a container, its first such member."""
    where = ""
    while _is_container(old) and _is_container(new) and old[:2] == new[:2]:
        pairs = list(zip(old[2], new[2], strict=False))
        i = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if i is None:
            break
        where += f"[{_member(old[1], i)}]"
        old, new = pairs[i]
    return f"{name}{where} varies: {described(old)}, then {described(new)}"


def _is_container(key: Any) -> bool:
    return type(key) is tuple and len(key) == 3 and isinstance(key[0], type)


def _member(key: Any, i: int) -> str:
    """Return the name of a member: of a dict, of a network's tables, or its number."""
    tables: list[Any] = [
        k.value for k in key if isinstance(k, Identity) and hasattr(k.value, "shapes")
    ]
    names = [n for table in tables for n in table.keys]
    if names:
        return repr(names[i])
    keys = key[i : i + 1]
    is_name = bool(keys) and type(keys[0]) is tuple and keys[0][:1] == (str,)
    return repr(keys[0][1]) if is_name else str(i)


def _name(fun: Callable[..., Any]) -> str:
    return str(getattr(fun, "__qualname__", fun))


def _parameters(fun: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        return []


def explanation(
    fun: Callable[..., Any], cache: Cache, misses: Misses, calls: int, hits: int
) -> str:
    """Return what is known of an accelerated function, for its user."""
    lines = [f"{_name(fun)}: {calls} calls, {hits} of them replayed"]
    entries = list(cache)
    names = _parameters(fun)
    texts = Counter("\n".join(_entry(key, entry, names)) for key, entry in reversed(entries))
    for text, count in texts.items():
        lines += [text] if count == 1 else [text, f"  and {count - 1} more like this"]
    for reason, count in misses.reasons.most_common():
        lines.append(f"eager, {count} calls: {reason}")
    if misses.varying and len(entries) > 1:
        lines.append(f"last new program: {misses.varying}")
    return "\n".join(lines)


def _entry(key: Any, entry: Entry, names: list[str]) -> list[str]:
    _, _, (positional, named) = key
    shown = [
        f"{names[i] if i < len(names) else f'argument {i}'}: {described(k)}"
        for i, k in enumerate(positional[2])
    ]
    shown += [f"{n[1]}: {described(k)}" for n, k in zip(named[1], named[2], strict=True)]
    lines = ["for " + ("; ".join(shown) or "no arguments")]
    for path in entry.paths:
        lines += _path(path)
    if entry.refusal:
        lines.append(f"  runs eagerly, {entry.eager} calls: {entry.refusal}")
    elif not entry.paths:
        lines.append("  recorded; the next call that computes the same confirms it")
        for reads in entry.reads:
            lines.append(f"    Python has read: {counted(reads)}")
    return lines


def counted(checks: list[Check]) -> str:
    """Return what Python reads, in words."""
    names = Counter(map(in_words, checks))
    return ", ".join(f"{name} ({count})" for name, count in names.items()) or "nothing"


def _path(path: Path) -> list[str]:
    kind = "machine code" if callable(path.machine) else _interpreted(path)
    lines = [f"  program of {path.lines} operations, {kind}, recorded twice"]
    if path.machine and not callable(path.machine):
        lines.append(f"    no machine code: {path.machine}")
    checks = path.program.checks
    if checks:
        lines.append(f"    checks what Python reads: {counted(checks)}")
    changed = path.watch.change()
    if changed:
        lines.append(f"    not used now: {changed} has changed since")
    return lines


def _interpreted(path: Path) -> str:
    return "Python's floats" if path.floats is not None else path.shown
