"""The processes of an MPI job, and what they tell each other.

A process has a number, its rank. Those of `mpiexec -n 4 python script.py` run the same script; what
is called here, all of them must call, in the same order.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from time import perf_counter, sleep
from typing import Any, TypeVar

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import InvalidArgumentError, located

__all__ = ["Ranks", "ranks_of_job"]

_T = TypeVar("_T")
_PAGE = "recipes/several-machines.html"
BUSY_SECONDS = 0.002
SLEEP_SECONDS = 0.0002


class Ranks:
    """The processes of a job.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm

    Attributes
    ----------
    rank, size : int
        The number of this process, from 0, and how many there are.
    interrupted : bool
        Whether this process has got Ctrl-C, see `listening`.
    """

    def __init__(self, comm: Any) -> None:
        self.comm = comm
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.interrupted = False

    def total(self, x: Array) -> Array:
        """Return the sum of an array over the ranks, in a new array."""
        half = x.dtype == np.float16  # MPI does not know it
        given = np.asarray(x, np.float32 if half else None, order="C")
        found = np.empty_like(given)
        self._meet()
        self.comm.Allreduce(given, found)
        return found.astype(np.float16) if half else found

    def of_first(self, value: _T) -> _T:
        """Return what the first rank has, on all of them."""
        self._meet()
        found: _T = self.comm.bcast(value)
        return found

    def of_all(self, value: _T) -> list[_T]:
        """Return what each rank has, in their order, on all of them."""
        self._meet()
        found: list[_T] = self.comm.allgather(value)
        return found

    def _meet(self) -> None:
        """Wait until all ranks are here.

        A library of MPI waits in a busy loop. With more ranks than cores, that takes the core from
        the rank it waits for. So all meet first, and a rank that waits for long sleeps.
        """
        request = self.comm.Ibarrier()
        patience = perf_counter() + BUSY_SECONDS
        while not request.Test():
            if perf_counter() > patience:
                sleep(SLEEP_SECONDS)

    def agreed(self, reason: str) -> str:
        """Return the reason to stop of the first rank, or that of Ctrl-C on any, or ''."""
        flags = self.total(np.array([bool(reason) and not self.rank, self.interrupted], np.int32))
        if flags[1]:
            return "Stopped by the user"
        return self.of_first(reason) if flags[0] else ""

    def abort(self) -> None:
        """End all ranks: this one has failed, and the others would wait for it."""
        sys.stderr.write(
            f"dlgradient: rank {self.rank} of {self.size} has failed, so all of them end\n"
        )
        sys.stdout.flush()
        sys.stderr.flush()
        self.comm.Abort(1)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note Ctrl-C instead of raising it, so that all ranks stop after the same step.

        One that stopped alone would leave the others waiting. The second Ctrl-C is raised.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread gets signals
            return

        def note(*_: object) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, before)

        self.interrupted = False
        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


@cache
def ranks_of_job() -> Ranks:
    """Return the ranks of this job; from now on an error that ends one of them ends all.

    Raises
    ------
    ImportError
        If mpi4py, or an MPI library, is not installed.
    InvalidArgumentError
        If there is one process.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter without a library of MPI
        text = (
            'execution_environment="parallel" needs mpi4py and a library of MPI: '
            f"pip install dlgradient[mpi] ({error})"
        )
        raise ImportError(located(text, _PAGE)) from error
    world = MPI.COMM_WORLD
    if world.Get_size() == 1:
        raise InvalidArgumentError(
            'training_options: execution_environment="parallel" shares each batch among several '
            "processes, and this one is alone; start the script with mpiexec -n 2 python "
            "script.py, or omit the option"
        )
    ranks = Ranks(world.Dup())  # messages of users do not mix with these
    sys.excepthook = _ending_all(sys.excepthook, ranks)
    return ranks


def _ending_all(before: Callable[..., Any], ranks: Ranks) -> Callable[..., Any]:
    def hook(*error: Any) -> None:
        before(*error)
        ranks.abort()

    return hook
