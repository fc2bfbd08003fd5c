"""Measurements that need a fresh process: any function of a module, and the peak of its memory."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

_SCRIPT = Path(__file__).with_name("child.py")


class ChildError(Exception):
    """A fresh process failed."""


class Child:
    """A fresh process that calls a function, with further environment variables.

    The function and its arguments are pickled, so the process imports only the modules that they
    come from. Results are sent as JSON. A generator makes one step for each `turn`, and its process
    sleeps between turns.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self._send(pickle.dumps((function, arguments)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _send(self, message: bytes) -> None:
        # A process that has ended already is noticed when its answer is read.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(message)
            self._process.stdin.flush()

    def turn(self) -> Any:
        """Return the result, of a generator the next one."""
        self._send(b"\n")
        answer = self._process.stdout.readline()
        if answer:
            return json.loads(answer)
        errors = self._process.communicate()[1].decode().strip().splitlines()
        raise ChildError(
            f"exit {self._process.returncode}: {errors[-1] if errors else 'no message'}"
        )


def measure(function: Callable[..., Any], *arguments: Any, **environment: str) -> Any:
    """Call a function in a fresh process; return its result."""
    with Child(function, *arguments, **environment) as child:
        return child.turn()


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _status(name: str) -> float:
    """Return a size from the process's status in MB (10^6 bytes)."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(name)


def _high_water() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


class Peak:
    """High-water mark of the resident set minus its size at the start, in MB."""

    def __init__(self) -> None:
        gc.collect()
        try:
            # A process inherits its parent's mark; Linux can reset it.
            _CLEAR.write_text("5")
            self.exact = True
            self.start = _status("VmRSS")
        except OSError:
            self.exact = False
            self.start = _high_water()

    def peak(self) -> float:
        """Return the mark."""
        return (_status("VmHWM") if self.exact else _high_water()) - self.start

    def now(self) -> float:
        """Return the present size, where the system tells it."""
        return (_status("VmRSS") if self.exact else _high_water()) - self.start
