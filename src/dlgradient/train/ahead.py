"""Batches that are read before they are asked for, in threads or in other processes.

They come in the order in which they were asked for, so what is read does not depend on who reads.
Processes are started anew, not forked: a fork of a program with threads can hang.
"""

from __future__ import annotations

import pickle
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dlgradient.core.threads import cores
from dlgradient.core.types import Array
from dlgradient.errors import InvalidArgumentError, located
from dlgradient.train.sources import Batch, Reader

if TYPE_CHECKING:  # networks load faster without it
    from concurrent.futures import Executor, Future

__all__ = ["Environment", "Read", "in_order", "is_broken", "lost", "pool_of", "reading"]

Environment: TypeAlias = Literal["serial", "background", "parallel"]
Read: TypeAlias = Callable[..., Any]

# The reader of a worker process.
_reader: list[Reader] = []


def pool_of(environment: Environment, reader: Reader, *, streams: bool) -> Executor | None:
    """Return who reads ahead: threads or processes; None for the caller itself."""
    if environment == "serial":
        return None
    if environment == "background":
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(1 if streams else cores(), "minibatchqueue")
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    try:
        data = pickle.dumps(reader)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidArgumentError(
            "minibatchqueue: preprocessing_environment='parallel' sends data and mini_batch_fcn to "
            f"other processes, and {error}; define functions and classes in a module, or use "
            "'background', which are threads"
        ) from error
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    return ProcessPoolExecutor(cores(), context, initializer=_begin, initargs=(data,))


def _begin(data: bytes) -> None:
    _reader.append(pickle.loads(data))


def _read(chosen: Array) -> Batch:
    try:
        return _reader[0].read(chosen)
    except Exception as error:  # noqa: BLE001 - of a function of the user, so any
        raise _sendable(error) from None


def _sendable(error: Exception) -> Exception:
    """Return an error that another process can read: itself, or what it says."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - of a class of the user, which may need other arguments
        text = "".join(traceback.format_exception(error)).rstrip()
        new = RuntimeError(located(text, "recipes/mini-batches.html"))
        new.__notes__ = list(getattr(error, "__notes__", []))
        return new
    return error


def is_broken(error: Exception) -> bool:
    """Return whether an error is that of a pool that has lost a process."""
    return any(kind.__name__ == "BrokenExecutor" for kind in type(error).__mro__)


def lost(place: str) -> str:
    """Return what is said if a process has ended that was to read."""
    return (
        f"minibatchqueue: a process that reads has ended before {place}: it was killed, as the "
        "system does if memory runs out, or it crashed, or it could not begin. A script must begin "
        "with if __name__ == '__main__':. Use fewer observations in a batch, or "
        "preprocessing_environment='background'; with 'serial' an error is shown where it happens"
    )


def reading(reader: Reader, environment: Environment) -> Read:
    """Return the function that reads a batch in an environment."""
    return _read if environment == "parallel" else reader.read


def in_order(read: Read, jobs: Iterable[tuple[Any, ...]], pool: Executor | None) -> Iterator[Any]:
    """Yield ``read(*job)`` for each job; with a pool, some jobs are begun before that."""
    if pool is None:
        for job in jobs:
            yield read(*job)
        return
    pending: deque[Future[Any]] = deque()
    try:
        for job in jobs:
            pending.append(pool.submit(read, *job))
            if len(pending) > 2 * cores():
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
