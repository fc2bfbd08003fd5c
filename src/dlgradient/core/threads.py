"""Large kernels on all cores.

NumPy runs a ufunc on one core, and releases the interpreter lock meanwhile. Arithmetic limits a
transcendental function of a large array, not memory, so the array is cut into one block for each
core. On two cores, the functions here take about half the time from 10⁵ elements on. Smaller
arrays, and those that are not contiguous, are not cut.

The number of threads is that of the cores this process may use, or ``OMP_NUM_THREADS`` if it is
set, as for NumPy's linear algebra.

A kernel that works item by item (an image, a sequence) divides its items into one block for each
core, with `in_blocks`. Matrix products inside then run on one thread each, under `one_blas_thread`:
threads of the linear algebra cost small products more than they gain.

After a product, the threads of the linear algebra wait for the next one. For some milliseconds they
do so in a busy loop, on the cores that such blocks need. So after the first kernel that was cut
into blocks, `product` cuts matrix products too, and the linear algebra starts no more threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np

from dlgradient.core.sizes import PRODUCT_MULTIPLICATIONS, THREAD_BYTES

__all__ = ["cores", "in_blocks", "one_blas_thread", "product", "threaded"]

_cut = {"ever": False}
_in_block: ContextVar[bool] = ContextVar("dlgradient_block", default=False)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _count() -> int:
    setting = os.environ.get("OMP_NUM_THREADS", "")
    return int(setting) if setting.isdigit() and int(setting) else cores()


@cache
def _pool(_process: int) -> Any:
    # One for each process: threads do not survive a fork.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_count() - 1, thread_name_prefix="dlgradient")


def threaded(ufunc: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel of one operand, and of an array for the result if there is one.

    It computes large arrays on all cores.

    `ufunc` is a ufunc of NumPy, or any ``f(x)`` with an optional second argument for the result.
    """

    def kernel(x: Any, out: Any = None) -> Any:
        if type(x) is not np.ndarray or x.nbytes < THREAD_BYTES or _count() == 1:
            return ufunc(x) if out is None else ufunc(x, out)
        return _on_all_cores(ufunc, x, out)

    return kernel


def _on_all_cores(ufunc: Callable[..., Any], x: np.ndarray[Any, Any], out: Any) -> Any:
    is_whole = x.flags.c_contiguous or (x.flags.f_contiguous and out is None)
    if x.dtype.kind not in "fc" or not is_whole:
        return ufunc(x) if out is None else ufunc(x, out)
    if out is None:
        out = np.empty_like(x)
    flat, flat_out = x.ravel(order="K"), out.ravel(order="K")
    in_blocks(lambda block: ufunc(flat[block], flat_out[block]), x.size)
    return out


def in_blocks(work: Callable[[slice], Any], size: int, *, split: bool = True) -> list[Any]:
    """Return the results of `work` for blocks of ``range(size)``, one on each core.

    Parameters
    ----------
    work : callable
        ``work(block)`` with a slice. It must not write to anything that another block uses.
    size : int
        Number of items.
    split : bool
        Whether the work is enough to split; otherwise there is one block.
    """
    # A block that waited for its own blocks would wait for its own thread.
    count = min(_count(), size) if split and not _in_block.get() else 1
    if count <= 1:
        return [work(slice(0, size))]
    bounds = [size * i // count for i in range(count + 1)]
    _cut["ever"] = True
    first, *rest = [slice(*pair) for pair in pairwise(bounds)]
    # In a copy of the context, so that numpy.errstate applies there too.
    tasks = [
        _pool(os.getpid()).submit(copy_context().run, _run_block, work, block) for block in rest
    ]
    try:
        done = [work(first)]
    finally:
        # Also after an error: no block may still write when the caller continues.
        others = [task.exception() or task.result() for task in tasks]
    for other in others:
        if isinstance(other, BaseException):
            raise other
    return [*done, *others]


def _run_block(work: Callable[[slice], Any], block: slice) -> Any:
    _in_block.set(True)  # in the copy of the context, which ends with the block
    return work(block)


def product(x: Any, y: Any, out: Any = None) -> Any:
    """Return a matrix product, cut into blocks on all cores once any kernel has been cut."""
    if not _cut["ever"] or x.ndim != 2 or y.ndim != 2 or _blas() is None:
        return np.matmul(x, y, out)
    (m, k), (_, n) = x.shape, y.shape
    with one_blas_thread():
        if m * k * n < PRODUCT_MULTIPLICATIONS:
            return np.matmul(x, y, out)
        if out is None:
            out = np.empty((m, n), np.result_type(x, y))
        if m >= n:
            in_blocks(lambda rows: np.matmul(x[rows], y, out=out[rows]), m)
        else:
            in_blocks(lambda columns: np.matmul(x, y[:, columns], out=out[:, columns]), n)
    return out


_blas_lock = Lock()
_blas_state = {"users": 0, "before": 1}


@cache
def _blas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Functions of NumPy's OpenBLAS that get and set its number of threads."""
    import ctypes

    try:
        # A look-up in a library also searches the libraries it was linked with.
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        return None
    for prefix in ("scipy_openblas", "openblas"):
        for suffix in ("64_", "_64", ""):
            get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            if get is not None and put is not None:
                return get, put
    return None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """While this is open, each matrix product runs on one thread, if the library allows it."""
    blas = _blas()
    if blas is None:
        yield
        return
    get, put = blas
    # The setting applies to the whole process: the first to enter makes it, the last to leave
    # undoes it.
    with _blas_lock:
        if not _blas_state["users"]:
            _blas_state["before"] = get()
            put(1)
        _blas_state["users"] += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_state["users"] -= 1
            if not _blas_state["users"]:
                put(_blas_state["before"])
