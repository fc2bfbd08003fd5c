"""Work on large arrays: chunks that stay in the cache, spread over the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from dlgradient.core.threads import in_blocks, one_blas_thread

__all__ = ["chunks", "for_each", "for_each_chunk", "items_within"]

T = TypeVar("T")
R = TypeVar("R")


def for_each(work: Callable[[T], R], items: Sequence[T], *, split: bool) -> list[R]:
    """Return ``work(item)`` for each item, on all cores if there is enough to do.

    Matrix products inside run on one thread each then.

    Parameters
    ----------
    work : callable
        It must touch nothing that the work on another item touches.
    items : sequence
    split : bool
        Whether the work pays for another thread.
    """

    def several(block: slice) -> list[R]:
        return [work(item) for item in items[block]]

    if not split:
        return several(slice(None))
    with one_blas_thread():
        return [result for results in in_blocks(several, len(items)) for result in results]


def for_each_chunk(work: Callable[[slice], Any], size: int, at_once: int, *, split: bool) -> None:
    """Call ``work(chunk)`` for chunks of ``range(size)``, on all cores if there is enough to do.

    Parameters
    ----------
    work : callable
        ``work(chunk)`` with a slice; it must touch nothing that another chunk touches.
    size : int
        Number of items.
    at_once : int
        Number of items of a chunk.
    split : bool
        Whether the work pays for another thread.
    """

    def several(part: slice) -> None:
        for chunk in chunks(part, at_once):
            work(chunk)

    in_blocks(several, size, split=split)


def items_within(nbytes: int, each: int) -> int:
    """Number of items of `each` bytes that fit into `nbytes`, at least one."""
    return max(1, nbytes // max(1, each))


def chunks(part: slice, count: int) -> Iterator[slice]:
    """Cut a part of a batch into slices of `count` items; the last may be shorter.

    Examples
    --------
    >>> list(chunks(slice(2, 7), 3))
    [slice(2, 5, None), slice(5, 7, None)]
    """
    for first in range(part.start, part.stop, count):
        yield slice(first, min(first + count, part.stop))
